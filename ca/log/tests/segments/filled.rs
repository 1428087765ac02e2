//! Logs in files that have many segments.

use std::fs;
use std::path::PathBuf;

use ledger_log::suite::batch;
use ledger_log::{FileLog, FileSettings, Log};
use tempfile::TempDir;

pub(crate) fn settings(directory: &TempDir) -> FileSettings {
    FileSettings { segment_bytes: 4096, ..FileSettings::new(directory.path().join("ledger")) }
}

/// A closed log of so many entries, in batches of three.
pub(crate) async fn filled(directory: &TempDir, entries: u64) -> FileSettings {
    let settings = settings(directory);
    let log = FileLog::create(&settings).unwrap();
    for behind in (0..entries).step_by(3) {
        log.append(&batch(behind, 3, "")).await.unwrap();
    }
    log.close().await.unwrap();
    settings
}

pub(crate) fn with_extension(settings: &FileSettings, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(&settings.directory).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

pub(crate) fn flip(path: &PathBuf, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position] ^= 1;
    fs::write(path, bytes).unwrap();
}
