//! The one thread that writes: drains the queue, decides, writes once, syncs once, updates the index, answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use identity::Clock;
use ledger::{Conflict, Decision, Entry, EntryNumber, Overlay};
use tokio::sync::mpsc;

use super::group_commit::{Answer, CommandGroup};
use super::index::Rows;
use super::{ENTRIES_MAX, Shared, frame};
use crate::{Recorded, StoreError, Verdict, whole_milliseconds};

/// Owns the end of the ledger. Lives until its queue is closed and empty.
pub(super) struct Committer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    queue: mpsc::Receiver<CommandGroup>,
    /// After a write or sync that failed nobody knows what is on disk: nothing is acknowledged any more.
    stopped: bool,
}

/// What is decided, before it is durable.
enum Draft {
    Fresh(Arc<Entry>),
    Replay(EntryNumber),
    Refused(Conflict),
}

/// One batch on its way to disk.
struct Batch {
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    entries: Vec<Arc<Entry>>,
    drafts: Vec<Result<Vec<Draft>, StoreError>>,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        queue: mpsc::Receiver<CommandGroup>,
    ) -> Self {
        Self { shared, clock, queue, stopped: false }
    }

    /// Runs until the store is closed; then notes where the ledger ends.
    pub(super) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let mut commands = first.commands();
            let mut batch = vec![first];
            while commands < BATCH_COMMANDS_MAX
                && let Ok(next) = self.queue.try_recv()
            {
                commands += next.commands();
                batch.push(next);
            }
            self.commit(batch);
        }
        if !self.stopped
            && let Err(error) = self.shared.files.write_floor(self.shared.head.load(Ordering::Acquire))
        {
            tracing::warn!(error = %error, "the ledger is whole, but where it ends could not be noted");
        }
    }

    fn commit(&mut self, batch: Vec<CommandGroup>) {
        // Also when the projector found that the ledger lost its end.
        let outcome = match self.stopped || self.shared.counters.stopped.load(Ordering::Relaxed) {
            true => Err(StoreError::Stopped),
            false => self.commit_batch(&batch),
        };
        let mut outcome = outcome.map(Vec::into_iter);
        for CommandGroup { calls, answers } in batch {
            let of_call = |_| match &mut outcome {
                Ok(answers) => {
                    answers.next().unwrap_or(Err(StoreError::Bug { what: "a call has no answer" }))
                }
                Err(error) => Err(error.clone()),
            };
            answers.send(calls.iter().map(of_call).collect()).ok();
        }
    }

    fn commit_batch(&mut self, gathered: &[CommandGroup]) -> Result<Vec<Answer>, StoreError> {
        let now = whole_milliseconds(self.clock.now());
        let head = self.shared.head.load(Ordering::Acquire);
        let batch = self.decide(gathered, head, now)?;
        if !batch.entries.is_empty() {
            self.append(head + 1, &batch)?;
            {
                let mut index = self.shared.index.write();
                batch.entries.iter().for_each(|entry| index.apply(entry));
            }
            // What was just issued is confirmed, used to enrol, or asked about next.
            batch.entries.iter().for_each(|entry| self.shared.files.keep(entry));
            let head = head + batch.entries.len() as u64;
            self.shared.head.store(head, Ordering::Release);
            self.shared.projection.committed(head);
            self.shared.counters.entries.fetch_add(batch.entries.len() as u64, Ordering::Relaxed);
        }
        let answers = batch
            .drafts
            .into_iter()
            .map(|drafts| drafts.and_then(|drafts| self.verdicts(drafts, &batch.entries, head)));
        Ok(answers.collect())
    }

    /// Decides every command over the effect of those before it.
    fn decide(&self, gathered: &[CommandGroup], head: u64, now: SystemTime) -> Result<Batch, StoreError> {
        let index = self.shared.index.read();
        let count = gathered.iter().map(CommandGroup::commands).sum();
        let mut remaining: usize = count;
        let mut overlay = Overlay::with_room(Rows { index: &index, files: &self.shared.files }, count);
        let mut batch = Batch::for_entries(count);
        for commands in gathered.iter().flat_map(|gathered| &gathered.calls) {
            let mut drafts = Vec::with_capacity(commands.len());
            let mut fault = None;
            for command in commands {
                let put = |batch: &mut Batch, overlay: &mut Overlay<Rows<'_>>, event, request| {
                    let number = EntryNumber(head + 1 + batch.entries.len() as u64);
                    if number.0 > ENTRIES_MAX {
                        return Err(StoreError::Full);
                    }
                    let (principal, content) = (command.principal.clone(), command.content);
                    let remark = command.remark.clone();
                    let entry = Entry { number, at: now, principal, request, content, remark, event };
                    // Nobody looks at what the last one does before the index does it.
                    if remaining > 1 {
                        overlay.apply(&entry)?;
                    }
                    Ok(batch.push(Arc::new(entry)))
                };
                let draft = match ledger::decide(&overlay, command, now) {
                    Ok(Ok(Decision::Record(event))) => {
                        put(&mut batch, &mut overlay, *event, command.request)?
                    }
                    // The request was not answered by it.
                    Ok(Ok(Decision::Alarm(event, conflict))) => {
                        put(&mut batch, &mut overlay, *event, None)?;
                        Draft::Refused(conflict)
                    }
                    Ok(Ok(Decision::Replay(number))) => Draft::Replay(number),
                    Ok(Err(conflict)) => Draft::Refused(conflict),
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                };
                remaining -= 1;
                drafts.push(draft);
            }
            batch.drafts.push(fault.map_or(Ok(drafts), Err));
        }
        Ok(batch)
    }

    fn append(&mut self, first: u64, batch: &Batch) -> Result<(), StoreError> {
        let counters = &self.shared.counters;
        let appended = self.shared.files.append(first, &batch.bytes, &batch.lengths, |sync| {
            let start = Instant::now();
            let result = sync();
            counters.synced(start.elapsed());
            result
        });
        match &appended {
            Ok(()) => {
                counters.batches.fetch_add(1, Ordering::Relaxed);
                self.shared.room.was_found();
            }
            Err(StoreError::Full) => {
                counters.full.fetch_add(1, Ordering::Relaxed);
                self.shared.room.ran_out();
            }
            Err(error) => {
                self.stopped = true;
                counters.stopped.store(true, Ordering::Relaxed);
                tracing::error!(error = %error, "the ledger cannot be written; nothing is acknowledged any more");
            }
        }
        appended
    }

    fn verdicts(
        &self,
        drafts: Vec<Draft>,
        fresh: &[Arc<Entry>],
        head: u64,
    ) -> Result<Vec<Verdict>, StoreError> {
        let verdict = |draft| {
            Ok(match draft {
                Draft::Fresh(entry) => Ok(Recorded::fresh(entry)),
                Draft::Refused(conflict) => {
                    self.shared.counters.conflicts.fetch_add(1, Ordering::Relaxed);
                    Err(conflict)
                }
                Draft::Replay(number) => {
                    let place = number.0.checked_sub(head + 1).and_then(|place| usize::try_from(place).ok());
                    let entry = match place.and_then(|place| fresh.get(place)) {
                        Some(entry) => Arc::clone(entry),
                        None => self.shared.entry(number)?,
                    };
                    Ok(Recorded::replayed(entry))
                }
            })
        };
        drafts.into_iter().map(verdict).collect()
    }
}

impl CommandGroup {
    fn commands(&self) -> usize {
        self.calls.iter().map(Vec::len).sum()
    }
}

impl Batch {
    fn for_entries(count: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(count.saturating_mul(USUAL_ENTRY_BYTES)),
            lengths: Vec::with_capacity(count),
            entries: Vec::with_capacity(count),
            drafts: Vec::new(),
        }
    }

    fn push(&mut self, entry: Arc<Entry>) -> Draft {
        let start = self.bytes.len();
        frame::write(&entry, self.entries.len() as u32, &mut self.bytes);
        self.lengths.push((self.bytes.len() - start) as u32);
        self.entries.push(Arc::clone(&entry));
        Draft::Fresh(entry)
    }
}

impl super::Counters {
    fn synced(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sync_total_us.fetch_add(micros, Ordering::Relaxed);
        self.sync_max_us.fetch_max(micros, Ordering::Relaxed);
    }
}

/// What a birth certificate comes to with its frame, and some more.
const USUAL_ENTRY_BYTES: usize = 1024;

/// Most commands in a batch (one call more may go over it). At this size the fdatasync is a tenth of the batch's time; more would
/// only add to everybody's wait.
const BATCH_COMMANDS_MAX: usize = 512;
