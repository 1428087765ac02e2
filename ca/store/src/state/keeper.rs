//! The one thread that writes checkpoints of the index. No commit waits for it but for the milliseconds in
//! which what is in memory is set aside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledger_log::Log;
use parking_lot::{Condvar, Mutex, RwLock};

use super::Shared;
use super::entries::ABSENT;
use super::index::{Index, LogMark, WriteError};
use super::last_seen::End;
use crate::StoreError;

/// What the keeper, the committer and the owner of the store share.
#[derive(Default)]
pub(super) struct Keeper {
    end: Mutex<Option<End>>,
    told: Condvar,
    /// The keeper sleeps until this head.
    wake_at: AtomicU64,
    checkpoints: AtomicU64,
    /// The entry of the last checkpoint.
    reached: AtomicU64,
}

impl Keeper {
    /// The ledger has grown. Never waits.
    pub(super) fn committed(&self, head: u64) {
        if head >= self.wake_at.load(Ordering::Relaxed) {
            self.told.notify_all();
        }
    }

    pub(super) fn end(&self, end: End) {
        self.end.lock().get_or_insert(end);
        self.told.notify_all();
    }

    /// Waits while it is idle, and at most for the time; returns how the store ends.
    fn wait(&self, idle: impl Fn() -> bool, at_most: Duration) -> Option<End> {
        let mut end = self.end.lock();
        self.told.wait_while_for(&mut end, |end| end.is_none() && idle(), at_most);
        *end
    }

    /// The entry of the last checkpoint, and how many were written.
    pub(super) fn metrics(&self) -> (u64, u64) {
        (self.reached.load(Ordering::Relaxed), self.checkpoints.load(Ordering::Relaxed))
    }

    pub(super) fn reached(&self, entry: u64) {
        self.reached.store(entry, Ordering::Relaxed);
    }
}

/// Writes a checkpoint after so many entries, and at a clean end.
pub(super) fn run(shared: &Arc<Shared>, every: u64) {
    let keeper = &shared.keeper;
    loop {
        let wake_at = keeper.reached.load(Ordering::Relaxed).saturating_add(every);
        keeper.wake_at.store(wake_at, Ordering::Relaxed);
        // A head that grew between the look and the sleep wakes nobody: hence the tick.
        let end = keeper.wait(|| shared.head().0 < wake_at, TICK);
        if end == Some(End::Dropped) {
            return;
        }
        if shared.head().0 >= wake_at || end.is_some() {
            let written = catch_unwind(AssertUnwindSafe(|| keep(shared, every)));
            let failed = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("a panic".to_owned()),
            };
            if let Some(why) = failed {
                tracing::warn!(why, "no checkpoint of the index was written; the next start takes longer");
                keeper.wait(|| true, RETRY_PAUSE);
            }
        }
        if end.is_some() {
            return;
        }
    }
}

fn keep(shared: &Shared, every: u64) -> Result<(), WriteError> {
    if shared.index.read().head().0 == shared.keeper.reached.load(Ordering::Relaxed) {
        return Ok(());
    }
    let entry = checkpoint(&shared.index, shared.entries.log().as_ref(), every)?;
    shared.keeper.reached(entry);
    shared.keeper.checkpoints.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Writes a checkpoint of what the index holds, and lets it go on with the files. Returns its last entry.
pub(super) fn checkpoint(index: &RwLock<Index>, log: &dyn Log, every: u64) -> Result<u64, WriteError> {
    let begun = Instant::now();
    let snapshot = index.write().freeze();
    let set_aside = begun.elapsed();
    let entry = snapshot.entry();
    let at = LogMark::at(log, entry)?.ok_or_else(|| StoreError::from(log.damaged(entry, ABSENT)))?;
    let changed_max = usize::try_from(every / 2).unwrap_or(usize::MAX);
    let written = snapshot.write(at, changed_max)?;
    index.write().install(written);
    tracing::debug!(entry = entry.0, took = ?begun.elapsed(), ?set_aside, "a checkpoint of the index");
    Ok(entry.0)
}

/// How often an idle keeper looks.
const TICK: Duration = Duration::from_millis(500);

/// After a checkpoint that could not be written: a full disk is not tried all the time.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
