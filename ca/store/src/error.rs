//! Why a store does not answer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ledger::EntryNumber;

/// Why a store does not answer. Says who must act.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// An operator: make room. The store goes on by itself when there is space.
    #[error("the disk that holds the ledger is full; nothing was recorded")]
    Full,
    /// An operator: see the log, then start the CA again. Nothing is acknowledged any more.
    #[error("the store has stopped")]
    Stopped,
    /// Whoever maintains this program: something happened that cannot happen. Nothing else is affected; trying again may help.
    #[error("a bug: {what}")]
    Bug {
        /// What happened.
        what: &'static str,
    },
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
    /// An operator: the ledger cannot be read where it could be read before. Restore it from a backup.
    #[error("the ledger is damaged: {file}, offset {offset}, entry {entry}: {what}", file = .file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it, bytes.
        offset: u64,
        /// The entry that should be there.
        entry: EntryNumber,
        /// What is there instead.
        what: &'static str,
    },
    /// An operator: the disk does not do what it should.
    #[error("cannot {what} {path}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

/// Why a store does not open. An operator must act.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process is using the store in {path}", path = .path.display())]
    InUse {
        /// The ledger's directory.
        path: PathBuf,
    },
    /// `create` found one.
    #[error("there is a store in {path} already", path = .path.display())]
    Exists {
        /// The ledger's directory.
        path: PathBuf,
    },
    /// `open` found none.
    #[error("there is no store in {path}; restore it from a backup, or make an installation with touchmark-ca init", path = .path.display())]
    Missing {
        /// The ledger's directory.
        path: PathBuf,
    },
    /// The ledger ends before an entry that the projection had seen. Nothing was changed.
    #[error(
        "the ledger lost its end: the listings in {path} have seen entry {seen}, and the ledger ends at entry {head}; certificates that it \
         does not know may be in use",
        path = .path.display()
    )]
    LostEnd {
        /// The projection's directory.
        path: PathBuf,
        /// The last entry that it had seen.
        seen: EntryNumber,
        /// The last entry of the ledger.
        head: EntryNumber,
    },
    /// Written by a later version.
    #[error("{file} was written by a later version ({version})", file = .file.display())]
    TooNew {
        /// The segment.
        file: PathBuf,
        /// Its format.
        version: u32,
    },
    /// Others may write to the ledger, so what is in it proves nothing.
    #[error("{path} can be written by others (mode {mode:04o}); compare the ledger with a backup, then: chmod go-w {path}", path = .path.display())]
    Exposed {
        /// A file of the ledger, or its directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The ledger is damaged or cannot be read; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
