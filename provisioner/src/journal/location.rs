//! Where the journal lies: not in the credential directory, which people replace as a whole.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Journal, JournalError, work_orders};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalLocation {
    pub(crate) directory: PathBuf,
    /// The default of earlier versions, in the credential directory.
    pub(crate) former: Option<PathBuf>,
}

impl JournalLocation {
    /// The default for a credential directory: `journal` in the service's state directory if systemd sets
    /// `STATE_DIRECTORY`, else a directory beside the credential directory, with `-journal` behind its name.
    pub(crate) fn beside(credentials: &Path, state_directory: Option<&str>) -> Self {
        let former = credentials.join(NAME);
        let of_service = state_directory.and_then(|list| list.split(':').next()).filter(|it| !it.is_empty());
        let directory = match of_service {
            Some(state) => Path::new(state).join(NAME),
            None => {
                let whole = credentials.canonicalize().unwrap_or_else(|_| credentials.to_owned());
                match (whole.parent(), whole.file_name()) {
                    (Some(parent), Some(name)) => {
                        let mut name: OsString = name.to_owned();
                        name.push("-journal");
                        parent.join(name)
                    }
                    _ => former.clone(),
                }
            }
        };
        Self { directory, former: Some(former) }
    }

    pub(crate) fn named(directory: PathBuf) -> Self {
        Self { directory, former: None }
    }

    /// The directory to read from now: the former location until the journal is moved.
    pub(crate) fn current(&self) -> &Path {
        match &self.former {
            Some(former) if !self.directory.is_dir() && former.is_dir() => former,
            _ => &self.directory,
        }
    }

    /// Moves a journal out of the former location. If the system does not allow the move, the journal stays
    /// in use where it is. An error if both locations hold journals, or another station uses the former one.
    pub(crate) fn locate(&self) -> Result<FoundJournal, JournalError> {
        let directory = self.directory.clone();
        let former = match &self.former {
            Some(former) if *former != directory && former.is_dir() && !work_orders(former)?.is_empty() => {
                former
            }
            _ => return Ok(FoundJournal { directory, moved_from: None, stayed: None }),
        };
        if directory.is_dir() {
            return Err(JournalError::TwoJournals { former: former.clone(), directory });
        }
        // Locked, so that no other station writes it while it moves.
        let held = Journal::open(former)?;
        let sync = |path| files::sync_directory(files::parent(path));
        let moved =
            std::fs::rename(former, &directory).and_then(|()| sync(former)).and_then(|()| sync(&directory));
        drop(held);
        match moved {
            Ok(()) => Ok(FoundJournal { directory, moved_from: Some(former.clone()), stayed: None }),
            Err(source) if former.is_dir() => {
                Ok(FoundJournal { directory: former.clone(), moved_from: None, stayed: Some(source) })
            }
            Err(source) => Err(JournalError::Io { path: directory, source }),
        }
    }
}

#[derive(Debug)]
pub(crate) struct FoundJournal {
    pub(crate) directory: PathBuf,
    pub(crate) moved_from: Option<PathBuf>,
    /// Why it could not be moved out of the former location.
    pub(crate) stayed: Option<std::io::Error>,
}

const NAME: &str = "journal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_lies_beside_the_credential_or_in_the_state_directory_of_the_service() {
        let home = tempfile::tempdir().unwrap();
        let credentials = home.path().join("line-1");
        std::fs::create_dir(&credentials).unwrap();
        let beside = JournalLocation::beside(&credentials, None);
        assert_eq!(beside.directory, home.path().canonicalize().unwrap().join("line-1-journal"));
        let service = JournalLocation::beside(&credentials, Some("/var/lib/station:/var/lib/other"));
        assert_eq!(service.directory, Path::new("/var/lib/station/journal"));
    }

    #[test]
    fn a_journal_in_the_former_place_is_moved_once_and_two_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let credentials = home.path().join("line-1");
        std::fs::create_dir_all(credentials.join("journal")).unwrap();
        let location = JournalLocation::beside(&credentials, None);
        assert_eq!(location.locate().unwrap().moved_from, None, "an empty directory is no journal");

        std::fs::write(credentials.join("journal/wo-000001.journal"), "text").unwrap();
        assert_eq!(location.current(), credentials.join("journal"));
        let busy = Journal::open(&credentials.join("journal")).unwrap();
        assert!(matches!(location.locate(), Err(JournalError::InUse { .. })));
        drop(busy);

        let journal_directory = location.locate().unwrap();
        assert_eq!(journal_directory.moved_from, Some(credentials.join("journal")));
        let moved = std::fs::read(journal_directory.directory.join("wo-000001.journal")).unwrap();
        assert_eq!((moved.as_slice(), location.current()), (&b"text"[..], location.directory.as_path()));
        assert_eq!(location.locate().unwrap().moved_from, None);

        std::fs::create_dir(credentials.join("journal")).unwrap();
        std::fs::write(credentials.join("journal/wo-000002.journal"), "text").unwrap();
        assert!(matches!(location.locate(), Err(JournalError::TwoJournals { .. })));
    }
}
