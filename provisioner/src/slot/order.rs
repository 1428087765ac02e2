//! When the CA was asked last whether the order goes on and its reservations hold.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::session::Outcome;

/// Shared by all slots, so that one of them asks for all, at most once a second: then a pause and a
/// withdrawal act on the next unit, which is told nothing.
#[derive(Debug, Default)]
pub(crate) struct OrderWatch {
    asked: Mutex<Option<Answered>>,
}

/// What the CA said last: whether units can be made.
type Answered = (Instant, Result<(), Outcome>);

/// Held while the CA is asked.
pub(super) struct Asking<'a> {
    begun: Instant,
    asked: MutexGuard<'a, Option<Answered>>,
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
    /// What another slot was told while this one waited, or shortly before. A fault is only shared with those
    /// that have waited.
    pub(super) fn known(&self) -> Option<Result<(), Outcome>> {
        let (at, answer) = self.asked.as_ref()?;
        let is_known = *at >= self.begun || (answer.is_ok() && at.elapsed() < INTERVAL);
        is_known.then(|| answer.clone())
    }

    pub(super) fn ends(mut self, answer: Result<(), Outcome>) {
        *self.asked = Some((Instant::now(), answer));
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
