//! Notes how far the ledger is, outside the ledger, on a timer of its own: whatever else happens, a ledger that is later found to be shorter is
//! refused at the next start.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{CrlNumbers, LedgerHead, PublishError, StatusSource};

/// Notes the end of the ledger until `stop`, and once more then. A failure is logged once and tried again.
pub struct LedgerHeadRecorder {
    source: Arc<dyn StatusSource>,
    crl_numbers: Arc<dyn CrlNumbers>,
}

impl LedgerHeadRecorder {
    pub(super) fn new(source: Arc<dyn StatusSource>, crl_numbers: Arc<dyn CrlNumbers>) -> Self {
        Self { source, crl_numbers }
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(NOTE_INTERVAL) => {}
            }
            match self.note().await {
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

    /// Notes the end if it is another than the one that was noted.
    ///
    /// # Errors
    /// When the ledger cannot be read or the note cannot be written.
    pub async fn note(&self) -> Result<(), PublishError> {
        if self.crl_numbers.is_recorded(self.source.head()) {
            return Ok(());
        }
        let seen = LedgerHead::end_of(self.source.as_ref()).await?;
        Arc::clone(&self.crl_numbers).take(0, seen).await?;
        Ok(())
    }
}

/// How often the end of the ledger is noted while it grows. Each note is a small file written and synced: one a second is nothing beside the
/// syncs of the ledger itself, and what is not noted yet is at most a second old.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
