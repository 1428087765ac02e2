//! The one thread that writes: drains the queue, catches up with the log, decides, appends once, updates the
//! index, answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, RequestId};
use ledger::{Action, Command, Conflict, Decision, Entry, EntryNumber, Event, Overlay};
use ledger_log::{AppendError, Batch, Log};
use tokio::sync::{mpsc, watch};

use super::entries::UNREADABLE;
use super::group_commit::{Answer, CommandGroup};
use super::index::Rows;
use super::{ENTRIES_MAX, Shared};
use crate::{Recorded, Result, StoreError, Verdict};

/// Changes the index, and nothing else does: by what it appends, and by what others append to the same log.
/// Ends when its queue is closed and empty.
pub(super) struct Committer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    queue: mpsc::Receiver<CommandGroup>,
    /// The end of the log.
    end: watch::Receiver<EntryNumber>,
}

/// The outcome of a command before it is durable.
enum Draft {
    Fresh(Arc<Entry>),
    Replay(EntryNumber),
    Refused(Conflict),
}

/// One batch on its way to the log.
struct Decided {
    batch: Batch,
    entries: Vec<Arc<Entry>>,
    drafts: Vec<Result<Vec<Draft>>>,
    /// Whether a command was refused or is a replay: valid only if no other process has appended meanwhile.
    depends_on_earlier_entries: bool,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        queue: mpsc::Receiver<CommandGroup>,
    ) -> Self {
        let end = shared.entries.log().follow();
        Self { shared, clock, queue, end }
    }

    pub(super) async fn run(mut self) {
        loop {
            let first = tokio::select! {
                biased;
                first = self.queue.recv() => first,
                true = grown(&mut self.end, self.shared.head()), if !self.is_stopped() => {
                    if let Err(error) = self.catch_up() {
                        self.stop(&error);
                    }
                    continue;
                }
            };
            let Some(first) = first else { return };
            let mut commands = first.commands();
            let mut groups = vec![first];
            while commands < BATCH_COMMANDS_MAX
                && let Ok(next) = self.queue.try_recv()
            {
                commands += next.commands();
                groups.push(next);
            }
            self.answer(groups).await;
        }
    }

    async fn answer(&self, groups: Vec<CommandGroup>) {
        // Also when the projector found that the log lost its end.
        let outcome = match self.is_stopped() {
            true => Err(StoreError::Stopped),
            false => self.commit(&groups).await,
        };
        if self.shared.index.read().directory.is_damaged() && !self.is_stopped() {
            self.stop(&StoreError::Bug("a part of the index cannot be read"));
        }
        let mut outcome = outcome.map(Vec::into_iter);
        for CommandGroup { calls, answers } in groups {
            let of_call = |_| match &mut outcome {
                Ok(answers) => answers.next().unwrap_or(Err(StoreError::Bug("a call has no answer"))),
                Err(error) => Err(error.clone()),
            };
            answers.send(calls.iter().map(of_call).collect()).ok();
        }
    }

    /// Catches up with the log, decides, appends, applies; again if another writer was faster.
    async fn commit(&self, groups: &[CommandGroup]) -> Result<Vec<Answer>> {
        for _ in 0..ATTEMPTS_MAX {
            self.catch_up()?;
            let head = self.shared.head();
            let Decided { batch, entries, drafts, depends_on_earlier_entries } = self.decide(groups, head)?;
            if depends_on_earlier_entries && self.log().head().await? > head {
                continue;
            }
            if !batch.is_empty() {
                match self.log().append(&batch).await {
                    Ok(head) => self.apply(&entries, head)?,
                    Err(AppendError::Moved { .. }) => continue,
                    Err(error) => return Err(self.failed(error).await),
                }
            }
            let answers = drafts
                .into_iter()
                .map(|drafts| drafts.and_then(|drafts| self.verdicts(drafts, &entries, head)));
            return Ok(answers.collect());
        }
        Err(StoreError::Busy)
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(self.shared.entries.log())
    }

    /// Applies what others appended.
    fn catch_up(&self) -> Result<()> {
        let end = *self.end.borrow();
        let mut head = self.shared.head();
        while head < end {
            let run = self.shared.entries.run(EntryNumber(head.0 + 1), end.0 - head.0)?;
            let mut index = self.shared.index.write();
            for payload in run {
                head.0 += 1;
                if !index.replay(head, payload)? {
                    return Err(self.shared.entries.damaged(head, UNREADABLE));
                }
            }
            drop(index);
            self.shared.reached(head);
        }
        Ok(())
    }

    /// Applies what is on record. If the index cannot take it, nothing can be decided any more.
    fn apply(&self, entries: &[Arc<Entry>], head: EntryNumber) -> Result<()> {
        {
            let mut index = self.shared.index.write();
            let applied = entries.iter().try_for_each(|entry| index.apply(entry));
            applied.inspect_err(|error| self.stop(error))?;
        }
        // What was just issued is confirmed, used to enrol, or asked about next.
        entries.iter().for_each(|entry| self.shared.entries.keep(entry));
        self.shared.reached(head);
        self.shared.counters.entries.fetch_add(entries.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// The error for the callers of a batch that was not acknowledged. Stops the store if the log cannot say
    /// whether the batch was appended.
    async fn failed(&self, error: AppendError) -> StoreError {
        match error {
            AppendError::Full => StoreError::Full,
            AppendError::Moved { .. } => StoreError::Busy,
            AppendError::Unknown(error) => match self.log().head().await {
                Ok(_) => {
                    tracing::warn!(error = %error, "it is not known whether a batch was recorded; its callers ask again");
                    StoreError::Busy
                }
                Err(_) => {
                    let error = error.into();
                    self.stop(&error);
                    error
                }
            },
        }
    }

    fn is_stopped(&self) -> bool {
        self.shared.counters.stopped.load(Ordering::Relaxed)
    }

    fn stop(&self, error: &StoreError) {
        self.shared.counters.stopped.store(true, Ordering::Relaxed);
        tracing::error!(error = %error, "the ledger cannot be written; nothing is acknowledged any more");
    }

    /// Decides every command over the effect of those before it.
    fn decide(&self, groups: &[CommandGroup], head: EntryNumber) -> Result<Decided> {
        let index = self.shared.index.read();
        let count = groups.iter().map(CommandGroup::commands).sum();
        let mut times = Times { clock: whole_milliseconds(self.clock.now()), last: index.times.last_at() };
        let mut remaining: usize = count;
        let mut overlay = Overlay::with_room(Rows { index: &index, entries: &self.shared.entries }, count);
        let mut decided = Decided {
            batch: Batch::behind(head, count),
            entries: Vec::with_capacity(count),
            drafts: Vec::new(),
            depends_on_earlier_entries: false,
        };
        for commands in groups.iter().flat_map(|group| &group.calls) {
            let mut drafts = Vec::with_capacity(commands.len());
            let mut fault = None;
            for command in commands {
                let now = times.of(command);
                let put = |decided: &mut Decided, overlay: &mut Overlay<Rows<'_>>, event, request| {
                    let entry = decided.entry(command, now, event, request)?;
                    // The effect of the last one is needed only in the index.
                    if remaining > 1 {
                        overlay.apply(&entry)?;
                    }
                    Ok::<_, StoreError>(Draft::Fresh(entry))
                };
                let draft = match ledger::decide(&overlay, command, now) {
                    Ok(Ok(Decision::Record(event))) => {
                        put(&mut decided, &mut overlay, *event, command.request)?
                    }
                    // The request was not answered by it.
                    Ok(Ok(Decision::Alarm(event, conflict))) => {
                        put(&mut decided, &mut overlay, *event, None)?;
                        Draft::Refused(conflict)
                    }
                    Ok(Ok(Decision::Replay(number))) => Draft::Replay(number),
                    Ok(Err(conflict)) => Draft::Refused(conflict),
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                };
                match &draft {
                    Draft::Fresh(_) => times.last = Some(now),
                    Draft::Replay(_) | Draft::Refused(_) => decided.depends_on_earlier_entries = true,
                }
                remaining -= 1;
                drafts.push(draft);
            }
            decided.drafts.push(fault.map_or(Ok(drafts), Err));
        }
        Ok(decided)
    }

    fn verdicts(&self, drafts: Vec<Draft>, fresh: &[Arc<Entry>], head: EntryNumber) -> Result<Vec<Verdict>> {
        let verdict = |draft| {
            Ok(match draft {
                Draft::Fresh(entry) => Ok(Recorded { entry, replayed: false }),
                Draft::Refused(conflict) => {
                    self.shared.counters.conflicts.fetch_add(1, Ordering::Relaxed);
                    Err(conflict)
                }
                Draft::Replay(number) => {
                    let position =
                        number.0.checked_sub(head.0 + 1).and_then(|first| usize::try_from(first).ok());
                    let entry = match position.and_then(|position| fresh.get(position)) {
                        Some(entry) => Arc::clone(entry),
                        None => self.shared.entries.get(number)?,
                    };
                    Ok(Recorded { entry, replayed: true })
                }
            })
        };
        drafts.into_iter().map(verdict).collect()
    }
}

