//! Pauses between two attempts to reach a server.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// Exponential backoff with full jitter: each pause is drawn evenly between zero and a bound that doubles, so
/// that callers that were cut off together do not come back together. It never ends.
#[derive(Debug)]
pub struct FullJitter {
    generator: StdRng,
    bound: Duration,
    bound_max: Duration,
}

impl FullJitter {
    /// The first pause is at most `first`, none is longer than `bound_max`.
    pub fn new(generator: StdRng, first: Duration, bound_max: Duration) -> Self {
        Self { generator, bound: first.min(bound_max), bound_max }
    }
}

impl Iterator for FullJitter {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.bound.mul_f64(self.generator.random_range(0.0..=1.0));
        self.bound = self.bound.saturating_mul(2).min(self.bound_max);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pauses_double_at_most_and_never_pass_the_bound() {
        let (seed, first, hour) = (7, Duration::from_millis(500), Duration::from_secs(3600));
        let pauses: Vec<_> = FullJitter::new(StdRng::seed_from_u64(seed), first, hour).take(40).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let bound = first.saturating_mul(1 << n.min(20)).min(hour);
            assert!(*pause <= bound, "seed {seed}: pause {n} is {pause:?}");
        }
        assert!(pauses.iter().skip(20).any(|pause| *pause > hour / 2), "seed {seed}");
        assert!(pauses.iter().skip(20).any(|pause| *pause < hour / 2), "seed {seed}");
    }
}
