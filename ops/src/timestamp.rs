//! Times for people and programs: RFC 3339 in UTC.

use std::time::SystemTime;

use prost_types::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads an RFC 3339 time.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map(SystemTime::from)
        .map_err(|_| "a time is written as RFC 3339 says, for example 2026-11-23T06:00:00Z".to_owned())
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
    let days = |span: std::time::Duration| i64::try_from(span.as_secs() / SECONDS_A_DAY).unwrap_or(i64::MAX);
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
        let time = parse("2026-11-23T07:00:00+01:00").unwrap();
        assert_eq!(text(Some(&to_wire(time))).unwrap(), "2026-11-23T06:00:00Z");
    }

    #[test]
    fn a_date_without_a_time_is_refused() {
        assert!(parse("2026-11-23").unwrap_err().contains("RFC 3339"));
    }

    #[test]
    fn the_year_9999_is_never() {
        assert_eq!(for_people(Some(&Timestamp { seconds: NO_EXPIRATION_SECONDS, nanos: 0 })), "never");
    }
}
