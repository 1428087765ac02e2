//! A numbered range of serials, as a work order writes it.

use std::str::FromStr;

use identity::DeviceSerial;

/// `SN{000001..010000}`: both ends included, all numbers with as many digits as the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialPattern {
    prefix: String,
    suffix: String,
    digits: usize,
    first: u64,
    last: u64,
}

impl SerialPattern {
    /// All serials, in order.
    pub fn serials(self) -> impl Iterator<Item = DeviceSerial> + Send {
        let Self { prefix, suffix, digits, first, last } = self;
        (first..=last).filter_map(move |number| format!("{prefix}{number:0digits$}{suffix}").parse().ok())
    }

    /// Whether the serial is in the range.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        let digits = serial
            .as_str()
            .strip_prefix(self.prefix.as_str())
            .and_then(|rest| rest.strip_suffix(self.suffix.as_str()))
            .filter(|digits| {
                digits.len() == self.digits && digits.bytes().all(|digit| digit.is_ascii_digit())
            });
        digits
            .and_then(|digits| digits.parse::<u64>().ok())
            .is_some_and(|number| (self.first..=self.last).contains(&number))
    }
}

impl FromStr for SerialPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (prefix, rest) = text.split_once('{').ok_or(PatternError)?;
        let (range, suffix) = rest.split_once('}').ok_or(PatternError)?;
        let (first, last) = range.split_once("..").ok_or(PatternError)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
            text.parse::<u64>().ok().filter(|number| digits && *number < u64::MAX).ok_or(PatternError)
        };
        let digits = first.len();
        let (first, last) =
            (number(first)?, number(last).ok().filter(|_| last.len() == digits).ok_or(PatternError)?);
        // One that makes no serials would be counted through to its end for nothing.
        let makes_serials = format!("{prefix}{first:0digits$}{suffix}").parse::<DeviceSerial>().is_ok();
        if first > last || !makes_serials {
            return Err(PatternError);
        }
        Ok(Self { prefix: prefix.to_owned(), suffix: suffix.to_owned(), digits, first, last })
    }
}

/// Not a range of serials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a serial pattern is one range with as many digits at both ends, for example SN{{000001..010000}}")]
pub struct PatternError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_gives_exactly_the_serials_that_it_contains() {
        let pattern: SerialPattern = "SN{08..11}-B".parse().unwrap();
        let serials: Vec<_> = pattern.clone().serials().map(|serial| serial.to_string()).collect();
        assert_eq!(serials, ["SN08-B", "SN09-B", "SN10-B", "SN11-B"]);
        assert!(serials.iter().all(|serial| pattern.contains(&serial.parse().unwrap())));
        for other in ["SN12-B", "SN8-B", "SN08", "SN08-C", "SN+9-B"] {
            assert!(!pattern.contains(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for text in ["SN", "SN{1}", "SN{1..22}", "SN{2..1}", "SN{a..b}", "SN{..}", "SN{+1..+2}"] {
            assert_eq!(text.parse::<SerialPattern>(), Err(PatternError), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_makes_no_serials_is_refused() {
        let long = format!("SN{{{0}1..{0}2}}", "0".repeat(1_000));
        for text in ["*N{000002..010000}", "{00000000000000000000..18446744073709551615}", &long] {
            assert_eq!(text.parse::<SerialPattern>(), Err(PatternError), "{text}");
        }
    }
}
