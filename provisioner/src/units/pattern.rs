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
        (self.first..=self.last).filter_map(move |number| self.serial(number))
    }

    /// All serials, in the order in which one of several stations takes them, `share` being its place and their number: first its own
    /// part of the first `quantity`, upwards; then the others' parts, each downwards, so that it meets the station that works upwards
    /// there as late as possible; then the rest.
    pub fn shared(self, quantity: u64, share: (u64, u64)) -> impl Iterator<Item = DeviceSerial> + Send {
        let Self { first, last, .. } = self;
        let (place, stations) = (share.0, share.1.max(1));
        let count = (last - first).saturating_add(1).min(quantity);
        let part = count.div_ceil(stations).max(1);
        let bounds = move |place: u64| {
            let from = place.saturating_mul(part).min(count);
            (first + from, first + from.saturating_add(part).min(count))
        };
        let (from, to) = bounds(place);
        let others = (1..stations).map(move |step| bounds((place + step) % stations));
        let numbers =
            (from..to).chain(others.flat_map(|(from, to)| (from..to).rev())).chain(first + count..=last);
        numbers.filter_map(move |number| self.serial(number))
    }

    fn serial(&self, number: u64) -> Option<DeviceSerial> {
        let Self { prefix, suffix, digits, .. } = self;
        let digits = *digits;
        format!("{prefix}{number:0digits$}{suffix}").parse().ok()
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
    fn stations_that_share_a_range_begin_in_parts_of_their_own_and_leave_nothing_out() {
        let order = |quantity, place, stations| -> String {
            let pattern: SerialPattern = "{0..9}".parse().unwrap();
            pattern.shared(quantity, (place, stations)).map(|serial| serial.to_string()).collect()
        };
        assert_eq!(order(10, 0, 1), "0123456789");
        assert_eq!(order(10, 0, 2), "0123498765");
        assert_eq!(order(10, 1, 2), "5678943210");
        assert_eq!(order(6, 1, 2), "3452106789");
        for stations in 1..12 {
            for place in 0..stations {
                let mut all: Vec<char> = order(7, place, stations).chars().collect();
                all.sort_unstable();
                assert_eq!(all.into_iter().collect::<String>(), "0123456789", "{place} of {stations}");
            }
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
