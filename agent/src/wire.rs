//! Times of the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// A time between 1970 and the year 10,000, in whole seconds; `None`: it is missing or outside.
pub(crate) fn time(timestamp: Option<Timestamp>) -> Option<SystemTime> {
    timestamp
        .and_then(|timestamp| u64::try_from(timestamp.seconds).ok())
        .filter(|seconds| *seconds < SECONDS_MAX)
        .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The year 10,000: no certificate and no RFC 3339 text goes beyond.
const SECONDS_MAX: u64 = 253_402_300_800;
