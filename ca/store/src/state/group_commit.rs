//! Calls that are made in the same turn of the runtime are committed together: one message, one sync and one
//! wake-up. If several came together the last time, the first one waits a moment for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ledger::Command;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{Result, StoreError, Verdict};

/// What became of one call of `commit`.
pub(super) type Answer = Result<Vec<Verdict>>;

/// Calls that are decided one after the other, with what is waiting for their answers, in the same order.
pub(super) struct CommandGroup {
    pub(super) calls: Vec<Vec<Command>>,
    pub(super) answers: oneshot::Sender<Vec<Answer>>,
}

/// The way to the committer. The committer ends when all of these are gone.
pub(super) struct GroupCommit {
    queue: mpsc::Sender<CommandGroup>,
    permits: Arc<Semaphore>,
    waiting: Mutex<Vec<Waiting>>,
    /// How many went together the last time.
    before: AtomicUsize,
    /// Batches that the committer has, or that wait for it.
    under_way: Arc<AtomicUsize>,
}

struct Waiting {
    commands: Vec<Command>,
    answer: oneshot::Sender<Answer>,
    _permit: OwnedSemaphorePermit,
}

impl GroupCommit {
    /// With the committer's end of the queue.
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<CommandGroup>) {
        let (queue, receiver) = mpsc::channel(CALLS_MAX);
        let permits = Arc::new(Semaphore::new(CALLS_MAX));
        (
            Arc::new(Self {
                queue,
                permits,
                waiting: Mutex::default(),
                before: AtomicUsize::new(0),
                under_way: Arc::default(),
            }),
            receiver,
        )
    }

    /// Waits for a permit and then for the answer. When this is dropped the commands may have been decided
    /// all the same.
    pub(super) async fn ask(self: Arc<Self>, commands: Vec<Command>) -> Answer {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let (answer, verdicts) = oneshot::channel();
        let alone = {
            let mut waiting = self.waiting.lock();
            waiting.push(Waiting { commands, answer, _permit: permit });
            waiting.len() == 1
        };
        if alone {
            // A task of its own: this caller may go away, those who come along must not wait for it.
            tokio::spawn(self.deliver());
        } else {
            drop(self);
        }
        verdicts.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Calls that wait for their answers.
    pub(super) fn waiting(&self) -> u64 {
        CALLS_MAX.saturating_sub(self.permits.available_permits()) as u64
    }

    async fn deliver(self: Arc<Self>) {
        // Lets all tasks that are ready run first.
        tokio::task::yield_now().await;
        // While the committer is busy its queue gathers by itself.
        let idle = self.under_way.load(Ordering::Relaxed) == 0;
        if idle && self.waiting.lock().len() < self.before.load(Ordering::Relaxed) {
            tokio::time::sleep(GATHER).await;
        }
        let waiting = std::mem::take(&mut *self.waiting.lock());
        self.before.store(waiting.len(), Ordering::Relaxed);
        let (calls, askers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|one| (one.commands, (one.answer, one._permit))).unzip();
        let (answers, answered) = oneshot::channel();
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let sent = self.queue.send(CommandGroup { calls, answers }).await;
        let under_way = Arc::clone(&self.under_way);
        // The committer ends when nobody can reach it any more.
        drop(self);
        let answers = if sent.is_ok() { answered.await.ok() } else { None };
        under_way.fetch_sub(1, Ordering::Relaxed);
        // A caller without an answer gets `Stopped`.
        let Some(answers) = answers else { return };
        for ((asker, _), answer) in askers.into_iter().zip(answers) {
            // One that went away asks again.
            asker.send(answer).ok();
        }
    }
}

/// How long callers wait for as many as came the last time: a fraction of what a disk takes to sync.
const GATHER: Duration = Duration::from_millis(1);

/// Calls of `commit` that wait; more wait for a permit.
const CALLS_MAX: usize = 4096;
