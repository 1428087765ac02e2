//! Times: RFC 3339 in UTC.

use std::time::{Duration, SystemTime};

use identity::{Clock, SystemClock};
use prost_types::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Reads a time in the past: RFC 3339, a date (its beginning in UTC), or a span before now, for example `7d`.
pub(crate) fn past(text: &str) -> Result<SystemTime, String> {
    parse(text, SystemClock.now(), &PAST)
}

/// As [`past`], but refuses a time in the future.
pub(crate) fn not_future(text: &str) -> Result<SystemTime, String> {
    let now = SystemClock.now();
    let time = parse(text, now, &PAST)?;
    if time > now {
        return Err("it is still to come; say a time that has been".to_owned());
    }
    Ok(time)
}

/// Reads a time in the future: RFC 3339, a date (its beginning in UTC), or a span from now, for example `7d`.
pub(crate) fn future(text: &str) -> Result<SystemTime, String> {
    parse(text, SystemClock.now(), &FUTURE)
}

struct Direction {
    words: &'static str,
    shifted: fn(&SystemTime, Duration) -> Option<SystemTime>,
}

const PAST: Direction = Direction { words: "ago", shifted: SystemTime::checked_sub };
const FUTURE: Direction = Direction { words: "from now", shifted: SystemTime::checked_add };

fn parse(text: &str, now: SystemTime, direction: &Direction) -> Result<SystemTime, String> {
    let words = direction.words;
    let wrong = || {
        format!(
            "a time is written 2026-11-23T06:00:00Z (RFC 3339), 2026-11-23 (its beginning in UTC), or 7d, 12h, 30m, which is so long {words}"
        )
    };
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(time.into());
    }
    if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return Ok(date.midnight().assume_utc().into());
    }
    let span = text.strip_suffix(words).unwrap_or(text).trim();
    let span = humantime::parse_duration(span).map_err(|_| wrong())?;
    (direction.shifted)(&now, span).ok_or_else(wrong)
}

pub(crate) fn to_wire(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

/// As RFC 3339 with whole seconds; `None` if absent or out of range.
pub(crate) fn text(timestamp: Option<&Timestamp>) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(timestamp?.seconds).ok()?.format(&Rfc3339).ok()
}

/// `None` if absent or out of range.
pub(crate) fn system(timestamp: Option<&Timestamp>) -> Option<SystemTime> {
    SystemTime::try_from(*timestamp?).ok()
}

/// Whole days from one time to another; negative if the other is earlier.
pub(crate) fn days_between(from: SystemTime, to: SystemTime) -> i64 {
    let days = |span: Duration| i64::try_from(span.as_secs() / SECONDS_A_DAY).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(ahead) => days(ahead),
        Err(behind) => -days(behind.duration()),
    }
}

/// A span for people, for example `1 day`.
pub(crate) fn span(span: Duration) -> String {
    match (span.as_secs() / SECONDS_A_DAY, span.as_secs() % SECONDS_A_DAY, span.subsec_nanos()) {
        (days @ 1.., 0, 0) => cli::count(days, "day"),
        _ => humantime::format_duration(span).to_string(),
    }
}

/// How many days are left until `end`, or have passed since, for people.
pub(crate) fn days_left(now: SystemTime, end: SystemTime) -> String {
    let days = days_between(now, end);
    match end.duration_since(now) {
        Ok(_) => format!("{} left", cli::count(days.unsigned_abs(), "day")),
        Err(_) => format!("ended {} ago", cli::count(days.unsigned_abs(), "day")),
    }
}

/// The time in a table: `-` if absent, `never` for the year 9999 (RFC 5280, section 4.1.2.5).
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
        let ago = parse("7d", now, &PAST).unwrap();
        assert_eq!(text(Some(&to_wire(ago))).unwrap(), "2026-11-16T00:00:00Z");
        assert_eq!(parse("7d ago", now, &PAST).unwrap(), ago);
        assert!(parse("7d from now", now, &PAST).unwrap_err().contains("so long ago"));
        assert!(parse("7d ago", now, &FUTURE).unwrap_err().contains("so long from now"));
        let ahead = parse("1h 30m", now, &FUTURE).unwrap();
        assert_eq!(parse("1h 30m from now", now, &FUTURE).unwrap(), ahead);
        assert_eq!(text(Some(&to_wire(ahead))).unwrap(), "2026-11-23T01:30:00Z");
    }

    #[test]
    fn what_must_have_been_is_not_still_to_come() {
        assert!(not_future("2126-12-01").unwrap_err().contains("still to come"));
        assert!(not_future("1d").is_ok() && not_future("2026-11-01").is_ok());
    }

    #[test]
    fn what_is_no_time_is_told_all_three_forms() {
        for wrong in ["", "soon", "2026-13-01", "23.11.2026", "7", "99999999999999999y"] {
            let said = past(wrong).unwrap_err();
            assert!(said.contains("RFC 3339") && said.contains("7d"), "{wrong}: {said}");
        }
    }

    #[test]
    fn days_are_counted_as_people_say_them() {
        let now = past("2026-11-23").unwrap();
        let day = Duration::from_secs(SECONDS_A_DAY);
        assert_eq!((span(day).as_str(), span(30 * day).as_str()), ("1 day", "30 days"));
        assert_eq!(span(day / 2), "12h");
        assert_eq!(days_left(now, now + day), "1 day left");
        assert_eq!(days_left(now, now - 2 * day), "ended 2 days ago");
    }

    #[test]
    fn the_year_9999_is_never() {
        assert_eq!(for_people(Some(&Timestamp { seconds: NO_EXPIRATION_SECONDS, nanos: 0 })), "never");
    }
}
