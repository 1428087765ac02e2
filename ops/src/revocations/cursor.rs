//! The position in the feed, kept in a file over restarts.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::files;

#[derive(Debug)]
pub(super) struct Cursor {
    file: Option<PathBuf>,
    /// The content of the file.
    kept: String,
    /// The cursor from which to go on; empty at the beginning.
    pub(super) now: String,
}

impl Cursor {
    /// Reads the file, if it exists. An error if it is not a cursor file.
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self, Failure> {
        let kept = match &file {
            None => String::new(),
            Some(path) => match fs::read_to_string(path) {
                Ok(text) if text.trim().len() <= CURSOR_BYTES_MAX => text.trim().to_owned(),
                Ok(_) => {
                    return Err(Failure::local(format!("{} is no cursor file", path.display()))
                        .next("name another file, or remove it to begin with the first revocation"));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                Err(source) => return Err(Failure::file(path, source)),
            },
        };
        Ok(Self { file, now: kept.clone(), kept })
    }

    /// Writes the cursor to the file, atomically, if it changed.
    pub(super) fn keep(&mut self) -> Result<(), Failure> {
        let Some(path) = &self.file else { return Ok(()) };
        if self.kept != self.now {
            files::write(path, format!("{}\n", self.now).as_bytes(), false)?;
            self.kept.clone_from(&self.now);
        }
        Ok(())
    }
}

/// A cursor has about twenty characters; a larger file is something else.
const CURSOR_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_kept_is_forgotten_and_what_was_kept_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cursor");
        let mut cursor = Cursor::open(Some(file.clone())).unwrap();
        assert_eq!(cursor.now, "");
        cursor.now = "7.0".to_owned();
        cursor.keep().unwrap();
        cursor.now = "8.0".to_owned();
        assert_eq!(cursor.now, "8.0");
        assert_eq!(Cursor::open(Some(file)).unwrap().now, "7.0");
    }

    #[test]
    fn a_file_that_is_something_else_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cursor");
        fs::write(&file, "x".repeat(300)).unwrap();
        assert!(Cursor::open(Some(file.clone())).is_err());
        assert_eq!(fs::read(&file).unwrap().len(), 300);
    }
}