async fn grown(end: &mut watch::Receiver<EntryNumber>, head: EntryNumber) -> bool {
    end.wait_for(|end| *end > head).await.is_ok()
}

struct Times {
    clock: SystemTime,
    /// The time of the entry before; `None`: there is none.
    last: Option<SystemTime>,
}

impl Times {
    /// The time of a command's entry. It never goes back, whatever the clocks of several writers say, unless
    /// an operator confirms that the ledger is ahead.
    fn of(&self, command: &Command) -> SystemTime {
        match (&command.action, self.last) {
            (Action::ConfirmTime { .. }, _) | (_, None) => self.clock,
            (_, Some(last)) => self.clock.max(last),
        }
    }
}

fn whole_milliseconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

impl Decided {
    fn entry(
        &mut self,
        command: &Command,
        at: SystemTime,
        event: Event,
        request: Option<RequestId>,
    ) -> Result<Arc<Entry>> {
        let number = self.batch.next();
        if number.0 > ENTRIES_MAX {
            return Err(StoreError::Full);
        }
        let (principal, content) = (command.principal.clone(), command.content);
        let remark = command.remark.clone();
        let entry = Arc::new(Entry { number, at, principal, request, content, remark, event });
        self.batch.push(&entry);
        self.entries.push(Arc::clone(&entry));
        Ok(entry)
    }
}

impl CommandGroup {
    fn commands(&self) -> usize {
        self.calls.iter().map(Vec::len).sum()
    }
}

/// Most commands in a batch (one call more may go over it). At this size the fdatasync is a tenth of the
/// batch's time; more would only add to everybody's wait.
const BATCH_COMMANDS_MAX: usize = 512;

/// How often a batch is decided before its callers are told to ask again: another writer was faster each
/// time.
const ATTEMPTS_MAX: usize = 8;
