//! Where a store lies, and how its log writes.

use std::path::{Path, PathBuf};

use ledger_log::{FileSettings, SEGMENT_BYTES_DEFAULT};

/// Where a store lies, and how its log writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The directory of the log (`ledger`, what must not be lost) and of what is derived from it
    /// (`index` and `projection`, which may be deleted while nobody has the store open; with them goes what
    /// they know of the end of the log).
    pub dir: PathBuf,
    /// What keeps the log.
    pub log: LogSettings,
    /// Whether a log is opened that ends before what the projection has seen: an operator said that there is
    /// no newer one. The projection is then built again.
    pub accept_lost_end: bool,
    /// After how many entries the index is written to disk: a start reads at most about as many.
    pub checkpoint_entries: u64,
}

/// What keeps the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSettings {
    /// Local files.
    Files {
        /// The size at which the next file is begun, bytes; at most 1 GiB.
        segment_bytes: u32,
        /// Whether files are filled with zeros when they are made: see [`FileSettings::preallocate`].
        preallocate: bool,
        /// Where archives of old segments are looked for first; then where they were put.
        archive_dir: Option<PathBuf>,
    },
}

impl StoreSettings {
    /// The usual settings: local files in this directory.
    pub fn new(dir: PathBuf) -> Self {
        let log = LogSettings::Files {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            preallocate: false,
            archive_dir: None,
        };
        Self { dir, log, accept_lost_end: false, checkpoint_entries: CHECKPOINT_ENTRIES_DEFAULT }
    }

    /// The directory of a log in local files.
    pub fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// Where archives of old segments are looked for first.
    pub fn archive_dir(&self) -> Option<&Path> {
        let LogSettings::Files { archive_dir, .. } = &self.log;
        archive_dir.as_deref()
    }

    /// The directory of the projection.
    pub fn projection(&self) -> PathBuf {
        self.dir.join("projection")
    }

    /// The directory of the index.
    pub fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    pub(crate) fn files(&self) -> FileSettings {
        let LogSettings::Files { segment_bytes, preallocate, archive_dir } = self.log.clone();
        FileSettings { directory: self.ledger(), segment_bytes, preallocate, archive_dir }
    }
}

/// Half a million entries are read again in one to two seconds, and fill some tens of megabytes of memory
/// before they are written.
pub const CHECKPOINT_ENTRIES_DEFAULT: u64 = 1 << 19;
