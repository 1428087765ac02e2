//! Times of certificates (RFC 5280 §4.1.2.5).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, ManualClock, Validity, ValidityError, no_well_defined_expiration};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn fractions_of_seconds_are_cut() {
    let validity =
        Validity::new(at(10) + Duration::from_millis(999), at(20) + Duration::from_nanos(1)).unwrap();
    assert_eq!((validity.not_before(), validity.not_after()), (at(10), at(20)));
}

#[test]
fn both_ends_are_inside_and_the_last_second_is_whole() {
    let validity = Validity::new(at(10), at(20)).unwrap();
    assert!(!validity.contains(at(10) - Duration::from_nanos(1)));
    assert!(validity.contains(at(10)));
    assert!(validity.contains(at(20) + Duration::from_millis(999)));
    assert!(!validity.contains(at(21)));
}

#[test]
fn what_ends_before_it_begins_or_lies_outside_1970_to_9999_is_refused() {
    assert_eq!(Validity::new(at(20), at(19)), Err(ValidityError::EndsBeforeItBegins));
    assert!(Validity::new(at(20), at(20)).is_ok());
    assert_eq!(Validity::new(UNIX_EPOCH - Duration::from_secs(1), at(1)), Err(ValidityError::OutOfRange));
    let end = no_well_defined_expiration();
    assert!(Validity::new(at(0), end).unwrap().contains(end));
    assert_eq!(Validity::new(at(0), end + Duration::from_secs(1)), Err(ValidityError::OutOfRange));
}

#[test]
fn a_manual_clock_stands_still_until_it_is_moved() {
    let clock = ManualClock::at(at(1_000));
    assert_eq!(clock.now(), at(1_000));
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(clock.now(), at(1_001) + Duration::from_millis(500));
    clock.set(at(5));
    assert_eq!(clock.now(), at(5));
}
