//! When the CA was asked last whether the order goes on and a reservation holds.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::session::Outcome;

/// Shared by all slots, so that one of them asks for all, at most once a second for each reservation: then a
/// pause and a withdrawal act on the next unit, which is told nothing.
#[derive(Debug, Default)]
pub(crate) struct OrderWatch {
    /// By reservation.
    asked: Mutex<BTreeMap<String, Answered>>,
}

/// What the CA said last: whether units can be made.
type Answered = (Instant, Result<(), Outcome>);

/// Held while the CA is asked.
pub(super) struct Asking<'a> {
    begun: Instant,
    reservation: String,
    asked: MutexGuard<'a, BTreeMap<String, Answered>>,
}

impl OrderWatch {
    pub(super) async fn begin(
        &self,
        reservation: String,
        abort: &CancellationToken,
    ) -> Result<Asking<'_>, Outcome> {
        let begun = Instant::now();
        tokio::select! {
            () = abort.cancelled() => Err(Outcome::Cancelled),
            asked = self.asked.lock() => Ok(Asking { begun, reservation, asked }),
        }
    }
}

impl Asking<'_> {
    /// What another slot was told while this one waited, or shortly before. A fault is only shared with those
    /// that have waited.
    pub(super) fn known(&self) -> Option<Result<(), Outcome>> {
        let (at, answer) = self.asked.get(&self.reservation)?;
        let is_known = *at >= self.begun || (answer.is_ok() && at.elapsed() < INTERVAL);
        is_known.then(|| answer.clone())
    }

    pub(super) fn ends(mut self, answer: Result<(), Outcome>) {
        self.asked.insert(self.reservation, (Instant::now(), answer));
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
