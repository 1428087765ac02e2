//! Records the head of the ledger outside the ledger, on a timer of its own, so that a ledger that is later
//! found to be shorter is refused at the next start.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{CrlNumbers, LedgerHead, PublishError, StatusSource};

/// Records the head until `stop`, and once more then. A failure is logged once and tried again.
pub struct LedgerHeadRecorder {
    pub(super) source: Arc<dyn StatusSource>,
    pub(super) numbers: Arc<dyn CrlNumbers>,
}

impl LedgerHeadRecorder {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RECORD_INTERVAL) => {}
            }
            match self.record().await {
                Ok(()) if std::mem::take(&mut failing) => info!("the end of the ledger is noted again"),
                Ok(()) => {}
                Err(why) if !std::mem::replace(&mut failing, true) => {
                    let why: &dyn std::error::Error = &why;
                    error!(
                        why,
                        "the end of the ledger cannot be noted: a ledger that loses it would be served"
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// Records the head if it is not the recorded one.
    ///
    /// # Errors
    /// When the ledger cannot be read or the head cannot be recorded.
    pub async fn record(&self) -> Result<(), PublishError> {
        if self.numbers.is_recorded(self.source.head()) {
            return Ok(());
        }
        let head = LedgerHead::of(self.source.as_ref()).await?;
        self.numbers.take(0, head).await?;
        Ok(())
    }
}

/// How often the head is recorded while the ledger grows. One small synced file a second is nothing beside
/// the syncs of the ledger, and what is not recorded yet is at most a second old.
const RECORD_INTERVAL: Duration = Duration::from_secs(1);
