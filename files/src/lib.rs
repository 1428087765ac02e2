//! Files that must be whole after a power cut, that must not be larger than expected, or that must be
//! private.

mod disk;
mod private;
mod replace;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use disk::{Disk, FileSystem};
pub use private::{Access, OWNER_ONLY, PrivateFileError, Readers, read_private};
pub use replace::{is_unfinished, remove_if_there, replace, replace_link, replace_on, replace_with};

/// Reads a file of at most `bytes_max` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] when it is longer; otherwise as the system says.
pub fn read_limited(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than allowed tells that it is too long.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let why = format!("it is longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Whether the disk or the user's quota is full.
pub fn no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes a file that did not exist and syncs its content. The name is durable after [`sync_directory`].
///
/// # Errors
/// As the system says: also when the file exists.
pub fn create(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    FileSystem.create(path, mode, content)?;
    FileSystem.sync_file(path)
}

/// Makes names that were added to a directory, or removed from it, durable.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    FileSystem.sync_directory(directory)
}

/// The directory that holds the path's last component: `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_limit_is_read_and_a_longer_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
        assert_eq!(read_limited(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_file_that_exists_is_not_created_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        create(&path, OWNER_ONLY, b"first").unwrap();
        assert_eq!(create(&path, OWNER_ONLY, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        assert_eq!(parent(Path::new("ca.toml")), Path::new("."));
        assert_eq!(parent(Path::new("a/ca.toml")), Path::new("a"));
    }
}
