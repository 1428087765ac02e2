//! The blocked keys while the CA serves: a changed file is loaded, a damaged one is not (R-KEY-05).

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

/// The entries in force; [`watch_file`] replaces them.
pub(super) struct BlockedKeysList {
    keys: watch::Sender<Arc<BlockedKeys>>,
    refused: AtomicU64,
    stale: AtomicBool,
}

impl BlockedKeysList {
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

    /// Loads the file, or keeps the entries in force when it cannot be used. Blocking.
    pub(super) fn load(&self, path: &Path) {
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

pub(super) async fn watch_file(list: Arc<BlockedKeysList>, path: PathBuf, stop: CancellationToken) {
    let mut watched = Watched::default();
    loop {
        let (list, path) = (Arc::clone(&list), path.clone());
        // Reading a million entries takes a while.
        let looking = tokio::task::spawn_blocking(move || {
            if watched.is_due(Stamp::of(&path)) {
                list.load(&path);
            }
            watched
        });
        watched = match looking.await {
            Ok(watched) => watched,
            // The task is restarted.
            Err(why) => return error!(%why, "the list of blocked keys could not be looked at"),
        };
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[derive(Default)]
struct Watched {
    loaded: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Watched {
    /// Whether to load the file: it is not the loaded one, and has not changed since the last look.
    fn is_due(&mut self, now: Stamp) -> bool {
        let settled = self.seen.replace(now) == Some(now);
        let due = self.loaded.is_none() || (settled && self.loaded != Some(now));
        if due {
            self.loaded = Some(now);
        }
        due
    }
}

/// Length and modification time of a file; `None`: there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<(u64, Option<SystemTime>)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.map(|metadata| (metadata.len(), metadata.modified().ok())))
    }
}

/// How often the file is looked at. It is loaded after two equal looks, so within twice this time.
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
        let due = [1, 1, 1, 2, 3, 3, 3, 1, 1].map(|length| watched.is_due(stamp(length)));
        assert_eq!(due, [true, false, false, false, false, true, false, false, true]);
        let gone = [Stamp(None), Stamp(None), Stamp(None)].map(|stamp| watched.is_due(stamp));
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
        list.load(&path);
        assert_eq!(figures(), (2, 0, false));
        fs::write(&path, "ab\n").unwrap();
        list.load(&path);
        assert_eq!(figures(), (2, 1, true));
        fs::remove_file(&path).unwrap();
        list.load(&path);
        assert_eq!(figures(), (2, 2, true));
        fs::write(&path, format!("{}\n", "ef".repeat(32))).unwrap();
        list.load(&path);
        assert_eq!(figures(), (1, 2, false));
    }
}
