//! A numbered range of device serials, as a work order writes it.

use std::fmt;
use std::str::FromStr;

use crate::{DeviceIdError, DeviceSerial};

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
        self.position(serial).is_some()
    }

    /// The position of a serial, from 0: [`Self::nth`] gives it back. `None`: it is not in the range.
    pub fn position(&self, serial: &DeviceSerial) -> Option<u64> {
        let number = serial
            .as_str()
            .strip_prefix(self.prefix.as_str())
            .and_then(|rest| rest.strip_suffix(self.suffix.as_str()))
            .filter(|digits| digits.len() == self.digits && is_digits(digits))
            .and_then(|digits| digits.parse::<u64>().ok());
        number.filter(|number| (self.first..=self.last).contains(number)).map(|number| number - self.first)
    }

    /// The number of serials in the range, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range holds at least one serial")]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The serial at a position, from 0; `None` behind the end of the range.
    pub fn nth(&self, position: u64) -> Option<DeviceSerial> {
        let Self { prefix, suffix, digits, .. } = self;
        let digits = *digits;
        let number = self.first.checked_add(position).filter(|number| *number <= self.last)?;
        format!("{prefix}{number:0digits$}{suffix}").parse().ok()
    }
}

impl FromStr for SerialPattern {
    type Err = SerialPatternError;

    fn from_str(text: &str) -> Result<Self, SerialPatternError> {
        let (prefix, rest) = text.split_once('{').ok_or(SerialPatternError::Form)?;
        let (range, suffix) = rest.split_once('}').ok_or(SerialPatternError::Form)?;
        let (first, last) = range.split_once("..").ok_or(SerialPatternError::Form)?;
        if !is_digits(first) || !is_digits(last) || first.len() != last.len() {
            return Err(SerialPatternError::Form);
        }
        // `len` of the range of all numbers would not fit.
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

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for SerialPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, suffix, digits, first, last } = self;
        write!(f, "{prefix}{{{first:0digits$}..{last:0digits$}}}{suffix}")
    }
}

/// Why a text is not a [`SerialPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum SerialPatternError {
    #[error(
        "a serial pattern is one range with as many digits at both ends, for example SN{{000001..010000}}"
    )]
    Form,
    #[error("the range of the serial pattern ends before it begins")]
    Empty,
    #[error("the pattern makes serial numbers that cannot be used")]
    Serial(#[from] DeviceIdError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_gives_exactly_the_serials_that_it_contains() {
        let pattern: SerialPattern = "SN{08..11}-B".parse().unwrap();
        let serials: Vec<_> = (0..pattern.len()).map(|at| pattern.nth(at).unwrap().to_string()).collect();
        assert_eq!(serials, ["SN08-B", "SN09-B", "SN10-B", "SN11-B"]);
        assert!(serials.iter().all(|serial| pattern.contains(&serial.parse().unwrap())));
        assert_eq!((pattern.nth(4), pattern.nth(u64::MAX)), (None, None));
        assert!((0..4).all(|at| pattern.position(&pattern.nth(at).unwrap()) == Some(at)));
        for other in ["SN12-B", "SN8-B", "SN08", "SN08-C", "SN+9-B"] {
            assert!(!pattern.contains(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in
            ["SN{08..11}-B", "{0..0}", "SN{000001..010000}", "{18446744073709551613..18446744073709551614}"]
        {
            assert_eq!(text.parse::<SerialPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for text in ["SN", "SN{1}", "SN{1..22}", "SN{a..b}", "SN{..}", "SN{+1..+2}"] {
            assert_eq!(text.parse::<SerialPattern>(), Err(SerialPatternError::Form), "{text}");
        }
        let whole_range = "{00000000000000000000..18446744073709551615}";
        assert_eq!(whole_range.parse::<SerialPattern>(), Err(SerialPatternError::Form));
        assert_eq!("SN{2..1}".parse::<SerialPattern>(), Err(SerialPatternError::Empty));
    }

    #[test]
    fn a_pattern_that_makes_no_serials_is_refused() {
        let long = format!("SN{{{0}1..{0}2}}", "0".repeat(1_000));
        for text in ["*N{000002..010000}", &long] {
            let refused = text.parse::<SerialPattern>();
            assert!(matches!(refused, Err(SerialPatternError::Serial(_))), "{text}: {refused:?}");
        }
    }
}
