//! Pauses after failures.

use std::time::Duration;

use dial::FullJitter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::ca_client::retry::PAUSE_MAX;

/// The pauses between the attempts of one task: longer with each failure, from the start after a success.
pub(super) struct Backoff {
    generator: StdRng,
    jitter: FullJitter,
    until: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(mut generator: StdRng) -> Self {
        let jitter = FullJitter::new(StdRng::from_rng(&mut generator), FIRST_PAUSE, PAUSE_MAX);
        Self { generator, jitter, until: None }
    }

    /// The pause after a failure: full jitter (R-LIFE-03) on top of what the other side asked for.
    pub(super) fn next(&mut self, asked_for: Duration) -> Duration {
        let pause = self.jitter.next().unwrap_or(PAUSE_MAX) + asked_for;
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// The pause where a person must act: half an hour to an hour.
    pub(super) fn slow(&mut self) -> Duration {
        let share = 0.5 + 0.5 * f64::from(self.generator.next_u32()) / f64::from(u32::MAX);
        let pause = PAUSE_MAX.mul_f64(share);
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// Starts anew: after a success, or on request.
    pub(super) fn forget(&mut self) {
        self.jitter = FullJitter::new(StdRng::from_rng(&mut self.generator), FIRST_PAUSE, PAUSE_MAX);
        self.until = None;
    }

    /// The rest of the pause.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.until?.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }
}

/// The longest first pause: a CA that restarts is back within seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
