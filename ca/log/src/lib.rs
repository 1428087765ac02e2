//! The durable, ordered log of ledger entries: its contract, what keeps it, and the form of an entry on disk.
//! What an entry means is no concern of this crate.

pub mod archive;
mod batch;
pub mod checkpoint;
mod error;
mod faulty;
mod files;
pub mod format;
mod frame;
mod memory;
pub mod suite;
pub mod tree;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ledger::EntryNumber;
use tokio::sync::watch;

pub use batch::Batch;
pub use error::{AppendError, LogError, OpenError};
pub use faulty::{Fault, FaultyLog};
pub use files::{
    FileLog, FileSettings, SEGMENT_BYTES_DEFAULT, TornTail, Unfinished, Verified, Verifying, verify,
};
pub use memory::MemoryLog;

/// Entries in one order, numbered from 1 without gaps, for any number of writers and readers.
///
/// A log keeps bytes: entries are decided elsewhere and encoded by [`Batch`]. An entry that was acknowledged
/// is never changed or removed. A process may keep a local copy of a log that lies elsewhere; what is said of
/// *this process* below is then said of that copy. Every implementation passes [`suite`].
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends the batch behind the end that it was made for ([`Batch::end`]), and returns the number of its
    /// last entry.
    ///
    /// When it returns `Ok` all entries of the batch survive a power cut, are readable in this process, and
    /// [`Self::follow`] shows them. The batch is appended wholly or not at all, whatever crashes. Appending
    /// is fenced: of several batches behind one end, by whatever process, at most one is appended. The future
    /// may block the thread that polls it for as long as a disk takes to sync. When it is dropped the batch
    /// may have been appended all the same.
    ///
    /// # Errors
    /// [`AppendError::Moved`] and [`AppendError::Full`]: nothing of the batch is in the log.
    /// [`AppendError::Unknown`]: the batch may be in the log; [`Self::head`] says how far it goes.
    async fn append(&self, batch: &Batch) -> Result<EntryNumber, AppendError>;

    /// The number of the last entry, 0 for an empty log, as of the call: of all batches that any process
    /// appended before. When it returns `Ok` the entries up to it are readable in this process.
    ///
    /// # Errors
    /// When it cannot be known. After [`AppendError::Unknown`] an error is final: nothing is appended by this
    /// process any more.
    async fn head(&self) -> Result<EntryNumber, LogError>;

    /// Shows the number of the last entry that is readable in this process, and every time that it grew.
    /// Numbers never fall.
    fn follow(&self) -> watch::Receiver<EntryNumber>;

    /// The encoded entries from `first` on: at least one and at most `count`, as many as are read in one
    /// piece (some hundred kilobytes). Empty: `first` is 0, or `count` is, or entry `first` is not readable
    /// in this process. Reads memory or a local disk, in microseconds, on the caller's thread; never the
    /// network.
    ///
    /// # Errors
    /// When an entry that could be read before cannot be read.
    fn read(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError>;

    /// The root of the Merkle tree ([`tree`]) over the entries up to `size`. `None`: entry `size` is not
    /// readable in this process, or it is neither the last one nor ended a batch, or a former version wrote
    /// the batch.
    ///
    /// # Errors
    /// When an entry that could be read before cannot be read.
    fn root(&self, size: EntryNumber) -> Result<Option<tree::Hash>, LogError>;

    /// The error for an entry that must be there and that is missing, or whose bytes are no entry: it names
    /// where the entry lies.
    fn damaged(&self, entry: EntryNumber, what: &'static str) -> LogError;

    /// Figures for metrics, of this process since its start.
    fn metrics(&self) -> LogMetrics;

    /// Notes where the log ends, so that a later start knows if entries are missing, and does what
    /// [`Self::release`] does. Idempotent.
    ///
    /// # Errors
    /// When the end could not be noted. The log is whole all the same.
    async fn close(&self) -> Result<(), LogError>;

    /// Lets another process open the log, and changes nothing in it. Nothing may be appended afterwards.
    /// Idempotent.
    fn release(&self);
}

/// Figures of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogMetrics {
    /// Bytes of all entries, with what frames them.
    pub bytes: u64,
    /// Batches that were appended.
    pub batches: u64,
    /// The time spent in making batches durable.
    pub sync_total: Duration,
    /// The longest time that one batch took to become durable.
    pub sync_max: Duration,
    /// Batches that were refused for want of space.
    pub full: u64,
    /// Whether nothing, or next to nothing, can be appended for want of space.
    pub disk_full: bool,
}
