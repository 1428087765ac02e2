//! The `grpc-timeout` header.

use std::time::Duration;

use http::HeaderValue;

/// Parses a timeout: "TimeoutValue → {positive integer as ASCII string of at most 8 digits}; TimeoutUnit →
/// Hour / Minute / Second / Millisecond / Microsecond / Nanosecond; H M S m u n" (gRPC over HTTP2,
/// "Requests").
pub(super) fn parse(text: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = text.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(value * 60 * 60)),
        b'M' => Some(Duration::from_secs(value * 60)),
        b'S' => Some(Duration::from_secs(value)),
        b'm' => Some(Duration::from_millis(value)),
        b'u' => Some(Duration::from_micros(value)),
        b'n' => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_number_of_at_most_eight_digits_and_a_unit() {
        let read = |text: &str| parse(&HeaderValue::from_str(text).unwrap());
        for (text, expected) in [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("30S", Duration::from_secs(30)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in ["", "S", "30", "30s", "-1S", "+1S", "1.5S", "999999999S", "1 S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
