//! Limits how often one principal may cause ledger entries.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use identity::Principal;
use parking_lot::Mutex;

/// A rate limit for each principal and one for all bare keys (GCRA): a burst, then one in each interval.
/// In memory: a restart resets it.
pub(super) struct RateLimiter {
    burst: u32,
    interval: Duration,
    /// The theoretical arrival time of each principal: when its burst is full again.
    due: Mutex<HashMap<Option<Principal>, Instant>>,
}

impl RateLimiter {
    pub(super) fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval, due: Mutex::default() }
    }

    /// Counts one more; or returns how long to wait before the next, and counts nothing.
    pub(super) fn take(&self, principal: Option<&Principal>, now: Instant) -> Result<(), Duration> {
        let mut due = self.due.lock();
        let principal = principal.cloned();
        let ahead = due.get(&principal).map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        match ahead.checked_sub(self.interval * self.burst.saturating_sub(1)) {
            Some(wait) if !wait.is_zero() => return Err(wait),
            _ => {}
        }
        if due.len() >= PRINCIPALS_MAX && !due.contains_key(&principal) {
            self.forget(&mut due, now);
        }
        due.insert(principal, now + ahead + self.interval);
        Ok(())
    }

    /// Removes principals whose burst is full, and if these are few, also those that came once.
    fn forget(&self, due: &mut HashMap<Option<Principal>, Instant>, now: Instant) {
        due.retain(|_, due| *due > now);
        if due.len() > PRINCIPALS_MAX / 2 {
            due.retain(|_, due| *due > now + self.interval);
        }
        if due.len() > PRINCIPALS_MAX / 2 {
            due.clear();
        }
    }
}

/// The most principals that are kept, about 200 bytes each.
const PRINCIPALS_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(30);

    fn device(number: usize) -> Principal {
        format!("device:cam-2/SN{number:06}").parse().unwrap()
    }

    #[test]
    fn some_may_come_at_once_and_then_one_in_each_step() {
        let (limiter, now) = (RateLimiter::new(3, STEP), Instant::now());
        for _ in 0..3 {
            assert_eq!(limiter.take(Some(&device(1)), now), Ok(()));
        }
        assert_eq!(limiter.take(Some(&device(1)), now), Err(STEP));
        assert_eq!(limiter.take(Some(&device(1)), now + STEP / 3), Err(STEP * 2 / 3));
        assert_eq!(limiter.take(Some(&device(2)), now), Ok(()), "another device is not slowed");
        assert_eq!(limiter.take(Some(&device(1)), now + STEP), Ok(()));
        assert_eq!(limiter.take(Some(&device(1)), now + STEP), Err(STEP));
        let later = now + STEP * 100;
        assert!((0..3).all(|_| limiter.take(Some(&device(1)), later).is_ok()));
        assert_eq!(limiter.take(Some(&device(1)), later), Err(STEP), "quiet is not saved up");
    }

    #[test]
    fn a_fleet_that_comes_once_does_not_make_it_forget_who_comes_often() {
        let (limiter, now) = (RateLimiter::new(3, STEP), Instant::now());
        while limiter.take(Some(&device(0)), now).is_ok() {}
        for number in 1..=2 * PRINCIPALS_MAX {
            assert_eq!(limiter.take(Some(&device(number)), now), Ok(()));
        }
        assert_eq!(limiter.take(Some(&device(0)), now), Err(STEP));
        assert!(limiter.due.lock().len() <= PRINCIPALS_MAX);
    }
}
