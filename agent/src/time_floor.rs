//! The least that the time can be (R-LIFE-06). A device has no clock that it can trust: at first boot it
//! shows 1970. The CA's may be wrong as well: a later time of the CA corrects an earlier one (ADR 0035).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::Clock;

/// The latest time that is known to have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeFloor(SystemTime);

impl TimeFloor {
    /// The date of this program's release.
    pub fn of_this_release() -> Self {
        Self(UNIX_EPOCH + RELEASED)
    }

    /// Raised to `moment`, unless that is earlier.
    #[must_use]
    pub fn raised_to(self, moment: SystemTime) -> Self {
        Self(self.0.max(moment))
    }

    /// A time of the CA: `moment`, also when that is before an earlier one, and never before this release.
    /// The caller has verified the CA's certificates at the floor so far and at `moment`.
    #[must_use]
    pub fn told(moment: SystemTime) -> Self {
        Self::of_this_release().raised_to(moment)
    }

    /// The time.
    pub fn moment(&self) -> SystemTime {
        self.0
    }

    /// The clock's time, or the floor if the clock is behind it.
    pub fn now(&self, clock: &dyn Clock) -> SystemTime {
        self.0.max(clock.now())
    }

    /// Whether the clock is behind the floor, and so certainly wrong.
    pub fn contradicts(&self, clock: &dyn Clock) -> bool {
        clock.now() < self.0
    }
}

impl Default for TimeFloor {
    fn default() -> Self {
        Self::of_this_release()
    }
}

/// 2026-11-01T00:00:00Z, moved forward with each release: the same source gives the same program.
const RELEASED: Duration = Duration::from_secs(1_793_491_200);

#[cfg(test)]
mod tests {
    use identity::ManualClock;

    use super::*;

    #[test]
    fn a_floor_is_not_lowered_by_what_nobody_proved_and_never_below_this_release() {
        let floor = TimeFloor::of_this_release();
        let later = floor.moment() + Duration::from_secs(1);
        assert_eq!(floor.raised_to(later).moment(), later);
        assert_eq!(floor.raised_to(later).raised_to(UNIX_EPOCH).moment(), later);
        assert_eq!(TimeFloor::told(later).moment(), later);
        assert_eq!(TimeFloor::told(UNIX_EPOCH), floor);
    }

    #[test]
    fn a_clock_that_shows_1970_is_not_believed() {
        let floor = TimeFloor::of_this_release();
        let clock = ManualClock::at(UNIX_EPOCH);
        assert!(floor.contradicts(&clock));
        assert_eq!(floor.now(&clock), floor.moment());
        clock.set(floor.moment() + Duration::from_secs(7));
        assert!(!floor.contradicts(&clock));
        assert_eq!(floor.now(&clock), clock.now());
    }
}
