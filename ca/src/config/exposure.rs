//! Checks that no other user can change what the CA trusts. Nothing is repaired: the operator must know.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::{ConfigError, Settings};
use crate::open::trusted_paths;

/// A file or directory that other users can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// How, and what to do.
    text: String,
    is_state: bool,
}

impl Exposure {
    fn new(path: &Path, how: How, is_state: bool) -> Self {
        let shown = path.display();
        let compare = if is_state { "compare the ledger with a backup" } else { "look what is in it" };
        let text = match how {
            How::Mode(mode) => format!(
                "{shown} can be written by others (mode {mode:04o}); {compare}, then: chmod go-w {shown}"
            ),
            How::Owner(uid) => {
                let above = path.parent().unwrap_or_else(|| Path::new("/")).display();
                format!(
                    "{shown} belongs to another user (uid {uid}); {compare}, then: chown --reference={above} {shown}"
                )
            }
        };
        Self { text, is_state }
    }

    /// Whether the ledger or the CRL numbers may have been changed, so that only a backup can tell.
    pub fn is_of_state(&self) -> bool {
        self.is_state
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

enum How {
    Mode(u32),
    Owner(u32),
}

impl Settings {
    /// Checks all paths of the settings, and `config`, the file that was read.
    pub fn refuse_exposed(&self, config: &Path) -> Result<(), ConfigError> {
        let mut search = Search { owners: owners(&self.store.dir), seen: BTreeSet::new(), found: Vec::new() };
        for (path, is_state) in trusted_paths(self) {
            search.look(&path, is_state);
        }
        let other = [config, &self.server_credentials, &self.publication.dir];
        for path in other.into_iter().chain(self.blocked_keys.file.as_deref()) {
            search.look(path, false);
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
        self.found.extend(how.map(|how| Exposure::new(path, how, is_state)));
    }
}

fn how(metadata: &Metadata, owners: &BTreeSet<u32>) -> Option<How> {
    // The group may write: some umasks make files so.
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Some(How::Mode(metadata.mode() & MODE));
    }
    (!owners.contains(&metadata.uid())).then(|| How::Owner(metadata.uid()))
}

/// Who may own what the CA trusts: root, this process's user, and for root the owner of the store.
fn owners(store: &Path) -> BTreeSet<u32> {
    let of_store = fs::metadata(store).ok().filter(|_| geteuid().is_root()).map(|metadata| metadata.uid());
    [0, geteuid().as_raw()].into_iter().chain(of_store).collect()
}

const MODE: u32 = 0o7777;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
