//! The speed of a line, and what follows from it.

use std::fmt;
use std::time::Duration;

/// A speed in baud, 50 to 4,000,000. The line and its adapter may know fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed(u32);

impl Speed {
    /// 115,200 baud.
    pub const USUAL: Self = Self(115_200);

    /// Checks a speed in baud.
    ///
    /// # Errors
    /// When it is not 50 to 4,000,000.
    pub fn new(baud: u32) -> Result<Self, SpeedError> {
        if (BAUD_MIN..=BAUD_MAX).contains(&baud) { Ok(Self(baud)) } else { Err(SpeedError) }
    }

    /// The speed in baud.
    pub fn baud(self) -> u32 {
        self.0
    }

    /// How long so many bytes take on the line.
    pub fn time_for(self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(BITS_OF_A_BYTE);
        Duration::from_micros(bits.saturating_mul(MICROS_OF_A_SECOND) / u64::from(self.0))
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self::USUAL
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Not a speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a speed is {BAUD_MIN} to {BAUD_MAX} baud")]
pub struct SpeedError;

/// Splits `NAME[:BAUD]`. Without a speed it is [`Speed::USUAL`].
///
/// # Errors
/// When the digits are not a speed.
pub fn split_speed(text: &str) -> Result<(&str, Speed), SpeedError> {
    split_named_speed(text).map(|(name, speed)| (name, speed.unwrap_or_default()))
}

/// Splits `NAME[:BAUD]`. Names of ports contain colons too, so only digits behind the last one are a speed.
///
/// # Errors
/// When the digits are not a speed.
pub fn split_named_speed(text: &str) -> Result<(&str, Option<Speed>), SpeedError> {
    let is_number = |end: &&str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
    match text.rsplit_once(':') {
        Some((name, baud)) if is_number(&baud) => {
            Ok((name, Some(Speed::new(baud.parse().map_err(|_| SpeedError)?)?)))
        }
        _ => Ok((text, None)),
    }
}

/// The lowest speed that the system has a name for and that carries a frame in a bearable time.
const BAUD_MIN: u32 = 50;

/// The highest speed that the system has a name for.
const BAUD_MAX: u32 = 4_000_000;

/// A start bit, eight bits of data, a stop bit.
const BITS_OF_A_BYTE: u64 = 10;

const MICROS_OF_A_SECOND: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_what_stands_in_digits_behind_the_last_colon() {
        for (text, name, baud) in [
            ("/dev/ttyUSB0", "/dev/ttyUSB0", 115_200),
            ("/dev/ttyUSB0:9600", "/dev/ttyUSB0", 9_600),
            (
                "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0",
                "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0",
                115_200,
            ),
            ("by-path/pci-0000:00:14.0-usb-0:2:1.0:921600", "by-path/pci-0000:00:14.0-usb-0:2:1.0", 921_600),
            ("port-{slot:02}", "port-{slot:02}", 115_200),
        ] {
            assert_eq!(split_speed(text), Ok((name, Speed(baud))), "{text}");
            let named = (name != text).then_some(Speed(baud));
            assert_eq!(split_named_speed(text), Ok((name, named)), "{text}");
        }
        for text in ["x:0", "x:49", "x:4000001", "x:99999999999999999999"] {
            assert_eq!(split_speed(text), Err(SpeedError), "{text}");
        }
    }

    #[test]
    fn a_byte_takes_ten_bits() {
        assert_eq!(Speed(9_600).time_for(960), Duration::from_secs(1));
        assert_eq!(Speed::USUAL.time_for(65_801), Duration::from_micros(5_711_892));
        assert_eq!(Speed(BAUD_MAX).time_for(0), Duration::ZERO);
    }
}
