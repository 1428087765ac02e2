//! The one thread that writes the projection (sled), and what readers see of it. No commit waits for it: an
//! error or a panic of sled discards the projection, which is then rebuilt in the background.

mod check;
mod shown;

use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ledger::{EntryNumber, Holder};

use super::Shared;
use super::buckets;
use super::clean_shutdown::CleanShutdownMark;
use super::projection::{CURSOR_KEY, NewRows, Progress};
use crate::StoreError;
use check::{check, seen_beyond};
use shown::State;

pub(super) use shown::Projection;

pub(super) struct Projector {
    shared: Arc<Shared>,
    directory: PathBuf,
    /// Whether a ledger that lost its end is accepted.
    accept_lost_end: bool,
}

impl Projector {
    pub(super) fn new(shared: Arc<Shared>, directory: PathBuf, accept_lost_end: bool) -> Self {
        Self { shared, directory, accept_lost_end }
    }

    pub(super) fn run(self) {
        let mut trusted = true;
        let mut pause = PAUSE_MIN;
        loop {
            let started = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| self.follow(trusted)));
            let why = match outcome {
                Ok(Ok(())) => break,
                Ok(Err(Discard::Ahead { seen, head })) if !self.accept_lost_end => {
                    self.refuse(seen, head);
                    break;
                }
                Ok(Err(why)) => why.to_string(),
                Err(_) => "sled panicked".to_owned(),
            };
            // One that cannot be read says nothing of the ledger.
            self.shared.projection.know_cursor(None);
            trusted = false;
            // One that ran for a while is started again at once; one that fails at once (no space) waits.
            pause = if started.elapsed() > PAUSE_MAX { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            tracing::warn!(why, "the projection is thrown away and built again; listings wait");
            if self.discard(pause) {
                break;
            }
        }
        let mut state = self.shared.projection.state();
        state.tree = None;
        state.ended = true;
        self.shared.projection.changed.notify_all();
    }

    /// The ledger lost its end. The projection is left as it is: it is how the next start sees that, too.
    fn refuse(&self, seen: u64, head: u64) {
        tracing::error!(
            seen,
            head,
            "the ledger lost entries: an older copy was put back, or its end is gone; there may be certificates that it does not know"
        );
        // For a start that did not wait so long: nothing is acknowledged any more, and the CA ends.
        self.shared.counters.stopped.store(true, Ordering::Relaxed);
        self.shared.projection.know_cursor(Some(seen));
    }

    /// Takes the projection away from readers and waits a little; `true`: to stop.
    fn discard(&self, pause: Duration) -> bool {
        let projection = &self.shared.projection;
        let mut state = projection.state();
        (state.reached, state.suspect) = (0, false);
        state.rebuilds += 1;
        let broken = state.tree.take();
        drop(state);
        // Closing a broken sled can panic or hang; nobody waits for it.
        let close = move || drop(catch_unwind(AssertUnwindSafe(|| drop(broken))));
        if let Err(error) = std::thread::Builder::new().name("broken projection".to_owned()).spawn(close) {
            tracing::warn!(error = %error, "no thread to close a broken projection in");
        }
        let mut state = projection.state();
        projection.changed.wait_while_for(&mut state, |state| !state.stop, pause);
        state.stop
    }

    /// Opens and follows until told to stop, and then closes cleanly.
    fn follow(&self, trusted: bool) -> Result<(), Discard> {
        let (mut clean_shutdown, whole) = CleanShutdownMark::read(&self.directory)?;
        if !(trusted && whole) {
            clean_shutdown.renew()?;
        }
        clean_shutdown.mark_open()?;
        let path = clean_shutdown.path();
        let tree = sled::Config::new()
            .path(&path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput)
            .open()?;
        let inode = inode(&path)?;
        if let Some(ahead) = seen_beyond(&tree, self.shared.head().0)? {
            drop(tree);
            match self.accept_lost_end {
                true => clean_shutdown.renew()?,
                false => clean_shutdown.mark_closed()?,
            }
            return Err(ahead);
        }
        self.shared.projection.know_cursor(None);
        let mut progress = check(&tree)?;
        if progress == Progress::default() && !self.begin(&tree, &mut progress)? {
            // Told to stop before all devices were there.
            drop(tree);
            clean_shutdown.renew()?;
            return Ok(());
        }
        self.publish(&tree, progress.reached);
        let mut unflushed = false;
        loop {
            let (head, stop, suspect) = self.wait(progress.reached);
            if suspect {
                return Err(Discard::Damaged("a reader could not read it"));
            }
            if self::inode(&path)? != inode {
                return Err(Discard::Damaged("its file was replaced"));
            }
            if stop {
                break;
            }
            if head > progress.reached {
                self.project(&tree, &mut progress, head)?;
                self.publish(&tree, progress.reached);
                unflushed = true;
            } else if unflushed {
                tree.flush()?;
                unflushed = false;
            }
        }
        self.shared.projection.state().tree = None;
        tree.flush()?;
        drop(tree);
        clean_shutdown.mark_closed()?;
        Ok(())
    }

    /// Fills an empty projection with the devices of the index: that costs what the fleet is, not what its
    /// history is. The cursor is written last. `false`: it was told to stop.
    fn begin(&self, tree: &sled::Db, progress: &mut Progress) -> Result<bool, Discard> {
        let (head, devices) = {
            let index = self.shared.index.read();
            (index.head().0, index.born())
        };
        let mut reader = self.shared.entries.in_order();
        let mut next = 0;
        while next < devices {
            if self.shared.projection.state().stop {
                return Ok(false);
            }
            let limit = BATCH_ENTRIES_MAX.min(devices - next) as usize;
            let born = self.shared.index.read().born_from(next, limit)?;
            let mut new = NewRows::behind(&self.shared, *progress);
            for (_, entry) in born {
                if let Some(device) = reader.entry(entry)?.event.holder().as_ref().and_then(Holder::device) {
                    new.add_device(device.into())?;
                }
            }
            *progress = new.progress;
            write(tree, new, None)?;
            next += limit as u64;
        }
        progress.reached = head;
        let mut batch = sled::Batch::default();
        batch.insert(CURSOR_KEY, progress.to_bytes());
        tree.apply_batch(batch)?;
        Ok(true)
    }

    /// Waits for new entries or a tick. Few entries wait for more, unless a reader waits for them.
    fn wait(&self, reached: u64) -> (u64, bool, bool) {
        let projection = &self.shared.projection;
        let idle = |state: &mut State| state.head <= reached && !state.stop && !state.suspect;
        let mut state = projection.state();
        state.wake_at = reached + 1;
        projection.changed.wait_while_for(&mut state, idle, TICK);
        let enough = reached + BATCH_ENTRIES_MAX;
        state.wake_at = enough;
        let drops = |state: &mut State| {
            (reached + 1..enough).contains(&state.head) && state.readers == 0 && !state.stop && !state.suspect
        };
        projection.changed.wait_while_for(&mut state, drops, GATHER);
        state.wake_at = u64::MAX;
        (state.head, state.stop, state.suspect)
    }

    /// Writes one batch of rows and the cursor, atomically.
    fn project(&self, tree: &sled::Db, progress: &mut Progress, head: u64) -> Result<(), Discard> {
        let mut new = NewRows::behind(&self.shared, *progress);
        let end = head.min(progress.reached + BATCH_ENTRIES_MAX);
        while new.progress.reached < end {
            let next = EntryNumber(new.progress.reached + 1);
            for payload in self.shared.entries.run(next, end - new.progress.reached)? {
                new.add(payload)?;
            }
        }
        *progress = new.progress;
        write(tree, new, Some(*progress))
    }

    fn publish(&self, tree: &sled::Db, reached: u64) {
        let mut state = self.shared.projection.state();
        state.reached = reached;
        // A rebuild is shown when it has caught up once.
        if state.tree.is_none() && reached >= state.head.saturating_sub(BATCH_ENTRIES_MAX) {
            state.tree = Some(tree.clone());
        }
        self.shared.projection.changed.notify_all();
    }
}

