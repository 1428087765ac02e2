//! Logs one line when the CA stops answering and one when it answers again, however many slots wait for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// Since when the CA has not answered. All clones share it.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    since: Arc<Mutex<Option<Instant>>>,
    /// Whether the line works without it.
    away: Arc<watch::Sender<bool>>,
}

impl Default for Outage {
    fn default() -> Self {
        Self { since: Arc::default(), away: Arc::new(watch::Sender::new(false)) }
    }
}

impl Outage {
    /// The CA gave no answer. Returns whether it is the first time.
    pub(super) fn goes_on(&self, detail: &str, patience: Duration) -> bool {
        let mut since = self.since.lock();
        let begins = since.is_none();
        if begins {
            *since = Some(Instant::now());
            let patience_s = patience.as_secs();
            tracing::warn!("the CA cannot answer ({detail}); each unit waits for it, {patience_s} s at most");
        }
        begins
    }

    pub(super) fn set_away(&self, away: bool) {
        self.away.send_replace(away);
    }

    pub(super) fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    pub(super) fn away(&self) -> watch::Receiver<bool> {
        self.away.subscribe()
    }

    pub(super) fn end(&self) {
        if let Some(since) = self.since.lock().take() {
            tracing::warn!("the CA answers again, after {:.1} s", since.elapsed().as_secs_f64());
        }
    }
}
