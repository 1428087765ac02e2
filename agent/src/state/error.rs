//! Errors of a state directory, and the next step for each.

use std::io;
use std::path::{Path, PathBuf};

use crate::key::{KeyError, KeyGroupError};

/// Why the state cannot be used: nothing was repaired or replaced. A path is the file's or the directory's.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no state file.
    #[error("{0} holds no device state")]
    Missing(PathBuf),
    /// The directory holds a file of this name, which is not the agent's.
    #[error("{0} is not blank: it holds {1}, which is not ours")]
    Foreign(PathBuf, String),
    /// The path is a file, or leads through one.
    #[error("{0} is not a directory")]
    NotADirectory(PathBuf),
    /// Another agent holds its lock.
    #[error("another touchmark-agent works on {0}")]
    Busy(PathBuf),
    /// No operational certificate is in use, so that there is nothing to renew.
    #[error("{0} holds no operational certificate in use")]
    NotEnrolled(PathBuf),
    /// A file is missing or has unexpected content.
    #[error("{0} is damaged: {1}")]
    Damaged(PathBuf, String),
    /// A key cannot be used. The path is the directory of a key that is not in a file.
    #[error("{0} cannot be used")]
    Key(PathBuf, #[source] KeyError),
    /// Others can use a key, or the group that was asked for cannot read it, and the agent may not change the
    /// file's mode.
    #[error(
        "{path} has mode {mode:04o} where {wanted:04o} is wanted, and the agent may not change it; run the agent as the user that owns the \
         file{}", in_the_group(group.as_deref())
    )]
    KeyAccess {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        wanted: u32,
        /// The group that may read it, if one was asked for.
        group: Option<String>,
        /// The error of the system.
        source: io::Error,
    },
    /// The group that may read the key does not exist any more.
    #[error("the key in use cannot be given to the group that was asked for with --key-group")]
    KeyGroup(#[source] KeyGroupError),
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] io::Error),
    /// A file cannot be written.
    #[error("{0} cannot be written")]
    Write(PathBuf, #[source] io::Error),
}

impl StateError {
    /// What a person does next; `None`: the message says it.
    pub fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => {
                Some("`touchmark-agent factory` makes it, with a station on the other end")
            }
            Self::Foreign { .. } | Self::NotADirectory { .. } => {
                Some("name an empty or a new directory with --state")
            }
            Self::Busy { .. } => Some("wait for the other one to end"),
            Self::NotEnrolled { .. } => Some("enrol first: touchmark-agent enroll"),
            Self::Damaged { .. } => {
                Some("restore the directory from a backup, or return the unit to the factory")
            }
            Self::Key { .. } => Some("`touchmark-agent doctor` says what is wrong with the key"),
            Self::KeyAccess { .. } => Some("run the agent as the user that owns the key, or as root"),
            Self::KeyGroup(_) => Some("name a group of the system with --key-group, or --no-key-group"),
            Self::Read { .. } => Some("run it as the user whose directory it is"),
            Self::Write { .. } => {
                Some("make room, or run it as the user whose directory it is; nothing is lost")
            }
        }
    }

    /// Whether the directory is damaged, so that running again will not help.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(..) | Self::Key(_, KeyError::Malformed))
    }

    pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Read(path, source)
    }

    pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Write(path, source)
    }
}

fn in_the_group(group: Option<&str>) -> String {
    group.map(|name| format!(", and make that user a member of the group {name}")).unwrap_or_default()
}
