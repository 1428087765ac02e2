//! How often somebody may come from one place in the network, without a name to know them by.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
/// When each group of addresses may come again. A fixed table: however many come, it does not grow. Who shares a group shares its pace, and
/// nobody can tell which addresses do.
pub(super) struct RateLimiter {
    groups: Mutex<[Option<Instant>; GROUPS]>,
    hash: RandomState,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self { groups: Mutex::new([None; GROUPS]), hash: RandomState::new() }
    }
}

impl RateLimiter {
    /// Lets somebody in who comes from here now; otherwise says how long to wait.
    pub(super) fn step(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let group = self.hash.hash_one(network(from)) % GROUPS as u64;
        let mut groups = self.groups.lock();
        let next = usize::try_from(group).ok().and_then(|group| groups.get_mut(group));
        // The table has a place for every remainder.
        let Some(next) = next else { return Ok(()) };
        let due = next.map_or(now, |next| next.max(now));
        let ahead = due.saturating_duration_since(now);
        match ahead.checked_sub(STEP * (AT_ONCE - 1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *next = Some(due + STEP);
                Ok(())
            }
        }
    }
}

/// What one subscriber has: an IPv4 address, or the first half of an IPv6 address.
fn network(from: IpAddr) -> u64 {
    match from.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX),
    }
}

/// One proof costs a verification, 75 µs for P-256, and nothing is asked of who sends it: without a pace one connection could keep a core from
/// issuing. So, whoever comes from wherever, at most [`GROUPS`] × 10 of them a second are looked at: a twentieth of a core, and for the dearest
/// kinds of key less than half of one.
const STEP: Duration = Duration::from_millis(100);

/// Who found several keys may show them at once. For the keys of a whole batch an operator has `touchmark revoke`.
const AT_ONCE: u32 = 20;

/// Few enough for that sum, enough that one who floods rarely shares a group with one who has something to say.
const GROUPS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_may_come_at_once_and_then_ten_a_second() {
        let (rate_limiter, from, now) =
            (RateLimiter::default(), IpAddr::from([192, 0, 2, 1]), Instant::now());
        for _ in 0..AT_ONCE {
            assert_eq!(rate_limiter.step(from, now), Ok(()));
        }
        assert_eq!(rate_limiter.step(from, now), Err(STEP));
        assert_eq!(rate_limiter.step(from, now + STEP / 4), Err(STEP * 3 / 4));
        assert_eq!(rate_limiter.step(from, now + STEP), Ok(()));
        assert_eq!(rate_limiter.step(from, now + STEP), Err(STEP));
        let later = now + STEP * 1_000;
        assert!((0..AT_ONCE).all(|_| rate_limiter.step(from, later).is_ok()));
        assert_eq!(rate_limiter.step(from, later), Err(STEP), "quiet is not saved up");
    }

    #[test]
    fn one_who_floods_stops_few_others() {
        let (rate_limiter, now) = (RateLimiter::default(), Instant::now());
        while rate_limiter.step(IpAddr::from([192, 0, 2, 1]), now).is_ok() {}
        let others =
            (0..=255).filter(|last| rate_limiter.step(IpAddr::from([198, 51, 100, *last]), now).is_ok());
        assert!(others.count() > 200);
    }

    #[test]
    fn a_subscriber_has_one_pace_for_all_its_addresses() {
        let address = |text: &str| network(text.parse().unwrap());
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }
}
