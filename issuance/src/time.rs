//! Writes times as DER: UTCTime and GeneralizedTime, in whole seconds.

use std::time::{Duration, SystemTime};

use der::Encode;
use der::asn1::{GeneralizedTime, UtcTime};

use crate::Refusal;

/// Appends UTCTime through the year 2049, GeneralizedTime from 2050 (RFC 5280, sections 4.1.2.5 and 5.1.2.4;
/// R-5280-05).
pub(crate) fn write(out: &mut Vec<u8>, time: SystemTime) -> Result<(), Refusal> {
    if time < year_2050() {
        let written = UtcTime::from_system_time(time).and_then(|time| time.encode_to_vec(out));
        written.map(drop).map_err(|_| UNWRITABLE)
    } else {
        write_generalized(out, time)
    }
}

/// Appends GeneralizedTime without fractions, whatever the year.
pub(crate) fn write_generalized(out: &mut Vec<u8>, time: SystemTime) -> Result<(), Refusal> {
    let written = GeneralizedTime::from_system_time(time).and_then(|time| time.encode_to_vec(out));
    written.map(drop).map_err(|_| UNWRITABLE)
}

/// 2050-01-01T00:00:00Z.
pub(crate) fn year_2050() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_524_608_000)
}

/// Rounds down to seconds, as a reader of the encoded time gets it back.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

const UNWRITABLE: Refusal = Refusal::Encoding { what: "a time before 1970 or after 9999" };
