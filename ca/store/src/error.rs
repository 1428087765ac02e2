//! Why a store does not answer.

use std::path::PathBuf;

use ledger::{EntryNumber, ViewFault};
use ledger_log::LogError;

/// Why a store does not answer. Says who must act.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// An operator: make room. The store goes on by itself when there is space.
    #[error("the disk that holds the ledger is full; nothing was recorded")]
    Full,
    /// An operator: see the log, then start the CA again. Nothing is acknowledged any more.
    #[error("the store has stopped")]
    Stopped,
    /// The maintainers: something happened that cannot happen. Nothing else is affected; trying again may
    /// help.
    #[error("a bug: {0}")]
    Bug(&'static str),
    /// The caller, later: the store has more to do than it can.
    #[error("the store is busy")]
    Busy,
    /// The caller, later: listings are behind or being rebuilt. Nothing else is affected.
    #[error("listings have reached entry {reached} of {head}; they are {}", if *.rebuilding { "being rebuilt" } else { "catching up" })]
    ListingsUnavailable {
        /// The entry that listings have reached.
        reached: EntryNumber,
        /// The last entry.
        head: EntryNumber,
        /// Whether they start from the beginning.
        rebuilding: bool,
    },
    /// The caller: the cursor is not one that this listing gave out.
    #[error("this cursor belongs to no page of this listing")]
    CursorUnknown,
    /// An operator: start the CA again; the index is then built from the ledger. Nothing is acknowledged any
    /// more.
    #[error("the index is damaged: {file}: {what}; the next start builds it again from the ledger", file = .file.display())]
    IndexDamaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An operator: the log cannot be read where it could be read before, or the disk does not do what it
    /// should.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl ViewFault for StoreError {}

/// The answer of a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
