use std::time::UNIX_EPOCH;

use identity::ManualClock;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A wall clock, and the checked one over a ledger whose last entry is `last_ago` old when it starts.
fn over(last_ago: Duration) -> (Arc<ManualClock>, CheckedClock) {
    let wall = Arc::new(ManualClock::at(start()));
    let source: Arc<dyn Clock> = wall.clone();
    let checked = CheckedClock::new(source, ClockLimits::default());
    checked.begin_over(Some(start() - last_ago));
    (wall, checked)
}

fn fault(clock: &CheckedClock) -> Option<ClockFault> {
    clock.doubt().map(|doubt| doubt.fault)
}

#[test]
fn a_minute_in_either_direction_is_no_fault() {
    let (wall, checked) = over(Duration::ZERO);
    for seconds in [60_i64, -60, 299, -299] {
        let shown = if seconds > 0 {
            start() + Duration::from_secs(seconds.unsigned_abs())
        } else {
            start() - Duration::from_secs(seconds.unsigned_abs())
        };
        wall.set(shown);
        assert_eq!(fault(&checked), None, "{seconds} s");
        assert_eq!(checked.now(), shown);
    }
}

#[test]
fn small_steps_do_not_add_up_unseen() {
    let (wall, checked) = over(Duration::ZERO);
    wall.set(start() + 4 * MINUTE);
    assert_eq!(fault(&checked), None);
    wall.set(start() + 8 * MINUTE);
    assert_eq!(fault(&checked), Some(ClockFault::JumpedAhead));
}

#[test]
fn over_days_the_clocks_may_part_slowly() {
    let (wall, checked) = over(Duration::ZERO);
    for _ in 0..10 {
        wall.advance(DAY + MINUTE);
        wall.set(wall.now() + 2 * MINUTE);
        assert_eq!(fault(&checked), None);
    }
}

#[test]
fn while_it_is_in_doubt_time_goes_on_from_where_it_was_trusted() {
    for (shown, expected) in
        [(start() + 60 * DAY, ClockFault::JumpedAhead), (start() - 3650 * DAY, ClockFault::JumpedBack)]
    {
        let (wall, checked) = over(Duration::ZERO);
        wall.advance(MINUTE);
        wall.set(shown);
        assert_eq!(fault(&checked), Some(expected));
        wall.advance(10 * MINUTE);
        assert_eq!(checked.now(), start() + 11 * MINUTE);
        // Put right, it goes on by itself.
        wall.set(start() + 11 * MINUTE + Duration::from_secs(2));
        assert_eq!(fault(&checked), None);
        assert_eq!(checked.now(), wall.now());
    }
}

#[test]
fn at_a_start_it_is_held_against_the_last_entry() {
    assert_eq!(fault(&over(29 * DAY).1), None, "a long weekend is no fault");
    let (wall, checked) = over(31 * DAY);
    assert_eq!(fault(&checked), Some(ClockFault::AheadOfLedger));
    assert_eq!(checked.now(), start() - 31 * DAY, "what is recorded now does not make the ledger believe it");
    wall.set(start() - 30 * DAY);
    assert_eq!(fault(&checked), None);

    let wall = Arc::new(ManualClock::at(start()));
    let source: Arc<dyn Clock> = wall.clone();
    let checked = CheckedClock::new(source, ClockLimits::default());
    assert_eq!(fault(&checked), None, "without a ledger there is nothing to hold it against");
    checked.begin_over(Some(start() + 6 * MINUTE));
    assert_eq!(fault(&checked), Some(ClockFault::BehindLedger));
    wall.advance(2 * MINUTE);
    assert_eq!(fault(&checked), None, "time reached the last entry");
}
