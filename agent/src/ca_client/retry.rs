//! Retries of errors that may pass: exponential with full jitter (R-LIFE-03), until a deadline.

use std::time::Duration;

use backon::Retryable;
use diagnostics::error_chain;
use dial::FullJitter;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::timeout;
use tracing::warn;

use super::{ObtainError, Refusal};

/// How long and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// For the whole run.
    pub deadline: Duration,
    /// The longest first pause; the bound doubles with each attempt, up to an hour.
    pub first_pause: Duration,
    /// One attempt of each step only: the caller makes the pauses.
    pub once: bool,
}

impl RetryPolicy {
    /// One attempt, for a caller that tries again later.
    pub fn once() -> Self {
        Self { deadline: ONE_RUN_MAX, first_pause: PAUSE_MAX, once: true }
    }
}

/// A run without pauses: a few connections and calls, each with its own limit.
const ONE_RUN_MAX: Duration = Duration::from_secs(300);

/// The longest pause between two attempts (R-LIFE-03).
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// All attempts of one run.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    shared: Mutex<Shared>,
}

struct Shared {
    generator: StdRng,
    last: String,
    refused: Option<Refusal>,
}

impl Attempts {
    pub(crate) fn new(generator: StdRng, policy: RetryPolicy) -> Self {
        Self { policy, shared: Mutex::new(Shared { generator, last: String::new(), refused: None }) }
    }

    /// Runs `attempt` until it is done or fails for good.
    pub(crate) async fn until_done<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, ObtainError>
    where
        F: Future<Output = Result<T, ObtainError>>,
    {
        let generator = StdRng::from_rng(&mut self.shared.lock().generator);
        attempt
            .retry(FullJitter::new(generator, self.policy.first_pause, PAUSE_MAX))
            .when(|error| !self.policy.once && error.may_pass())
            .adjust(|error, pause| {
                // The jitter is added to the server's pause: all devices were told the same one.
                pause.map(|pause| pause + error.retry_after().unwrap_or_default().min(PAUSE_MAX))
            })
            .notify(|error, pause| {
                warn!(pause_ms = pause.as_millis(), "trying again: {}", error_chain(error));
                let mut shared = self.shared.lock();
                shared.last = format!(" (last: {})", error_chain(error));
                shared.refused = match error {
                    ObtainError::Refused { refusal, .. } => Some(*refusal),
                    _ => None,
                };
            })
            .await
    }

    /// Runs `run` until the deadline.
    pub(crate) async fn in_time<T>(
        &self,
        run: impl Future<Output = Result<T, ObtainError>>,
    ) -> Result<T, ObtainError> {
        let deadline = self.policy.deadline;
        timeout(deadline, run).await.unwrap_or_else(|_| {
            let mut shared = self.shared.lock();
            let last = std::mem::take(&mut shared.last);
            Err(ObtainError::NotInTime(deadline, last, shared.refused))
        })
    }
}
