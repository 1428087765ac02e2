//! Times, identifiers and foreign text as the agent writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::RequestId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time in whole seconds of UTC (RFC 3339).
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// Reads what [`rfc3339`] writes. A time before 1970 becomes 1970.
pub(crate) fn parse_rfc3339(field: &str, text: &str) -> Result<SystemTime, String> {
    let time =
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| format!("{field} {text:?} is not a time"))?;
    Ok(UNIX_EPOCH + Duration::from_secs(u64::try_from(time.unix_timestamp()).unwrap_or(0)))
}

/// Reads a request id in hexadecimal, 16 bytes.
pub(crate) fn parse_request_id(text: &str) -> Result<RequestId, String> {
    hex::decode(text)
        .ok()
        .and_then(|bytes| RequestId::try_from(bytes.as_slice()).ok())
        .ok_or_else(|| format!("request-id {text:?} is not 16 bytes in hexadecimal"))
}

/// Text of a server, cut to 256 characters, with control and invisible characters replaced by spaces.
pub(crate) fn readable(text: &str) -> String {
    text.chars().map(|c| if identity::is_unseen(c) { ' ' } else { c }).take(TEXT_CHARACTERS_MAX).collect()
}

/// The longest text of a server that is logged or kept.
const TEXT_CHARACTERS_MAX: usize = 256;
