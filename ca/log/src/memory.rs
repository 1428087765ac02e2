//! A log in memory: keeps the contract, but for durability. For tests.

use async_trait::async_trait;
use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{AppendError, Batch, Log, LogError, LogMetrics};

/// A log in memory. Shared by several stores, it is a log with several writers.
pub struct MemoryLog {
    entries: Mutex<Vec<Bytes>>,
    head: watch::Sender<EntryNumber>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self { entries: Mutex::default(), head: watch::Sender::new(EntryNumber(0)) }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, batch: &Batch) -> Result<EntryNumber, AppendError> {
        let mut entries = self.entries.lock();
        let head = EntryNumber(entries.len() as u64);
        if batch.end() != head {
            return Err(AppendError::Moved { head });
        }
        entries.extend(batch.payloads().map(Bytes::copy_from_slice));
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
        let entries = self.entries.lock();
        let found = position.and_then(|position| entries.get(position..)).unwrap_or_default();
        Ok(found.iter().take(count).cloned().collect())
    }

    fn damaged(&self, entry: EntryNumber, what: &'static str) -> LogError {
        LogError::Damaged { place: "memory".to_owned(), entry, what }
    }

    fn metrics(&self) -> LogMetrics {
        let bytes = self.entries.lock().iter().map(|entry| entry.len() as u64).sum();
        LogMetrics { bytes, ..LogMetrics::default() }
    }

    async fn close(&self) -> Result<(), LogError> {
        self.release();
        Ok(())
    }

    fn release(&self) {}
}

const READ_ENTRIES_MAX: u64 = 256;
