//! The index at a start: the last checkpoint that fits the log, and the entries behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::EntryNumber;
use ledger_log::{LogError, OpenError};
use parking_lot::RwLock;

use super::entries::{ABSENT, Entries, UNREADABLE};
use super::index::{Checkpoint, Index, IndexDirectory, LogMark};
use super::keeper;
use crate::{Result, StoreError, StoreSettings};

/// An index that has all entries of the log.
pub(super) struct Replayed {
    pub(super) index: RwLock<Index>,
    /// The entry of the last checkpoint.
    pub(super) checkpoint: u64,
}

impl Replayed {
    /// Reads the last checkpoint and the log behind it, and writes checkpoints on the way if that is long.
    pub(super) fn of(entries: &Entries, settings: &StoreSettings) -> Result<Self, OpenError> {
        let path = settings.index();
        let open = || {
            IndexDirectory::open(&path).map_err(|source| LogError::Io {
                what: "create",
                place: path.display().to_string(),
                source: Arc::new(source),
            })
        };
        let directory = open()?;
        let head = *entries.log().follow().borrow();
        if let Some(checkpoint) = Checkpoint::read(&directory) {
            let seen = checkpoint.entry();
            if seen > head && !settings.accept_lost_end {
                return Err(OpenError::LostEnd { path, seen, head });
            }
            match Self::from_checkpoint(&checkpoint, &directory, entries, head, settings) {
                Ok(replayed) => return Ok(replayed),
                Err(StoreError::Log(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(error = %error, "the index is built again from the ledger");
                }
            }
        } else if head.0 >= settings.checkpoint_entries {
            tracing::info!("there is no checkpoint of the index; it is built from the ledger");
        }
        directory.discard_checkpoint();
        let mut key = [0; 16];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| LogError::Io {
            what: "draw a key for",
            place: path.display().to_string(),
            source: Arc::new(std::io::Error::other("no randomness")),
        })?;
        let index = RwLock::new(Index::new(open()?, key));
        let replayed = Self { index, checkpoint: 0 }.follow(entries, EntryNumber(0), head, settings);
        replayed.map_err(|error| match error {
            StoreError::Log(error) => error.into(),
            error => OpenError::Log(LogError::Io {
                what: "build the index in",
                place: path.display().to_string(),
                source: Arc::new(std::io::Error::other(error)),
            }),
        })
    }

    fn from_checkpoint(
        checkpoint: &Checkpoint,
        directory: &Arc<IndexDirectory>,
        entries: &Entries,
        head: EntryNumber,
        settings: &StoreSettings,
    ) -> Result<Self> {
        let seen = checkpoint.entry();
        let at = LogMark::at(entries.log().as_ref(), seen)?;
        if !at.is_some_and(|at| checkpoint.is_of(&at)) {
            return Err(directory.damage(&directory.checkpoint(), "it is of another ledger"));
        }
        let (mut index, administrative) = checkpoint.load(directory)?;
        let mut reader = entries.in_order();
        checkpoint.restore(&mut index, administrative.into_iter().map(|number| reader.entry(number)))?;
        Self { index: RwLock::new(index), checkpoint: seen.0 }.follow(entries, seen, head, settings)
    }

    /// Applies the entries behind one.
    fn follow(
        mut self,
        entries: &Entries,
        behind: EntryNumber,
        head: EntryNumber,
        settings: &StoreSettings,
    ) -> Result<Self> {
        let mut next = EntryNumber(behind.0 + 1);
        let mut told = Instant::now();
        let mut checkpoint_at = behind.0 + settings.checkpoint_entries;
        while next <= head {
            let run = entries.log().read(next, head.0 + 1 - next.0)?;
            if run.is_empty() {
                return Err(entries.damaged(next, ABSENT));
            }
            let index = self.index.get_mut();
            for payload in run {
                if !index.replay(next, payload)? {
                    return Err(entries.damaged(next, UNREADABLE));
                }
                next.0 += 1;
            }
            if next.0 > checkpoint_at {
                match keeper::checkpoint(&self.index, entries.log().as_ref(), settings.checkpoint_entries) {
                    Ok(entry) => self.checkpoint = entry,
                    Err(error) => {
                        tracing::warn!(error = %error, "no checkpoint of the index was written");
                    }
                }
                checkpoint_at = next.0 + settings.checkpoint_entries;
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                tracing::info!(entry = next.0 - 1, of = head.0, "reading the ledger");
            }
        }
        Ok(self)
    }
}

/// How often a long start says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);
