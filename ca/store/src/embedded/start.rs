//! Making and opening a store, and the threads that work for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use identity::Clock;
use ledger::EntryNumber;
use parking_lot::{Mutex, RwLock};

use super::committer::Committer;
use super::files::Files;
use super::group_commit::GroupCommit;
use super::index::Index;
use super::last_seen::{self, LastSeen};
use super::projector::{Projection, Projector};
use super::room::Room;
use super::{Counters, EmbeddedSettings, EmbeddedStore, PROJECTION_CLOSE_MAX, Shared, TornTail, segment};
use crate::{OpenError, StoreError};

impl EmbeddedStore {
    /// Makes an empty store and opens it.
    ///
    /// # Errors
    /// When there is one already, or the disk refuses.
    pub fn create(settings: &EmbeddedSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let files = Files::create(&settings.ledger, settings.segment_bytes(), settings.preallocate)?;
        Self::start(settings, clock, files, Index::new(), 0, None)
    }

    /// Opens a store: reads the whole ledger and serves. A torn tail is cut when the next entry is recorded. The projection catches up in the background.
    ///
    /// # Errors
    /// When there is none, another process has it, others may write to it, the ledger is damaged, or it ends before an entry that the
    /// projection has seen ([`OpenError::LostEnd`]): then nothing was changed.
    pub fn open(settings: &EmbeddedSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let mut index = Index::new();
        let mut head = 0;
        let (files, torn) = Files::open(
            &settings.ledger,
            settings.segment_bytes(),
            settings.preallocate,
            |number, payload| {
                head = number.0;
                index.replay(number, payload)
            },
        )?;
        if let Some(torn) = &torn {
            let TornTail { file, offset, bytes } = torn;
            tracing::warn!(file = %file.display(), offset, bytes, "the ledger ends with a torn entry; it is cut off when the next entry is recorded");
        }
        Self::start(settings, clock, files, index, head, torn)
    }

    fn start(
        settings: &EmbeddedSettings,
        clock: Arc<dyn Clock>,
        files: Files,
        index: Index,
        head: u64,
        torn_tail: Option<TornTail>,
    ) -> Result<Self, OpenError> {
        let last_seen = last_seen::path_beside(&settings.projection);
        if let Some(seconds) = last_seen::read(&last_seen, head) {
            index.restore_seen(&seconds);
        }
        let shared = Arc::new(Shared {
            files,
            index: RwLock::new(index),
            head: AtomicU64::new(head),
            projection: Projection::default(),
            last_seen: LastSeen::default(),
            cause_cache: Mutex::default(),
            counters: Counters::default(),
            room: Room::default(),
        });
        shared.projection.committed(head);
        let projector =
            Projector::new(Arc::clone(&shared), settings.projection.clone(), settings.accept_lost_end);
        // Nobody joins the projector: sled can hang, and then the process must still end.
        spawn(settings, "projection", move || projector.run())?;
        if let Some(seen) = shared.projection.wait_for_lost_end(PROJECTION_CURSOR_MAX) {
            shared.projection.stop();
            shared.projection.wait_for_end(PROJECTION_CLOSE_MAX);
            shared.files.unlock();
            let path = settings.projection.clone();
            return Err(OpenError::LostEnd { path, seen: EntryNumber(seen), head: EntryNumber(head) });
        }
        let (group_commit, receiver) = GroupCommit::new();
        let committer = Committer::new(Arc::clone(&shared), Arc::clone(&clock), receiver);
        let (owner, written, looked) = (Arc::clone(&shared), Arc::clone(&shared), Arc::clone(&shared));
        let directory = settings.ledger.clone();
        let committer = spawn(settings, "ledger", move || commit(&owner, committer))?;
        let writer = spawn(settings, "last seen", move || {
            keep("last seen", || last_seen::write_often(&written, &last_seen));
        })?;
        // Nobody joins it: a disk can hang, and then the process must still end.
        spawn(settings, "room", move || keep("room", || looked.room.watch(&directory)))?;
        Ok(Self {
            shared,
            clock,
            group_commit: Mutex::new(Some(group_commit)),
            committer: Mutex::new(Some(committer)),
            writer: Mutex::new(Some(writer)),
            torn_tail,
        })
    }
}

/// A committer that panicked has left the store to nobody: everybody must learn that it has stopped.
fn commit(shared: &Shared, committer: Committer) {
    if catch_unwind(AssertUnwindSafe(|| committer.run())).is_err() {
        shared.counters.stopped.store(true, Ordering::Relaxed);
        tracing::error!("the thread that writes the ledger panicked; nothing is acknowledged any more");
    }
}

/// Runs what can begin anew until it ends without a panic.
fn keep(task: &str, run: impl Fn()) {
    while catch_unwind(AssertUnwindSafe(&run)).is_err() {
        tracing::error!(task, "{task} panicked and is started again");
        std::thread::sleep(RESTART_PAUSE);
    }
}

fn spawn(
    settings: &EmbeddedSettings,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let spawned = Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| segment::io_error("start a thread for", &settings.ledger, error))
}

/// A thread that panics again and again must not fill the log.
const RESTART_PAUSE: Duration = Duration::from_secs(10);

/// How long a start waits to learn what the projection has seen. sled opens in a second or two, whatever its size; one that takes longer, or
/// hangs, does not keep the CA from serving: a lost end that it tells of later stops the store.
const PROJECTION_CURSOR_MAX: Duration = Duration::from_secs(20);
