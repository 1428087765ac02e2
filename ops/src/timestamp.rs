//! Times for people and programs: RFC 3339 in UTC.

use std::time::{Duration, SystemTime};

use identity::{Clock, SystemClock};
use prost_types::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Reads a time that has been: RFC 3339, a date alone (its beginning in UTC), or how long ago, for example `7d`.
pub(crate) fn past(text: &str) -> Result<SystemTime, String> {
    parse(text, SystemClock.now(), SystemTime::checked_sub)
}

/// Reads a time that will be: RFC 3339, a date alone (its beginning in UTC), or from now on, for example `7d`.
pub(crate) fn future(text: &str) -> Result<SystemTime, String> {
    parse(text, SystemClock.now(), SystemTime::checked_add)
}

fn parse(
    text: &str,
    now: SystemTime,
    shifted: impl Fn(&SystemTime, Duration) -> Option<SystemTime>,
) -> Result<SystemTime, String> {
    let wrong = || {
        "a time is written 2026-11-23T06:00:00Z (RFC 3339), 2026-11-23 (its beginning in UTC), or 7d, 12h, 30m from now".to_owned()
    };
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(time.into());
    }
    if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return Ok(date.midnight().assume_utc().into());
    }
    let span = humantime::parse_duration(text).map_err(|_| wrong())?;
    shifted(&now, span).ok_or_else(wrong)
}

/// The time on the wire.
pub(crate) fn to_wire(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

/// The time as RFC 3339, whole seconds; `None` if absent or out of range.
pub(crate) fn text(timestamp: Option<&Timestamp>) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(timestamp?.seconds).ok()?.format(&Rfc3339).ok()
}

/// The time as this machine's library has it; `None` if absent or out of range.
pub(crate) fn system(timestamp: Option<&Timestamp>) -> Option<SystemTime> {
    SystemTime::try_from(*timestamp?).ok()
}

/// Whole days from one time to another; negative when the other is earlier.
pub(crate) fn days_between(from: SystemTime, to: SystemTime) -> i64 {
    let days = |span: Duration| i64::try_from(span.as_secs() / SECONDS_A_DAY).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(ahead) => days(ahead),
        Err(behind) => -days(behind.duration()),
    }
}

/// The time for a table: `-` if absent, and `never` for the year 9999, which says that there is no well-defined expiration
/// (RFC 5280, section 4.1.2.5).
pub(crate) fn for_people(timestamp: Option<&Timestamp>) -> String {
    match timestamp {
        Some(timestamp) if timestamp.seconds == NO_EXPIRATION_SECONDS => "never".to_owned(),
        other => text(other).unwrap_or_else(|| "-".to_owned()),
    }
}

/// Without leap seconds, as POSIX counts.
const SECONDS_A_DAY: u64 = 86_400;

/// 9999-12-31T23:59:59Z.
const NO_EXPIRATION_SECONDS: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_and_written_as_rfc_3339_in_utc() {
        let time = past("2026-11-23T07:00:00+01:00").unwrap();
        assert_eq!(text(Some(&to_wire(time))).unwrap(), "2026-11-23T06:00:00Z");
    }

    #[test]
    fn a_date_alone_is_its_beginning_in_utc() {
        assert_eq!(text(Some(&to_wire(past("2026-11-23").unwrap()))).unwrap(), "2026-11-23T00:00:00Z");
    }

    #[test]
    fn a_span_is_so_long_ago_or_from_now_on() {
        let now = past("2026-11-23").unwrap();
        let ago = parse("7d", now, SystemTime::checked_sub).unwrap();
        assert_eq!(text(Some(&to_wire(ago))).unwrap(), "2026-11-16T00:00:00Z");
        let ahead = parse("1h 30m", now, SystemTime::checked_add).unwrap();
        assert_eq!(text(Some(&to_wire(ahead))).unwrap(), "2026-11-23T01:30:00Z");
    }

    #[test]
    fn what_is_no_time_is_told_all_three_forms() {
        for wrong in ["", "soon", "2026-13-01", "23.11.2026", "7", "99999999999999999y"] {
            let said = past(wrong).unwrap_err();
            assert!(said.contains("RFC 3339") && said.contains("7d"), "{wrong}: {said}");
        }
    }

    #[test]
    fn the_year_9999_is_never() {
        assert_eq!(for_people(Some(&Timestamp { seconds: NO_EXPIRATION_SECONDS, nanos: 0 })), "never");
    }
}
