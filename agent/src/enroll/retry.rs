//! Trying again: exponential with full jitter (R-LIFE-03), as long as the caller has patience, and only what may pass by itself.

use std::time::Duration;

use backon::Retryable;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::timeout;
use tracing::warn;

use super::EnrollError;

/// How long to go on trying.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the whole run.
    pub deadline: Duration,
    /// The longest first pause; each later one may be twice as long, up to an hour.
    pub first_pause: Duration,
    /// One attempt of each step only: who asks does the pauses.
    pub once: bool,
}

impl Patience {
    /// For who tries again later.
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
    patience: Patience,
    shared: Mutex<Shared>,
}

struct Shared {
    generator: StdRng,
    last: Option<EnrollError>,
}

impl Attempts {
    pub(crate) fn new(generator: StdRng, patience: Patience) -> Self {
        Self { patience, shared: Mutex::new(Shared { generator, last: None }) }
    }

    /// Runs `attempt` until it is done or fails for good.
    pub(crate) async fn until_done<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, EnrollError>
    where
        F: Future<Output = Result<T, EnrollError>>,
    {
        let generator = self.with(|shared| StdRng::from_rng(&mut shared.generator));
        attempt
            .retry(FullJitter::new(generator, self.patience.first_pause))
            .when(|error| !self.patience.once && error.may_pass())
            .adjust(|error, pause| {
                // What the server asks for, and the jitter on top: all devices were told the same.
                pause.map(|pause| pause + error.retry_after().unwrap_or_default().min(PAUSE_MAX))
            })
            .notify(|error, pause| {
                warn!(pause_ms = pause.as_millis(), "trying again: {}", chain(error));
                self.with(|shared| shared.last = Some(error.brief()));
            })
            .await
    }

    /// Runs all of it, within the caller's patience.
    pub(crate) async fn in_time<T>(
        &self,
        run: impl Future<Output = Result<T, EnrollError>>,
    ) -> Result<T, EnrollError> {
        let deadline = self.patience.deadline;
        timeout(deadline, run).await.unwrap_or_else(|_| {
            let last = self.with(|shared| shared.last.take()).map(Box::new);
            Err(EnrollError::NotInTime { deadline, last })
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock())
    }
}

/// Pauses that are drawn evenly from zero to a bound that doubles: devices that were cut off together come back apart.
pub(crate) struct FullJitter {
    generator: StdRng,
    pause_max: Duration,
}

impl FullJitter {
    pub(crate) fn new(generator: StdRng, first_pause: Duration) -> Self {
        Self { generator, pause_max: first_pause }
    }
}

impl Iterator for FullJitter {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let share = f64::from(self.generator.next_u32()) / f64::from(u32::MAX);
        let pause = self.pause_max.mul_f64(share);
        self.pause_max = self.pause_max.saturating_mul(2).min(PAUSE_MAX);
        Some(pause)
    }
}

/// An error and what is behind it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_at_most_and_never_pass_an_hour() {
        let seed = 7;
        let generator = StdRng::seed_from_u64(seed);
        let pauses = FullJitter::new(generator, Duration::from_millis(500));
        let pauses: Vec<_> = pauses.take(40).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let bound = Duration::from_millis(500).saturating_mul(1 << n.min(20));
            assert!(*pause <= bound.min(PAUSE_MAX), "seed {seed}: pause {n} is {pause:?}");
        }
        assert!(pauses.iter().skip(20).any(|pause| *pause > PAUSE_MAX / 2), "seed {seed}");
        assert!(pauses.iter().skip(20).any(|pause| *pause < PAUSE_MAX / 2), "seed {seed}");
    }
}
