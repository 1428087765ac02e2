//! The only access to the system's clocks: the wall clock, and the monotonic one that nobody sets.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of time. All code takes the time from here, so that tests can set it.
pub trait Clock: Send + Sync + 'static {
    /// The time now, by the wall clock.
    fn now(&self) -> SystemTime;

    /// The time elapsed since an arbitrary point in the past. It never goes back, and it includes the time
    /// that the machine sleeps.
    fn monotonic(&self) -> Duration;

    /// Why [`Clock::now`] must not be signed into anything; `None`: the clock is trusted.
    fn doubt(&self) -> Option<ClockDoubt> {
        None
    }
}

/// A contradiction that makes a clock untrusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// The reference that the clock contradicts, and the direction.
    pub fault: ClockFault,
    /// The difference from the reference.
    pub by: Duration,
    /// The wall clock's time.
    pub shows: SystemTime,
}

/// The reference that a clock contradicts, and the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFault {
    /// Set ahead while the program ran: ahead of the monotonic clock.
    JumpedAhead,
    /// Set back while the program ran: behind the monotonic clock.
    JumpedBack,
    /// Behind the last entry of the ledger.
    BehindLedger,
    /// Far ahead of the last entry of the ledger when the program started.
    AheadOfLedger,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = Span(self.by);
        match self.fault {
            ClockFault::JumpedAhead => write!(f, "the clock was set {by} ahead while the CA ran"),
            ClockFault::JumpedBack => write!(f, "the clock was set back by {by} while the CA ran"),
            ClockFault::BehindLedger => write!(f, "the clock is {by} behind the last entry of the ledger"),
            ClockFault::AheadOfLedger => write!(f, "the clock is {by} ahead of the last entry of the ledger"),
        }
    }
}

/// Formats a duration for people, in its two largest units.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, _) => write!(f, "{minutes} min {} s", seconds % 60),
            (0, _, _) => write!(f, "{hours} h {minutes} min"),
            _ => write!(f, "{days} d {hours} h"),
        }
    }
}

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one door to the system clock")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        // CLOCK_MONOTONIC stops while the machine sleeps: the wall clock would seem to have jumped.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default());
        seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or_default())
    }
}

/// A clock that moves only when a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    millis_since_epoch: AtomicU64,
    monotonic_millis: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`, cut to milliseconds; a time before 1970 becomes 1970.
    pub fn at(now: SystemTime) -> Self {
        let clock = Self { millis_since_epoch: AtomicU64::new(0), monotonic_millis: AtomicU64::new(0) };
        clock.set(now);
        clock
    }

    /// Sets the wall clock, forwards or backwards. The monotonic clock does not change.
    pub fn set(&self, now: SystemTime) {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.millis_since_epoch
            .store(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Advances both clocks.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.millis_since_epoch.fetch_add(millis, Ordering::SeqCst);
        self.monotonic_millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.millis_since_epoch.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_millis.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_told_in_words_of_people() {
        let doubt =
            |fault, by| ClockDoubt { fault, by: Duration::from_secs(by), shows: UNIX_EPOCH }.to_string();
        assert_eq!(
            doubt(ClockFault::JumpedAhead, 5_184_000),
            "the clock was set 60 d 0 h ahead while the CA ran"
        );
        assert_eq!(
            doubt(ClockFault::JumpedBack, 4_000),
            "the clock was set back by 1 h 6 min while the CA ran"
        );
        assert_eq!(
            doubt(ClockFault::BehindLedger, 301),
            "the clock is 5 min 1 s behind the last entry of the ledger"
        );
    }

    #[test]
    fn setting_the_wall_clock_does_not_move_the_monotonic_clock() {
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(7));
        clock.set(UNIX_EPOCH + Duration::from_secs(1_000));
        assert_eq!(clock.monotonic(), Duration::ZERO);
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.monotonic(), Duration::from_secs(3));
        assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(1_003));
    }
}
