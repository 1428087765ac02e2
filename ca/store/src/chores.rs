//! Work that one process does for all that share a log.

use async_trait::async_trait;

use crate::Result;

/// Work that one process at a time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chore {
    /// Making CRLs.
    Publishing,
    /// Continuing mass revocations, and revoking what was superseded long enough ago.
    Revoking,
    /// The nightly search for keys that share a prime.
    PrimeSearch,
}

/// Who does a chore now.
#[async_trait]
pub trait Chores: Send + Sync + 'static {
    /// Whether this process does the chore now. Asked before every round. Of all processes that share a log
    /// at most one is told `true` at a time, but one that was told so may finish its round: a chore must do
    /// no harm when two processes do it at once. When the process that did it is gone, another is told `true`
    /// within a minute.
    ///
    /// # Errors
    /// When it cannot be known: the chore is not done in this round.
    async fn is_mine(&self, chore: Chore) -> Result<bool>;
}

/// This process is the only one: it does every chore.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnlyProcess;

#[async_trait]
impl Chores for OnlyProcess {
    async fn is_mine(&self, _: Chore) -> Result<bool> {
        Ok(true)
    }
}
