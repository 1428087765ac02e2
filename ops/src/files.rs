//! Writes files atomically, and certificates as PEM.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::failure::Failure;

/// Creates a directory for its owner only, with its parents. One that exists is not changed.
pub(crate) fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Failure::file(path, source))
}

/// Replaces a file durably and atomically, with mode 0600 if it is private, otherwise 0644.
pub(crate) fn write(path: &Path, contents: &[u8], private: bool) -> Result<(), Failure> {
    write_with(path, private, |file| file.write_all(contents))
}

/// As [`write()`], for contents that are too long for memory.
pub(crate) fn write_with(
    path: &Path,
    private: bool,
    contents: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Failure> {
    let mode = if private { ::files::OWNER_ONLY } else { 0o644 };
    ::files::replace_with(path, mode, contents).map_err(|source| Failure::file(path, source))
}

/// Certificates as PEM, one after another.
pub(crate) fn pem<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    certificates.into_iter().map(|der| pem_of("CERTIFICATE", der)).collect()
}

pub(crate) fn pem_of(label: &str, der: impl Into<Vec<u8>>) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), lines)
}

/// Refuses a directory with anything in it.
pub(crate) fn check_empty(directory: &Path, next: &str) -> Result<(), Failure> {
    match fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        true => {
            let what = format!("{} is not empty; nothing is overwritten", directory.display());
            Err(Failure::usage(what).next(next))
        }
        false => Ok(()),
    }
}
