//! A log in memory: keeps the contract, but for durability. For tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::tree::{Frontier, Hash};
use crate::{AppendError, Batch, Log, LogError, LogMetrics};

/// A log in memory. Shared by several stores, it is a log with several writers.
pub struct MemoryLog {
    kept: Mutex<Kept>,
    head: watch::Sender<EntryNumber>,
}

struct Kept {
    entries: Vec<Bytes>,
    tree: Frontier,
    /// By the number of the entry that ended a batch.
    roots: BTreeMap<EntryNumber, Hash>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        let tree = Frontier::default();
        let roots = BTreeMap::from([(EntryNumber(0), tree.root())]);
        let kept = Kept { entries: Vec::new(), tree, roots };
        Self { kept: Mutex::new(kept), head: watch::Sender::new(EntryNumber(0)) }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, batch: &Batch) -> Result<EntryNumber, AppendError> {
        let mut kept = self.kept.lock();
        let Kept { entries, tree, roots } = &mut *kept;
        let head = EntryNumber(entries.len() as u64);
        if batch.end() != head {
            return Err(AppendError::Moved { head });
        }
        entries.extend(batch.payloads().map(Bytes::copy_from_slice));
        batch.grow(tree);
        roots.insert(batch.last(), tree.root());
        self.head.send_replace(batch.last());
        Ok(batch.last())
    }

    async fn head(&self) -> Result<EntryNumber, LogError> {
        Ok(*self.head.borrow())
    }

    fn follow(&self) -> watch::Receiver<EntryNumber> {
        self.head.subscribe()
    }

    fn read(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        let position = first.0.checked_sub(1).and_then(|position| usize::try_from(position).ok());
        let count = usize::try_from(count.min(READ_ENTRIES_MAX)).unwrap_or(usize::MAX);
        let kept = self.kept.lock();
        let found = position.and_then(|position| kept.entries.get(position..)).unwrap_or_default();
        Ok(found.iter().take(count).cloned().collect())
    }

    fn root(&self, size: EntryNumber) -> Result<Option<Hash>, LogError> {
        Ok(self.kept.lock().roots.get(&size).copied())
    }

    fn damaged(&self, entry: EntryNumber, what: &'static str) -> LogError {
        LogError::Damaged { place: "memory".to_owned(), entry, what }
    }

    fn metrics(&self) -> LogMetrics {
        let bytes = self.kept.lock().entries.iter().map(|entry| entry.len() as u64).sum();
        LogMetrics { bytes, ..LogMetrics::default() }
    }

    async fn close(&self) -> Result<(), LogError> {
        self.release();
        Ok(())
    }

    fn release(&self) {}
}

const READ_ENTRIES_MAX: u64 = 256;
