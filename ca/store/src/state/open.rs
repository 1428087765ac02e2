//! Making and opening a store, and the threads that work for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use identity::Clock;
use ledger::EntryNumber;
use ledger_log::{FileLog, Log, LogError, OpenError, TornTail};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::committer::Committer;
use super::entries::Entries;
use super::group_commit::GroupCommit;
use super::keeper::{self, Keeper};
use super::last_seen::{self, LastSeen};
use super::projector::{Projection, Projector};
use super::replay::Replayed;
use super::{Counters, LogStore, PROJECTION_CLOSE_MAX, Shared};
use crate::StoreSettings;

impl LogStore {
    /// Makes an empty store as the settings say, and opens it.
    ///
    /// # Errors
    /// When there is one already, or the disk refuses.
    pub fn create(settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::start(Arc::new(FileLog::create(&settings.files())?), None, settings, clock)
    }

    /// Opens a store as the settings say: reads the last checkpoint of the index and the log behind it, and
    /// serves. The projection catches up in the background.
    ///
    /// # Errors
    /// When there is none, another process has it, others may write to it, what is read of the log is
    /// damaged, or it ends before an entry that the index or the projection has seen
    /// ([`OpenError::LostEnd`]): then nothing was changed.
    pub fn open(settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let log = FileLog::open(&settings.files())?;
        let torn_tail = log.torn_tail().cloned();
        Self::start(Arc::new(log), torn_tail, settings, clock)
    }

    /// Opens a store over a log that is open already; of the settings, what concerns the log is ignored.
    ///
    /// # Errors
    /// When the log cannot be read, or ends before an entry that the index or the projection has seen.
    pub fn over(
        log: Arc<dyn Log>,
        settings: &StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::start(log, None, settings, clock)
    }

    fn start(
        log: Arc<dyn Log>,
        torn_tail: Option<TornTail>,
        settings: &StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let entries = Entries::new(log);
        let Replayed { mut index, checkpoint } =
            Replayed::of(&entries, settings).inspect_err(|_| entries.log().release())?;
        let (head, dir) = (index.get_mut().head(), settings.dir.as_path());
        let last_seen = last_seen::path_beside(&settings.projection());
        if let Some(seconds) = last_seen::read(&last_seen, head.0) {
            index.get_mut().restore_seen(&seconds);
        }
        let shared = Arc::new(Shared {
            entries,
            status_changed: watch::Sender::new(index.get_mut().certificates.last_change()),
            index,
            head: watch::Sender::new(head),
            projection: Projection::default(),
            last_seen: LastSeen::default(),
            keeper: Keeper::default(),
            cause_cache: Mutex::default(),
            counters: Counters::default(),
        });
        shared.projection.committed(head.0);
        shared.keeper.reached(checkpoint);
        let projector = Projector::new(Arc::clone(&shared), settings.projection(), settings.accept_lost_end);
        // Nobody joins the projector: sled can hang, and then the process must still end.
        spawn(dir, "projection", move || projector.run())?;
        if let Some(seen) = shared.projection.wait_for_lost_end(PROJECTION_CURSOR_MAX) {
            shared.projection.stop();
            shared.projection.wait_for_end(PROJECTION_CLOSE_MAX);
            shared.entries.log().release();
            return Err(OpenError::LostEnd { path: settings.projection(), seen: EntryNumber(seen), head });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| cannot_start(dir, error))?;
        let (group_commit, receiver) = GroupCommit::new();
        let committer = Committer::new(Arc::clone(&shared), Arc::clone(&clock), receiver);
        let (owner, written) = (Arc::clone(&shared), Arc::clone(&shared));
        let committer = spawn(dir, "ledger", move || {
            // A committer that panicked has left the store to nobody: everybody must learn that it has
            // stopped.
            if catch_unwind(AssertUnwindSafe(|| runtime.block_on(committer.run()))).is_err() {
                owner.counters.stopped.store(true, Ordering::Relaxed);
                tracing::error!(
                    "the thread that writes the ledger panicked; nothing is acknowledged any more"
                );
            }
        })?;
        let writer = spawn(dir, "last seen", move || {
            while catch_unwind(AssertUnwindSafe(|| last_seen::write_often(&written, &last_seen))).is_err() {
                tracing::error!(
                    "the thread that writes when devices were last seen panicked and is started again"
                );
                std::thread::sleep(RESTART_PAUSE);
            }
        })?;
        let (kept, every) = (Arc::clone(&shared), settings.checkpoint_entries.max(1));
        let keeper = spawn(dir, "index", move || keeper::run(&kept, every))?;
        Ok(Self {
            shared,
            clock,
            group_commit: Mutex::new(Some(group_commit)),
            committer: Mutex::new(Some(committer)),
            writer: Mutex::new(Some(writer)),
            keeper: Mutex::new(Some(keeper)),
            torn_tail,
        })
    }
}

fn spawn(dir: &Path, name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    Builder::new().name(name.to_owned()).spawn(run).map_err(|error| cannot_start(dir, error))
}

fn cannot_start(dir: &Path, error: std::io::Error) -> LogError {
    LogError::Io { what: "start a thread for", place: dir.display().to_string(), source: Arc::new(error) }
}

/// A thread that panics again and again must not fill the log.
const RESTART_PAUSE: Duration = Duration::from_secs(10);

/// How long a start waits to learn what the projection has seen. sled opens in a second or two, whatever its
/// size; one that takes longer, or hangs, does not keep the CA from serving: a lost end that it tells of
/// later stops the store.
const PROJECTION_CURSOR_MAX: Duration = Duration::from_secs(20);
