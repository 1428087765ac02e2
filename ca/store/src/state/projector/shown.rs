//! What the committer tells the projector, and what readers see of its work.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ledger::EntryNumber;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::{Result, StoreError};

/// What the projector, the committer and the readers share.
#[derive(Default)]
pub(in crate::state) struct Projection {
    state: Mutex<State>,
    pub(super) changed: Condvar,
    /// Commit times of recent heads, from which the lag is measured. Its own lock, held for a moment: the
    /// committer takes it.
    commits: Mutex<VecDeque<(u64, Instant)>>,
}

#[derive(Default)]
pub(super) struct State {
    /// For readers; `None` while there is nothing to read.
    pub(super) tree: Option<sled::Db>,
    pub(super) head: u64,
    pub(super) reached: u64,
    pub(super) rebuilds: u64,
    /// The projector sleeps until this head: waking it costs the committer more than setting a number.
    pub(super) wake_at: u64,
    pub(super) readers: u32,
    /// Whether it is known what the projection on disk had seen, or that it cannot say.
    cursor_read: bool,
    /// The entry that it had seen, where the ledger ends before that.
    lost_end: Option<u64>,
    pub(super) suspect: bool,
    pub(super) stop: bool,
    pub(super) ended: bool,
}

impl Projection {
    /// The ledger has grown. Never waits.
    pub(in crate::state) fn committed(&self, head: u64) {
        let mut commits = self.commits.lock();
        match commits.back_mut() {
            // Coarser marks when there are many: the lag is then over-estimated, never under-estimated.
            Some(last) if commits_full(last, head) => last.0 = head,
            _ => commits.push_back((head, Instant::now())),
        }
        drop(commits);
        let mut state = self.state();
        state.head = head;
        if head >= state.wake_at {
            self.changed.notify_all();
        }
    }

    /// What to read from, once it shows entry `head`.
    pub(in crate::state) fn wait_for(&self, head: u64, patience: Duration) -> Result<sled::Db> {
        let mut state = self.state();
        state.readers += 1;
        if state.reached < head {
            self.changed.notify_all();
        }
        let behind = |state: &mut State| (state.reached < head || state.tree.is_none()) && !state.ended;
        self.changed.wait_while_for(&mut state, behind, patience);
        state.readers -= 1;
        match &state.tree {
            Some(tree) if state.reached >= head => Ok(tree.clone()),
            _ => Err(self.unavailable(&state)),
        }
    }

    /// A reader could not read what must be there.
    pub(in crate::state) fn suspect(&self) -> StoreError {
        let mut state = self.state();
        state.suspect = true;
        self.changed.notify_all();
        self.unavailable(&state)
    }

    /// The entry reached, the lag, whether it is being rebuilt, and how often it was.
    pub(in crate::state) fn metrics(&self) -> (u64, Duration, bool, u64) {
        let (reached, rebuilding, rebuilds) = {
            let state = self.state();
            (state.reached, state.tree.is_none() && !state.ended, state.rebuilds)
        };
        let mut commits = self.commits.lock();
        while commits.front().is_some_and(|(head, _)| *head <= reached) {
            commits.pop_front();
        }
        let lag = commits.front().map_or(Duration::ZERO, |(_, at)| at.elapsed());
        (reached, lag, rebuilding, rebuilds)
    }

    /// The entry that the projection on disk had seen, if the ledger ends before that. Waits until it is
    /// known, at most for the time.
    pub(in crate::state) fn wait_for_lost_end(&self, patience: Duration) -> Option<u64> {
        let unknown = |state: &mut State| !state.cursor_read && !state.ended;
        let mut state = self.state();
        if self.changed.wait_while_for(&mut state, unknown, patience).timed_out() {
            tracing::warn!("the projection does not open; whether the ledger lost its end is not known yet");
        }
        state.lost_end
    }

    pub(super) fn know_cursor(&self, lost_end: Option<u64>) {
        let mut state = self.state();
        (state.cursor_read, state.lost_end) = (true, lost_end);
        self.changed.notify_all();
    }

    pub(in crate::state) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    pub(in crate::state) fn wait_for_end(&self, patience: Duration) -> bool {
        let mut state = self.state();
        self.changed.wait_while_for(&mut state, |state| !state.ended, patience);
        state.ended
    }

    fn unavailable(&self, state: &State) -> StoreError {
        StoreError::ListingsUnavailable {
            reached: EntryNumber(state.reached),
            head: EntryNumber(state.head),
            rebuilding: state.tree.is_none() || state.suspect,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn commits_full(last: &(u64, Instant), head: u64) -> bool {
    head > last.0 && last.1.elapsed() < COMMIT_MARK_EVERY
}

const COMMIT_MARK_EVERY: Duration = Duration::from_millis(1);
