//! A log that fails on command, in both ways: before anything happened, and after it had. For tests.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::tree::Hash;
use crate::{AppendError, Batch, Log, LogError, LogMetrics};

/// How an append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// [`AppendError::Full`]: nothing was appended.
    Full,
    /// [`AppendError::Unknown`], and nothing was appended.
    Failed,
    /// [`AppendError::Unknown`], and the batch was appended.
    FailedButPersisted,
}

/// Wraps a log whose appends fail when asked to. Without a fault it is the log that it wraps.
pub struct FaultyLog {
    inner: Arc<dyn Log>,
    next: Mutex<Option<Fault>>,
}

impl FaultyLog {
    /// A log without a fault.
    pub fn new(inner: Arc<dyn Log>) -> Self {
        Self { inner, next: Mutex::default() }
    }

    /// Makes the next append fail.
    pub fn fail_next(&self, fault: Fault) {
        *self.next.lock() = Some(fault);
    }

    fn unknown(&self, batch: &Batch) -> AppendError {
        AppendError::Unknown(self.inner.damaged(batch.next(), "a fault that a test asked for"))
    }
}

#[async_trait]
impl Log for FaultyLog {
    async fn append(&self, batch: &Batch) -> Result<EntryNumber, AppendError> {
        let fault = self.next.lock().take();
        match fault {
            None => self.inner.append(batch).await,
            Some(Fault::Full) => Err(AppendError::Full),
            Some(Fault::Failed) => Err(self.unknown(batch)),
            Some(Fault::FailedButPersisted) => {
                self.inner.append(batch).await?;
                Err(self.unknown(batch))
            }
        }
    }

    async fn head(&self) -> Result<EntryNumber, LogError> {
        self.inner.head().await
    }

    fn follow(&self) -> watch::Receiver<EntryNumber> {
        self.inner.follow()
    }

    fn read(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        self.inner.read(first, count)
    }

    fn root(&self, size: EntryNumber) -> Result<Option<Hash>, LogError> {
        self.inner.root(size)
    }

    fn damaged(&self, entry: EntryNumber, what: &'static str) -> LogError {
        self.inner.damaged(entry, what)
    }

    fn metrics(&self) -> LogMetrics {
        self.inner.metrics()
    }

    async fn close(&self) -> Result<(), LogError> {
        self.inner.close().await
    }

    fn release(&self) {
        self.inner.release();
    }
}
