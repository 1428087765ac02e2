//! The exit statuses: the same in all four programs.

use std::process::ExitCode;

/// The exit status of a program. `docs/cli.md` says what a supervisor may conclude from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Done.
    Done = 0,
    /// Failed. Trying again, or a restart, may help.
    Failed = 1,
    /// Wrong usage of the command line, or of a file that was named on it.
    Usage = 2,
    /// The configuration, a credential, a key or a passphrase cannot be used. No restart helps.
    Unusable = 3,
    /// Stored state (ledger, journal, device state) is damaged or of another version. No restart helps.
    Damaged = 4,
    /// Not confirmed. Nothing was changed.
    NotConfirmed = 5,
    /// Done, but not everything that was found or made is good.
    NotGood = 6,
    /// The CA or another service was not reached, or said "later". The same command may succeed later.
    Later = 7,
}

impl Status {
    /// All statuses, in order.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unusable,
        Self::Damaged,
        Self::NotConfirmed,
        Self::NotGood,
        Self::Later,
    ];

    /// The number of the exit status.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The description in the table of the help pages.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed; trying again may help",
            Self::Usage => "wrong usage",
            Self::Unusable => "configuration, credential, key or passphrase cannot be used",
            Self::Damaged => "stored state is damaged or not what it must be",
            Self::NotConfirmed => "not confirmed; nothing was changed",
            Self::NotGood => "done, but what was found or made is not all good",
            Self::Later => "the CA was not reached or said \"later\"; the same command may succeed later",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}
