//! When devices were last seen: a flat file beside the projection, written once a minute and at a clean stop.
//! A file that is damaged, or of a longer ledger, is ignored: what is on record is then the lower bound.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use parking_lot::{Condvar, Mutex};

#[derive(Default)]
pub(super) struct LastSeen {
    end: Mutex<Option<End>>,
    told: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Writes once more.
    Clean,
    /// Does not touch the disk again.
    Dropped,
}

impl LastSeen {
    pub(super) fn end(&self, end: End) {
        self.end.lock().get_or_insert(end);
        self.told.notify_all();
    }
}

pub(super) fn write_often(shared: &Arc<Shared>, path: &Path) {
    loop {
        let mut end = shared.last_seen.end.lock();
        shared.last_seen.told.wait_while_for(&mut end, |end| end.is_none(), EVERY);
        let end = *end;
        if end == Some(End::Dropped) {
            return;
        }
        if let Err(error) = write(shared, path) {
            tracing::warn!(error = %error, "when devices were last seen could not be written down");
        }
        if end.is_some() {
            return;
        }
    }
}

/// Where it is written: beside the projection, which can be deleted.
pub(super) fn path_beside(projection: &Path) -> PathBuf {
    projection.with_file_name(FILE)
}

/// What was written down, by position; `None`: nothing that is good for a ledger of this length.
pub(super) fn read(path: &Path, head: u64) -> Option<Vec<u32>> {
    let bytes = fs::read(path).ok()?;
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (written_at, seconds) = body.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    // Positions are valid only if the ledger has all entries that it had when the file was written.
    if u64::from_le_bytes(*written_at) > head {
        return None;
    }
    match seconds.as_chunks::<4>() {
        (seconds, []) => Some(seconds.iter().map(|second| u32::from_le_bytes(*second)).collect()),
        _ => None,
    }
}

fn write(shared: &Shared, path: &Path) -> io::Result<()> {
    let (head, seconds) = {
        let index = shared.index.read();
        (shared.head().0, index.seen())
    };
    let mut bytes = Vec::with_capacity(MAGIC.len() + 12 + seconds.len() * 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&head.to_le_bytes());
    bytes.extend(seconds.iter().flat_map(|second| second.to_le_bytes()));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    files::replace(path, files::OWNER_ONLY, &bytes)
}

const FILE: &str = "last-seen";

const MAGIC: &[u8; 8] = b"TMSEEN01";

/// Four bytes a device: four megabytes for a million, a few milliseconds.
const EVERY: Duration = Duration::from_secs(60);