/// Writes rows, and the cursor if there is one, atomically.
fn write(tree: &sled::Db, new: NewRows<'_>, cursor: Option<Progress>) -> Result<(), Discard> {
    let mut batch = sled::Batch::default();
    for (key, changed) in new.buckets {
        let value = tree.get(&key)?;
        let mut bucket = match &value {
            Some(value) => buckets::read(value).ok_or(Discard::Damaged("a row of devices"))?,
            None => buckets::DeviceBucket::default(),
        };
        bucket.extend(changed);
        let changed = buckets::write(&bucket);
        // A renewal changes nothing that is listed.
        if value.is_none_or(|value| *value != *changed) {
            batch.insert(key, changed);
        }
    }
    if let Some(cursor) = cursor {
        batch.insert(CURSOR_KEY, cursor.to_bytes());
    }
    tree.apply_batch(batch)?;
    Ok(())
}

/// Why a projection is thrown away.
#[derive(Debug, thiserror::Error)]
enum Discard {
    #[error("sled: {0}")]
    Sled(#[from] sled::Error),
    #[error("the disk: {0}")]
    Disk(#[from] std::io::Error),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("an earlier version wrote it")]
    Version,
    #[error("it had seen entry {seen}, and the ledger ends at entry {head}")]
    Ahead { seen: u64, head: u64 },
    #[error("the ledger: {0}")]
    Ledger(#[from] StoreError),
}

/// The inode of sled's file: sled does not notice when the file is deleted or replaced.
fn inode(path: &Path) -> Result<u64, Discard> {
    let found = std::fs::metadata(path.join("db"))?;
    Ok(found.ino())
}

/// Entries in one write to sled, which copies a page for each row and frees none before the write ends: a run
/// of serials is some hundred rows.
const BATCH_ENTRIES_MAX: u64 = 1024;

/// Of sled's cache. What a listing reads is cold anyway; the page table beside it is what costs memory.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How often an idle projector looks whether its files are still there.
const TICK: Duration = Duration::from_millis(500);

/// How long few entries wait for more, unless somebody wants to read them: each write to sled wakes eight
/// threads of its own, and a full batch costs a fraction of many small ones.
const GATHER: Duration = Duration::from_millis(200);

/// The shortest pause between a discarded projection and the next.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest pause: a full disk is not tried all the time, and listings come back soon after there is room.
const PAUSE_MAX: Duration = Duration::from_secs(10);
