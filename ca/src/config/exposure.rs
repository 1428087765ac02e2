//! Checks that no other user can change what the CA trusts: its configuration, keys, ledger, CRL numbers, and
//! the directories above them. Nothing is repaired: the operator must know that it was so.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use signer::IssuerKeys;

use super::{ConfigError, Settings};

/// A file or directory that other users can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    path: PathBuf,
    how: How,
    /// Whether the ledger or the CRL numbers may have been changed, so that only a backup can tell.
    is_state: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Mode(u32),
    Owner(u32),
}

impl Exposure {
    /// Whether the ledger or the CRL numbers may have been changed.
    pub fn is_of_state(&self) -> bool {
        self.is_state
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let compare = if self.is_state { "compare the ledger with a backup" } else { "look what is in it" };
        match self.how {
            How::Mode(mode) => {
                write!(
                    f,
                    "{path} can be written by others (mode {mode:04o}); {compare}, then: chmod go-w {path}"
                )
            }
            How::Owner(uid) => write!(
                f,
                "{path} belongs to another user (uid {uid}); {compare}, then: chown --reference={} {path}",
                self.path.parent().unwrap_or_else(|| Path::new("/")).display()
            ),
        }
    }
}

impl Settings {
    /// Checks all paths of the settings, and `config`, the file that was read.
    ///
    /// # Errors
    /// With all that other users can change.
    pub fn refuse_exposed(&self, config: &Path) -> Result<(), ConfigError> {
        let mut search = Search { owners: owners(&self.store.dir), seen: BTreeSet::new(), found: Vec::new() };
        let state = [(self.store.dir.join("ledger"), true), (self.publication.epoch_file.clone(), true)];
        let IssuerKeys::Files { passphrase_file } = &self.issuers.keys;
        let other = [
            (config.to_owned(), false),
            (self.issuers.dir.clone(), false),
            (passphrase_file.clone(), false),
            (self.server_credentials.clone(), false),
            (self.publication.dir.clone(), false),
        ];
        let blocked = self.blocked_keys.file.clone().map(|file| (file, false));
        for (path, is_state) in state.into_iter().chain(other).chain(blocked) {
            search.look(&path, is_state);
        }
        match search.found {
            found if found.is_empty() => Ok(()),
            exposures => Err(ConfigError::Exposed { exposures }),
        }
    }
}

struct Search {
    owners: BTreeSet<u32>,
    seen: BTreeSet<PathBuf>,
    found: Vec<Exposure>,
}

impl Search {
    /// Checks a file, or a directory and the files in it, and all directories above. Missing paths are
    /// reported elsewhere.
    fn look(&mut self, path: &Path, is_state: bool) {
        let Ok(path) = fs::canonicalize(path) else { return };
        for above in path.ancestors().skip(1) {
            self.judge(above, is_state, |metadata, _| {
                // In a sticky directory like /tmp, users cannot rename or remove files of others.
                let sticky = metadata.mode() & STICKY != 0;
                (metadata.mode() & OTHERS_WRITE != 0 && !sticky).then_some(How::Mode(metadata.mode() & MODE))
            });
        }
        self.judge(&path, is_state, how);
        for file in fs::read_dir(&path).into_iter().flatten().flatten() {
            if file.file_type().is_ok_and(|kind| kind.is_file()) {
                self.judge(&file.path(), is_state, how);
            }
        }
    }

    fn judge(
        &mut self,
        path: &Path,
        is_state: bool,
        how: impl FnOnce(&Metadata, &BTreeSet<u32>) -> Option<How>,
    ) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let how = fs::metadata(path).ok().and_then(|metadata| how(&metadata, &self.owners));
        self.found.extend(how.map(|how| Exposure { path: path.to_owned(), how, is_state }));
    }
}

fn how(metadata: &Metadata, owners: &BTreeSet<u32>) -> Option<How> {
    // The group may write: some umasks make files so.
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Some(How::Mode(metadata.mode() & MODE));
    }
    (!owners.contains(&metadata.uid())).then(|| How::Owner(metadata.uid()))
}

/// The users that may own what the CA trusts: root, the user of this process, and for root the owner of the
/// store.
fn owners(store: &Path) -> BTreeSet<u32> {
    let of_store = fs::metadata(store).ok().filter(|_| geteuid().is_root()).map(|metadata| metadata.uid());
    [0, geteuid().as_raw()].into_iter().chain(of_store).collect()
}

const MODE: u32 = 0o7777;

const OTHERS_WRITE: u32 = 0o002;

const STICKY: u32 = 0o1000;
