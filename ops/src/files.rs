//! Files that are written: all of it or nothing, and certificates as PEM.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::failure::Failure;

/// Makes a directory that only its owner can enter, with its parents; one that exists stays as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Failure::file(path, source))
}

/// Writes a file durably: all of it or nothing. With mode 0600 if it is private, otherwise 0644. Replaces what is there.
pub(crate) fn write(path: &Path, contents: &[u8], private: bool) -> Result<(), Failure> {
    write_with(path, private, |file| file.write_all(contents))
}

/// As [`write()`], for contents that are too long to have at once.
pub(crate) fn write_with(
    path: &Path,
    private: bool,
    contents: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let outcome = (|| {
        let mode = if private { 0o600 } else { 0o644 };
        if temporary.exists() {
            fs::remove_file(&temporary)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        let mut file = BufWriter::new(file);
        contents(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    })();
    if outcome.is_err() {
        fs::remove_file(&temporary).ok();
    }
    outcome.map_err(|source| Failure::file(path, source))
}

/// Certificates as PEM, one after another.
pub(crate) fn pem<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    certificates
        .into_iter()
        .map(|der| {
            pem::encode_config(
                &pem::Pem::new("CERTIFICATE", der),
                pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
            )
        })
        .collect()
}
