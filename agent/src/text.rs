//! Times and foreign text as the agent writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// A time in whole seconds of UTC (RFC 3339), from 1970 to 9999.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(SECONDS_MAX - 1);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// Reads what [`rfc3339`] writes.
pub(crate) fn parse_rfc3339(field: &str, text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text).map_err(|_| format!("{field} {text:?} is not a time"))
}

/// A time of the wire between 1970 and the year 10,000, in whole seconds; `None`: it is missing or outside.
pub(crate) fn wire_time(timestamp: Option<Timestamp>) -> Option<SystemTime> {
    let seconds = u64::try_from(timestamp?.seconds).ok()?;
    (seconds < SECONDS_MAX).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Text of a server, cut to 256 characters, with control and invisible characters replaced by spaces.
pub(crate) fn readable(text: &str) -> String {
    text.chars().map(|c| if identity::is_unseen(c) { ' ' } else { c }).take(TEXT_CHARACTERS_MAX).collect()
}

/// The longest text of a server that is logged or kept.
const TEXT_CHARACTERS_MAX: usize = 256;

/// The year 10,000: no certificate and no RFC 3339 text goes beyond.
const SECONDS_MAX: u64 = 253_402_300_800;
