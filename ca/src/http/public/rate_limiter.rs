//! A rate limit per network for unauthenticated clients: the generic cell rate algorithm (GCRA).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The theoretical arrival time of each bucket. The table has a fixed size, so that no number of clients
/// makes it grow; networks that share a bucket share its rate, and nobody outside can tell which do.
pub(super) struct RateLimiter {
    buckets: Mutex<[Option<Instant>; BUCKETS]>,
    hash: RandomState,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self { buckets: Mutex::new([None; BUCKETS]), hash: RandomState::new() }
    }
}

impl RateLimiter {
    /// Admits a request from this address now, or returns how long the client must wait.
    pub(super) fn check(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let bucket = self.hash.hash_one(network(from)) % BUCKETS as u64;
        let mut buckets = self.buckets.lock();
        let arrival = usize::try_from(bucket).ok().and_then(|bucket| buckets.get_mut(bucket));
        // The table has a bucket for every remainder.
        let Some(arrival) = arrival else { return Ok(()) };
        let due = arrival.map_or(now, |arrival| arrival.max(now));
        match due.saturating_duration_since(now).checked_sub(INTERVAL * (BURST - 1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *arrival = Some(due + INTERVAL);
                Ok(())
            }
        }
    }
}

/// What one subscriber has: an IPv4 address, or an IPv6 /64.
fn network(from: IpAddr) -> u64 {
    match from.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX),
    }
}

/// Ten proofs a second per bucket, 640 in all: 5 % of a core for P-256, half of one at the most.
const INTERVAL: Duration = Duration::from_millis(100);

/// A client may have found several keys. For those of a whole batch there is `touchmark revoke`.
const BURST: u32 = 20;

/// Few enough for that sum, many enough that a flooding network rarely shares a bucket with an honest client.
const BUCKETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_may_come_at_once_and_then_ten_a_second() {
        let (rate_limiter, from, now) =
            (RateLimiter::default(), IpAddr::from([192, 0, 2, 1]), Instant::now());
        for _ in 0..BURST {
            assert_eq!(rate_limiter.check(from, now), Ok(()));
        }
        assert_eq!(rate_limiter.check(from, now), Err(INTERVAL));
        assert_eq!(rate_limiter.check(from, now + INTERVAL / 4), Err(INTERVAL * 3 / 4));
        assert_eq!(rate_limiter.check(from, now + INTERVAL), Ok(()));
        assert_eq!(rate_limiter.check(from, now + INTERVAL), Err(INTERVAL));
        let later = now + INTERVAL * 1_000;
        assert!((0..BURST).all(|_| rate_limiter.check(from, later).is_ok()));
        assert_eq!(rate_limiter.check(from, later), Err(INTERVAL), "quiet is not saved up");
    }

    #[test]
    fn one_who_floods_stops_few_others() {
        let (rate_limiter, now) = (RateLimiter::default(), Instant::now());
        while rate_limiter.check(IpAddr::from([192, 0, 2, 1]), now).is_ok() {}
        let others =
            (0..=255).filter(|last| rate_limiter.check(IpAddr::from([198, 51, 100, *last]), now).is_ok());
        assert!(others.count() > 200);
    }

    #[test]
    fn a_subscriber_has_one_rate_for_all_its_addresses() {
        let address = |text: &str| network(text.parse().unwrap());
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }
}
