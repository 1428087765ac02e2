//! The contract for CRL numbers, and for the record of how far the ledger was when the last one was taken
//! (R-CRL-01, R-CA-06).

use std::io;

use async_trait::async_trait;
use issuance::CrlNumber;
use ledger::EntryNumber;
use store::StoreError;

use super::StatusSource;

/// Gives CRL numbers, and records the head of the ledger, outside the ledger: so a ledger that was restored
/// from an older backup is noticed.
#[async_trait]
pub trait CrlNumbers: Send + Sync + 'static {
    /// Takes `count` consecutive numbers. When this returns `Ok`, no process gets any of them again, also
    /// after a crash, and a ledger that ends before `head` is refused at the next start. A recorded head
    /// never goes back. `count` may be 0, to record the head only.
    ///
    /// # Errors
    /// When it cannot be recorded; then no number was given.
    async fn take(&self, count: u64, head: LedgerHead) -> Result<CrlNumberRange, CrlNumberError>;

    /// Whether this entry is the recorded head. From memory.
    fn is_recorded(&self, entry: EntryNumber) -> bool;

    /// Whether an operator ever accepted a ledger that was older than what was published. From memory.
    fn ledger_was_restored(&self) -> bool;
}

/// The head of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerHead {
    /// Number of the last entry.
    pub entry: EntryNumber,
    /// SHA-256 of that entry.
    pub digest: [u8; 32],
}

impl LedgerHead {
    /// The head of this ledger now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn of(source: &dyn StatusSource) -> Result<Self, StoreError> {
        let entry = source.head();
        let digest = source.entry_digest(entry).await?.unwrap_or_default();
        Ok(Self { entry, digest })
    }
}

/// Numbers that were taken and are not used yet.
#[derive(Debug)]
pub struct CrlNumberRange {
    epoch: u64,
    next: u64,
    end: u64,
}

impl CrlNumberRange {
    /// `count` numbers of this epoch, from `first`.
    pub fn new(epoch: u64, first: u64, count: u64) -> Self {
        Self { epoch, next: first, end: first.saturating_add(count) }
    }
}

impl Iterator for CrlNumberRange {
    type Item = CrlNumber;

    fn next(&mut self) -> Option<CrlNumber> {
        if self.next >= self.end {
            return None;
        }
        let number = CrlNumber::new(self.epoch, self.next);
        self.next += 1;
        Some(number)
    }
}

/// Why there are no CRL numbers: the operator must act. Where the numbers are kept is said for people.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum CrlNumberError {
    /// There are numbers already.
    #[error("{0} exists")]
    Exists(String),
    /// They are missing or cannot be read.
    #[error("{place} cannot be read: without it nobody knows which numbers CRLs had")]
    Read { place: String, source: io::Error },
    /// They are damaged.
    #[error("{0} is damaged: nobody knows which numbers CRLs had")]
    Damaged(String),
    /// They cannot be written.
    #[error("{place} cannot be written")]
    Write { place: String, source: io::Error },
    /// The ledger was restored from a backup and lacks what was published.
    #[error(
        "the ledger is older than what this CA has published: {place} saw entry {seen}, and the ledger, which ends at {head}, lacks it or has \
         another; certificates and revocations since are missing"
    )]
    OlderLedger { place: String, seen: u64, head: u64 },
    /// 2^64 numbers were given.
    #[error("there are no more numbers for CRLs in this epoch")]
    Exhausted,
    /// The thread that took them panicked: a bug.
    #[error("a thread that took CRL numbers panicked")]
    Thread,
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
}
