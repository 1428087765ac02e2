//! The list of blocked keys while the CA serves: a file that changed is taken, a damaged one is not (R-KEY-05).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use issuance::BlockedKeys;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{BlockedKeysSettings, read_blocked_keys};
use crate::http::metrics::BlockedKeysFigures;

/// The list that is in force. Who serves owns it; [`watch_file`] changes it.
pub(super) struct BlockedKeysList {
    keys: watch::Sender<Arc<BlockedKeys>>,
    refused: AtomicU64,
    stale: AtomicBool,
}

impl BlockedKeysList {
    /// As the settings have it.
    pub(super) fn new(settings: &BlockedKeysSettings) -> Self {
        let (keys, _) = watch::channel(Arc::clone(&settings.keys));
        Self { keys, refused: AtomicU64::new(0), stale: AtomicBool::new(false) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<BlockedKeys>> {
        self.keys.subscribe()
    }

    pub(super) fn figures(&self) -> BlockedKeysFigures {
        BlockedKeysFigures {
            listed: self.keys.borrow().listed() as u64,
            refused: self.refused.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
        }
    }

    /// Takes what is in the file, or keeps what there is. Reads the file: not for a thread that answers callers.
    pub(super) fn take(&self, path: &Path) {
        match read_blocked_keys(path) {
            Ok(keys) => {
                let before = self.keys.send_replace(Arc::new(keys)).listed();
                let entries = self.keys.borrow().listed();
                self.stale.store(false, Ordering::Relaxed);
                if entries < before {
                    warn!(path = %path.display(), entries, before, "took a list of blocked keys that has fewer entries than before");
                } else {
                    info!(path = %path.display(), entries, before, "took the list of blocked keys");
                }
            }
            Err(why) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.stale.store(true, Ordering::Relaxed);
                let entries = self.keys.borrow().listed();
                let why: &dyn std::error::Error = &why;
                error!(path = %path.display(), entries, why, "the list of blocked keys cannot be used; the one before it stays in force");
            }
        }
    }
}

/// Looks after the file until `stop`.
pub(super) async fn watch_file(list: Arc<BlockedKeysList>, path: PathBuf, stop: CancellationToken) {
    let mut watched = Watched::default();
    loop {
        let (list, path) = (Arc::clone(&list), path.clone());
        // A million entries take a while, and so may a disk.
        let looking = tokio::task::spawn_blocking(move || {
            if watched.is_to_be_taken(Stamp::of(&path)) {
                list.take(&path);
            }
            watched
        });
        watched = match looking.await {
            Ok(watched) => watched,
            // Whoever owns this task starts it again.
            Err(why) => return error!(%why, "the list of blocked keys could not be looked at"),
        };
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What was seen of the file.
#[derive(Default)]
struct Watched {
    taken: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Watched {
    /// Whether it is another file than the one that was taken, and nobody writes it any more: it was the same when last looked at.
    fn is_to_be_taken(&mut self, now: Stamp) -> bool {
        let settled = self.seen.replace(now) == Some(now);
        let due = self.taken.is_none() || (settled && self.taken != Some(now));
        if due {
            self.taken = Some(now);
        }
        due
    }
}

/// By what a file is known to be another one; `None`: it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<(u64, Option<SystemTime>)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.map(|metadata| (metadata.len(), metadata.modified().ok())))
    }
}

/// How often the file is looked at: it is taken when it was the same twice, so a new list is in force within twice this time.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn stamp(length: u64) -> Stamp {
        Stamp(Some((length, Some(SystemTime::UNIX_EPOCH))))
    }

    #[test]
    fn a_file_is_taken_at_the_start_and_then_when_it_changed_and_stays_so() {
        let mut watched = Watched::default();
        let taken = [1, 1, 1, 2, 3, 3, 3, 1, 1].map(|length| watched.is_to_be_taken(stamp(length)));
        assert_eq!(taken, [true, false, false, false, false, true, false, false, true]);
        let gone = [Stamp(None), Stamp(None), Stamp(None)].map(|stamp| watched.is_to_be_taken(stamp));
        assert_eq!(gone, [false, true, false], "said once");
    }

    #[test]
    fn a_damaged_file_keeps_the_list_that_is_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocked-keys.txt");
        let list = BlockedKeysList::new(&BlockedKeysSettings::default());
        let figures = || {
            let BlockedKeysFigures { listed, refused, stale } = list.figures();
            (listed, refused, stale)
        };
        fs::write(&path, format!("{}\n{}\n", "ab".repeat(32), "cd".repeat(32))).unwrap();
        list.take(&path);
        assert_eq!(figures(), (2, 0, false));
        fs::write(&path, "ab\n").unwrap();
        list.take(&path);
        assert_eq!(figures(), (2, 1, true));
        fs::remove_file(&path).unwrap();
        list.take(&path);
        assert_eq!(figures(), (2, 2, true));
        fs::write(&path, format!("{}\n", "ef".repeat(32))).unwrap();
        list.take(&path);
        assert_eq!(figures(), (1, 2, false));
    }
}
