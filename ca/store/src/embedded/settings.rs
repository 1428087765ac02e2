//! Where an embedded store lies, and how it writes.

use std::path::PathBuf;

/// Where an embedded store lies, and how it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// The directory of the ledger files: what must not be lost.
    pub ledger: PathBuf,
    /// The directory of the projection. May be deleted while nobody has the store open; with it goes what it knows of the end of the ledger.
    pub projection: PathBuf,
    /// When the next ledger file is begun, bytes; at most 1 GiB.
    pub segment_bytes: u32,
    /// Whether ledger files are filled with zeros when they are made: a commit then moves no file end, which spares a journal commit on some
    /// file systems.
    pub preallocate: bool,
    /// Whether a ledger is opened that ends before what the projection has seen: an operator said that there is no newer one. The projection
    /// is then built again.
    pub accept_lost_end: bool,
}

impl EmbeddedSettings {
    /// The usual settings.
    pub fn new(ledger: PathBuf, projection: PathBuf) -> Self {
        Self {
            ledger,
            projection,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            preallocate: false,
            accept_lost_end: false,
        }
    }

    /// When the next ledger file is begun.
    pub(super) fn segment_bytes(&self) -> u32 {
        self.segment_bytes.min(SEGMENT_BYTES_MAX)
    }
}

/// Of one ledger file, unless the configuration says otherwise (`store.segment-mib`). Small enough to be read in one piece at start.
pub const SEGMENT_BYTES_DEFAULT: u32 = 64 * 1024 * 1024;

/// Offsets in a segment have 32 bits, and a batch may go over the size.
const SEGMENT_BYTES_MAX: u32 = 1 << 30;
