//! Why a log cannot be opened, read or appended to.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ledger::EntryNumber;

/// Why a log cannot be read. An operator must act.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// What was on record cannot be read. It must be restored from a backup.
    #[error("the ledger is damaged: {place}, entry {entry}: {what}")]
    Damaged {
        /// Where the entry is kept, for people.
        place: String,
        /// The entry that should be there.
        entry: EntryNumber,
        /// What is there instead.
        what: &'static str,
    },
    /// What was on record was moved to an archive, which is not where it should be.
    #[error(
        "entry {entry} is in the archive {file}, which is not there; put it back, or say in the configuration where it is (log.archive-dir)"
    )]
    ArchiveMissing {
        /// The archive.
        file: String,
        /// The first entry that is asked for.
        entry: EntryNumber,
    },
    /// What keeps the log refused.
    #[error("cannot {what} {place}")]
    Io {
        /// What was tried: a verb.
        what: &'static str,
        /// What it was tried on, for people.
        place: String,
        /// Why it failed.
        #[source]
        source: Arc<io::Error>,
    },
}

/// Why a batch was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The log does not end where the batch was made for. Nothing was appended; the entries up to `head` are
    /// readable.
    #[error("the log ends at entry {head}")]
    Moved {
        /// The last entry.
        head: EntryNumber,
    },
    /// There is no space. Nothing was appended; a later try may succeed.
    #[error("there is no space for the batch")]
    Full,
    /// It is not known whether the batch was appended; [`crate::Log::head`] says what is in the log.
    #[error(transparent)]
    Unknown(#[from] LogError),
}

/// Why a log does not open. An operator must act. Where the log is kept is said for people.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process is using the store in {0}")]
    InUse(String),
    /// There is one already where one should be made.
    #[error("there is a store in {0} already")]
    Exists(String),
    /// There is none.
    #[error(
        "there is no store in {0}; restore it from a backup, or make an installation with touchmark-ca init"
    )]
    Missing(String),
    /// It ends before an entry that what is derived from it has seen. Nothing was changed.
    #[error(
        "the ledger lost its end: {path} has seen entry {seen}, and the ledger ends at entry {head}; certificates that it does not \
         know may be in use",
        path = .path.display()
    )]
    LostEnd {
        /// The directory of what is derived.
        path: PathBuf,
        /// The last entry that it had seen.
        seen: EntryNumber,
        /// The last entry of the log.
        head: EntryNumber,
    },
    /// Written by a later version.
    #[error("{file} was written by a later version ({version})", file = .file.display())]
    TooNew {
        /// The segment.
        file: PathBuf,
        /// The version of its format.
        version: u32,
    },
    /// Others may write to it, so what is in it proves nothing.
    #[error("{path} can be written by others (mode {mode:04o}); compare the ledger with a backup, then: chmod go-w {path}", path = .path.display())]
    Exposed {
        /// A file of the log, or its directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is damaged or cannot be read, or there is no space. Nothing was changed.
    #[error(transparent)]
    Log(#[from] LogError),
}
