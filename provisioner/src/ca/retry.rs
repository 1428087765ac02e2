//! How long to wait before asking again.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, make_rng};

/// Exponential with full jitter, until a time is spent: each wait is anything between nothing and a bound that doubles, so that
/// the slots of a line, and the lines of a factory, do not all come back at once.
#[derive(Debug)]
pub(super) struct FullJitter {
    bound: Duration,
    left: Duration,
    dice: StdRng,
}

impl FullJitter {
    /// Waits that add up to at most `patience`.
    pub(super) fn within(patience: Duration) -> Self {
        Self { bound: BOUND_FIRST, left: patience, dice: make_rng() }
    }
}

impl Iterator for FullJitter {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.left.is_zero() {
            return None;
        }
        let wait = self.bound.mul_f64(self.dice.random_range(0.0..1.0)).max(WAIT_MIN);
        // What the waits do not use, the attempts do: count half of the bound at least, or a refused connection is asked forever.
        self.left = self.left.saturating_sub(wait.max(self.bound / 2));
        self.bound = (self.bound * 2).min(BOUND_MAX);
        Some(wait)
    }
}

/// Bound of the first wait: a CA that restarts is back within a second.
const BOUND_FIRST: Duration = Duration::from_millis(250);

/// Bound of every later wait: an operator who has mended something does not want to wait longer.
const BOUND_MAX: Duration = Duration::from_secs(10);

/// Never at once.
const WAIT_MIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_bounded_and_end_with_the_patience() {
        let patience = Duration::from_secs(60);
        let waits: Vec<Duration> = FullJitter::within(patience).collect();
        assert!(waits.len() >= 7, "{waits:?}");
        assert!(waits.iter().sum::<Duration>() <= patience + BOUND_MAX, "{waits:?}");
        assert!(waits.iter().all(|wait| (WAIT_MIN..=BOUND_MAX).contains(wait)), "{waits:?}");
        assert_eq!(FullJitter::within(Duration::ZERO).count(), 0);
    }
}
