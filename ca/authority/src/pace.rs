//! How often a principal may cause an entry that stays in the ledger for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use identity::Principal;
use parking_lot::Mutex;

/// A pace for each principal: some at once, then one in each step. Whoever was quiet for long enough is forgotten, and may have all at once
/// again. In memory: a restart forgets everybody.
pub(super) struct Pace {
    at_once: u32,
    step: Duration,
    /// When what each principal had so far would be paid off, one step for each.
    due: Mutex<HashMap<Principal, Instant>>,
}

impl Pace {
    pub(super) fn new(at_once: u32, step: Duration) -> Self {
        Self { at_once, step, due: Mutex::default() }
    }

    /// Counts one more; or says how long to wait before the next, and counts nothing.
    pub(super) fn step(&self, principal: &Principal, now: Instant) -> Result<(), Duration> {
        let mut due = self.due.lock();
        let ahead = due.get(principal).map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        match ahead.checked_sub(self.step * self.at_once.saturating_sub(1)) {
            Some(wait) if !wait.is_zero() => return Err(wait),
            _ => {}
        }
        if due.len() >= PRINCIPALS_MAX && !due.contains_key(principal) {
            self.forget(&mut due, now);
        }
        due.insert(principal.clone(), now + ahead + self.step);
        Ok(())
    }

    /// Forgets whoever was quiet; if all came lately, as when a fleet boots for the first time, also those who came once.
    fn forget(&self, due: &mut HashMap<Principal, Instant>, now: Instant) {
        due.retain(|_, due| *due > now);
        if due.len() > PRINCIPALS_MAX / 2 {
            due.retain(|_, due| *due > now + self.step);
        }
        if due.len() > PRINCIPALS_MAX / 2 {
            due.clear();
        }
    }
}

/// Whose pace is remembered, about 200 bytes each.
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
        let (pace, now) = (Pace::new(3, STEP), Instant::now());
        for _ in 0..3 {
            assert_eq!(pace.step(&device(1), now), Ok(()));
        }
        assert_eq!(pace.step(&device(1), now), Err(STEP));
        assert_eq!(pace.step(&device(1), now + STEP / 3), Err(STEP * 2 / 3));
        assert_eq!(pace.step(&device(2), now), Ok(()), "another device is not slowed");
        assert_eq!(pace.step(&device(1), now + STEP), Ok(()));
        assert_eq!(pace.step(&device(1), now + STEP), Err(STEP));
        let later = now + STEP * 100;
        assert!((0..3).all(|_| pace.step(&device(1), later).is_ok()));
        assert_eq!(pace.step(&device(1), later), Err(STEP), "quiet is not saved up");
    }

    #[test]
    fn a_fleet_that_comes_once_does_not_make_it_forget_who_comes_often() {
        let (pace, now) = (Pace::new(3, STEP), Instant::now());
        while pace.step(&device(0), now).is_ok() {}
        for number in 1..=2 * PRINCIPALS_MAX {
            assert_eq!(pace.step(&device(number), now), Ok(()));
        }
        assert_eq!(pace.step(&device(0), now), Err(STEP));
        assert!(pace.due.lock().len() <= PRINCIPALS_MAX);
    }
}
