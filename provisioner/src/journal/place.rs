//! Where the journal lies when the configuration does not say: apart from the credential, which people replace with all that is in its
//! directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Journal, JournalError, work_orders};

/// Where the journal lies, and where it may lie from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where it lies.
    pub(crate) directory: PathBuf,
    /// Where stations kept it that were set up before this was the default.
    pub(crate) former: Option<PathBuf>,
}

impl Place {
    /// The default for a credential directory: `journal` in the service's state directory if it has one (systemd sets
    /// `STATE_DIRECTORY`), else a directory beside that of the credential, with `-journal` behind its name.
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

    /// The place that the configuration names.
    pub(crate) fn named(directory: PathBuf) -> Self {
        Self { directory, former: None }
    }

    /// The directory to read from now: the former place as long as the journal was not moved.
    pub(crate) fn current(&self) -> &Path {
        match &self.former {
            Some(former) if !self.directory.is_dir() && former.is_dir() => former,
            _ => &self.directory,
        }
    }

    /// Moves a journal that lies in the former place, and returns where it lies now. A move that the system does not allow changes
    /// nothing: the journal stays in use where it is.
    ///
    /// # Errors
    /// When both places hold journals, or another station uses the former one.
    pub(crate) fn settle(&self) -> Result<Settled, JournalError> {
        let directory = self.directory.clone();
        let Some(former) = self.former.as_ref().filter(|former| **former != directory && former.is_dir())
        else {
            return Ok(Settled { directory, moved_from: None, stayed: None });
        };
        if work_orders(former)?.is_empty() {
            return Ok(Settled { directory, moved_from: None, stayed: None });
        }
        if directory.is_dir() {
            return Err(JournalError::TwoPlaces { former: former.clone(), directory });
        }
        // Nobody else may be writing it while it moves.
        let held = Journal::open(former)?;
        let sync = |path| files::sync_directory(files::parent(path));
        let moved =
            std::fs::rename(former, &directory).and_then(|()| sync(former)).and_then(|()| sync(&directory));
        drop(held);
        match moved {
            Ok(()) => Ok(Settled { directory, moved_from: Some(former.clone()), stayed: None }),
            Err(source) if former.is_dir() => {
                Ok(Settled { directory: former.clone(), moved_from: None, stayed: Some(source) })
            }
            Err(source) => Err(JournalError::Io { path: directory, source }),
        }
    }
}

/// Where a journal lies now.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// Where it was moved from just now.
    pub(crate) moved_from: Option<PathBuf>,
    /// Why it could not be moved and stayed in the former place.
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
        let beside = Place::beside(&credentials, None);
        assert_eq!(beside.directory, home.path().canonicalize().unwrap().join("line-1-journal"));
        let service = Place::beside(&credentials, Some("/var/lib/station:/var/lib/other"));
        assert_eq!(service.directory, Path::new("/var/lib/station/journal"));
    }

    #[test]
    fn a_journal_in_the_former_place_is_moved_once_and_two_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let credentials = home.path().join("line-1");
        std::fs::create_dir_all(credentials.join("journal")).unwrap();
        let place = Place::beside(&credentials, None);
        assert_eq!(place.settle().unwrap().moved_from, None, "an empty directory is no journal");

        std::fs::write(credentials.join("journal/wo-000001.journal"), "text").unwrap();
        assert_eq!(place.current(), credentials.join("journal"));
        let busy = Journal::open(&credentials.join("journal")).unwrap();
        assert!(matches!(place.settle(), Err(JournalError::InUse { .. })));
        drop(busy);

        let settled = place.settle().unwrap();
        assert_eq!(settled.moved_from, Some(credentials.join("journal")));
        let moved = std::fs::read(settled.directory.join("wo-000001.journal")).unwrap();
        assert_eq!((moved.as_slice(), place.current()), (&b"text"[..], place.directory.as_path()));
        assert_eq!(place.settle().unwrap().moved_from, None);

        std::fs::create_dir(credentials.join("journal")).unwrap();
        std::fs::write(credentials.join("journal/wo-000002.journal"), "text").unwrap();
        assert!(matches!(place.settle(), Err(JournalError::TwoPlaces { .. })));
    }
}
