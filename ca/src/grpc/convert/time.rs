//! Times and durations.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authority::Refused;
use prost_types::Timestamp;

use super::bad;

/// Between 1970 and 9999 (RFC 5280, section 4.1.2.5: what a certificate can say).
pub(super) fn time(field: &'static str, time: Timestamp) -> Result<SystemTime, Refused> {
    let seconds = u64::try_from(time.seconds).ok().filter(|seconds| *seconds <= YEAR_9999_SECONDS);
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(UNIX_EPOCH + Duration::new(seconds, nanos)),
        _ => Err(bad(field, "is a time between the years 1970 and 9999")),
    }
}

/// The time without what is below a millisecond, as the ledger keeps it.
pub(super) fn whole_milliseconds(time: SystemTime) -> SystemTime {
    let below = Duration::from_nanos(u64::from(nanos(time) % 1_000_000));
    time.checked_sub(below).unwrap_or(time)
}

fn nanos(time: SystemTime) -> u32 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos()
}

pub(in crate::grpc) fn timestamp(time: SystemTime) -> Timestamp {
    time.into()
}

/// A duration longer than protobuf can say, of which there is none, becomes zero.
pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or_default()
}

/// `None`: it is absent or zero.
pub(super) fn positive_duration(
    field: &'static str,
    duration: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Refused> {
    let duration = duration.map(Duration::try_from).transpose();
    let duration = duration.map_err(|_| bad(field, "is not negative"))?;
    Ok(duration.filter(|duration| !duration.is_zero()))
}

/// 9999-12-31T23:59:59Z, later than anything on record.
pub(super) fn end_of_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(YEAR_9999_SECONDS)
}

const YEAR_9999_SECONDS: u64 = 253_402_300_799;
