//! Which device serials a work order allows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use identity::DeviceSerial;

/// Which device serials a work order allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serials {
    /// One numbered range.
    Pattern(SerialPattern),
    /// A list.
    Manifest(Arc<BTreeSet<DeviceSerial>>),
}

impl Serials {
    /// Whether the serial is among them.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.contains(serial),
            Self::Manifest(serials) => serials.contains(serial),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Pattern(pattern) => pattern.len(),
            Self::Manifest(serials) => serials.len() as u64,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A numbered range of device serials: `SN{000001..010000}`, both ends included, all numbers with as many
/// digits as the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialPattern {
    prefix: String,
    suffix: String,
    digits: usize,
    first: u64,
    last: u64,
}

impl SerialPattern {
    /// Whether the serial is in the range.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        let number = serial
            .as_str()
            .strip_prefix(self.prefix.as_str())
            .and_then(|rest| rest.strip_suffix(self.suffix.as_str()))
            .filter(|digits| digits.len() == self.digits && digits.bytes().all(|c| c.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u64>().ok());
        number.is_some_and(|number| (self.first..=self.last).contains(&number))
    }

    /// How many serials are in the range.
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Never: a range holds at least one.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl FromStr for SerialPattern {
    type Err = SerialPatternError;

    fn from_str(text: &str) -> Result<Self, SerialPatternError> {
        let (prefix, rest) = text.split_once('{').ok_or(SerialPatternError::Form)?;
        let (range, suffix) = rest.split_once('}').ok_or(SerialPatternError::Form)?;
        let (first, last) = range.split_once("..").ok_or(SerialPatternError::Form)?;
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        if !all_digits(first) || !all_digits(last) || first.len() != last.len() {
            return Err(SerialPatternError::Form);
        }
        let number =
            |text: &str| text.parse::<u64>().ok().filter(|n| *n < u64::MAX).ok_or(SerialPatternError::Form);
        let pattern = Self {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            digits: first.len(),
            first: number(first)?,
            last: number(last)?,
        };
        if pattern.first > pattern.last {
            return Err(SerialPatternError::Empty);
        }
        format!("{prefix}{first}{suffix}").parse::<DeviceSerial>()?;
        Ok(pattern)
    }
}

impl fmt::Display for SerialPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, suffix, digits, first, last } = self;
        write!(f, "{prefix}{{{first:0digits$}..{last:0digits$}}}{suffix}")
    }
}

/// Why a text is not a [`SerialPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SerialPatternError {
    /// It cannot be read.
    #[error(
        "a serial pattern is one range with as many digits at both ends, for example SN{{000001..010000}}"
    )]
    Form,
    /// It ends before it begins.
    #[error("the range of the serial pattern ends before it begins")]
    Empty,
    /// What it makes is not a device serial.
    #[error("the pattern makes serial numbers that cannot be used")]
    Serial(#[from] identity::DeviceIdError),
}
