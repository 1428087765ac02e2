//! When the CA was asked last whether the order goes on and its reservations hold.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::session::Outcome;

/// Shared by all slots, so that one of them asks for all, at most once a second: then a pause and a withdrawal
/// act on the next unit, which is told nothing.
#[derive(Debug, Default)]
pub(crate) struct OrderWatch {
    asked: Mutex<Option<Instant>>,
}

/// Held while the CA is asked.
pub(super) struct Asking<'a> {
    begun: Instant,
    asked: MutexGuard<'a, Option<Instant>>,
}

impl OrderWatch {
    pub(super) async fn begin(&self, abort: &CancellationToken) -> Result<Asking<'_>, Outcome> {
        let begun = Instant::now();
        tokio::select! {
            () = abort.cancelled() => Err(Outcome::Cancelled),
            asked = self.asked.lock() => Ok(Asking { begun, asked }),
        }
    }
}

impl Asking<'_> {
    /// Whether another slot has asked while this one waited, or shortly before.
    pub(super) fn is_known(&self) -> bool {
        self.asked.is_some_and(|at| at >= self.begun || at.elapsed() < INTERVAL)
    }

    /// The CA has said that all is well.
    pub(super) fn ends_well(mut self) {
        *self.asked = Some(Instant::now());
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
