//! The list of a whole issuer, put together from the bytes of its shards' lists: the ledger is not asked again.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use issuance::{CrlDraft, PreparedCrl};
use ledger::EntryNumber;

use super::PublishError;
use super::crl::Crl;

/// Changes when any of the lists does: the sum of their last entries, each of which only grows.
pub(super) fn as_of(parts: &[Arc<Crl>]) -> EntryNumber {
    EntryNumber(parts.iter().fold(0, |sum, crl| sum.wrapping_add(crl.as_of.0)))
}

/// How long a whole list of this size stays before it is made again for what changed in it: a second for each MiB, half a minute at
/// most. A small one is renewed with its shard.
pub(super) fn renewed_after(bytes: u64) -> Duration {
    Duration::from_secs(bytes / MIB).min(RENEWED_AFTER_MAX)
}

/// Hashes the entries of all parts.
pub(super) fn hash(
    draft: CrlDraft,
    parts: &[Arc<Crl>],
    entries_bytes: u64,
) -> Result<PreparedCrl, PublishError> {
    let mut hash = draft.hash(entries_bytes)?;
    for crl in parts {
        crl.entries(|piece| hash.entries(piece)).map_err(PublishError::Io)??;
    }
    Ok(hash.finish()?)
}

/// Writes the entries of all parts.
pub(super) fn write(parts: &[Arc<Crl>], out: &mut dyn Write) -> io::Result<()> {
    for crl in parts {
        crl.entries(|piece| out.write_all(piece))??;
    }
    Ok(())
}

const MIB: u64 = 1024 * 1024;

/// Half a minute with a list of a million: hashing and writing it takes a quarter of a second.
const RENEWED_AFTER_MAX: Duration = Duration::from_secs(30);
