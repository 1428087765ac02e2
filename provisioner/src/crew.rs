//! What the station says of who makes a unit, and when: the shift, by local time, and the operator. For
//! reports; nothing is decided by it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use identity::{Clock, is_unseen};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

/// Who works at the station.
#[derive(Clone)]
pub(crate) struct Crew {
    shifts: Arc<Shifts>,
    clock: Arc<dyn Clock>,
    operator: Arc<Mutex<String>>,
}

/// What the CA is told of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CrewNow {
    /// Empty: no shift is configured for this time.
    pub(crate) shift: String,
    /// Empty: nobody said.
    pub(crate) operator: String,
}

impl Crew {
    pub(crate) fn new(shifts: Shifts, clock: Arc<dyn Clock>) -> Self {
        Self { shifts: Arc::new(shifts), clock, operator: Arc::default() }
    }

    /// Somebody else works from now on.
    pub(crate) fn set_operator(&self, name: &str) {
        name.clone_into(&mut self.operator.lock());
    }

    pub(crate) fn now(&self) -> CrewNow {
        let shift = self.shifts.at(self.clock.now(), &TimeZone::system()).unwrap_or_default().to_owned();
        CrewNow { shift, operator: self.operator.lock().clone() }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("shifts", &self.shifts).finish_non_exhaustive()
    }
}

/// Named parts of the day. They do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shifts(Vec<Shift>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shift {
    name: String,
    /// Minutes since midnight, the first of it.
    from: u16,
    /// The first after it; before `from`: on the next day.
    until: u16,
}

impl Shifts {
    /// Reads names and times such as `06:00-14:00`. Returns all mistakes.
    pub(crate) fn read(written: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<String>) {
        let (mut shifts, mut mistakes): (Vec<Shift>, Vec<String>) = Default::default();
        for (name, times) in written {
            match Shift::read(&name, &times) {
                Ok(shift) => match shifts.iter().find(|other| shift.overlaps(other)) {
                    Some(other) => mistakes.push(format!("shifts.{name}: overlaps shifts.{}", other.name)),
                    None => shifts.push(shift),
                },
                Err(what) => mistakes.push(format!("shifts.{name}: {what}")),
            }
        }
        if shifts.len() > SHIFTS_MAX {
            mistakes.push(format!("shifts: at most {SHIFTS_MAX}"));
        }
        (Self(shifts), mistakes)
    }

    /// The shift at a time.
    fn at(&self, time: SystemTime, zone: &TimeZone) -> Option<&str> {
        let local = zone.to_datetime(Timestamp::try_from(time).ok()?);
        let hour = u16::try_from(local.hour()).ok()?;
        let minute = hour * 60 + u16::try_from(local.minute()).ok()?;
        self.0.iter().find(|shift| shift.contains(minute)).map(|shift| shift.name.as_str())
    }
}

impl Shift {
    fn read(name: &str, times: &str) -> Result<Self, String> {
        check_name(name, SHIFT_CHARACTERS_MAX)?;
        let read = || {
            let (from, until) = times.split_once('-')?;
            Some((minute(from)?, minute(until)?))
        };
        let (from, until) = read().ok_or_else(|| format!("is written \"06:00-14:00\", not {times:?}"))?;
        if from == until {
            return Err("begins when it ends".to_owned());
        }
        Ok(Self { name: name.to_owned(), from, until })
    }

    fn contains(&self, minute: u16) -> bool {
        match self.from < self.until {
            true => (self.from..self.until).contains(&minute),
            false => minute >= self.from || minute < self.until,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.from) || other.contains(self.from)
    }
}

/// Minutes since midnight of `HH:MM`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, below: u16| -> Option<u16> {
        let is_number = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

/// The name of an operator, as it is typed or scanned.
pub(crate) fn operator(text: &str) -> Result<String, String> {
    let name = text.trim();
    check_name(name, OPERATOR_CHARACTERS_MAX)?;
    Ok(name.to_owned())
}

fn check_name(name: &str, characters_max: usize) -> Result<(), String> {
    let characters = name.chars().count();
    match (1..=characters_max).contains(&characters) && name.trim() == name && !name.chars().any(is_unseen) {
        true => Ok(()),
        false => Err(format!(
            "a name has 1 to {characters_max} characters that can be seen, without spaces around, not {name:?}"
        )),
    }
}

/// What the wire allows the name of a shift.
const SHIFT_CHARACTERS_MAX: usize = 32;

/// What the wire allows the name of an operator.
const OPERATOR_CHARACTERS_MAX: usize = 64;

/// More are a mistake.
const SHIFTS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn read(written: &[(&str, &str)]) -> (Shifts, Vec<String>) {
        Shifts::read(written.iter().map(|(name, times)| ((*name).to_owned(), (*times).to_owned())))
    }

    #[test]
    fn a_shift_may_cross_midnight_and_is_told_by_local_time() {
        let (shifts, mistakes) =
            read(&[("early", "06:00-14:00"), ("late", "14:00-22:00"), ("night", "22:00-06:00")]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let at = |hour: u64, minute: u64| {
            let time = UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + hour * 3_600 + minute * 60);
            shifts.at(time, &zone).unwrap().to_owned()
        };
        // Two hours before local time.
        assert_eq!((at(4, 0), at(11, 59), at(12, 0)), ("early".into(), "early".into(), "late".into()));
        assert_eq!((at(20, 0), at(23, 30), at(3, 59)), ("night".into(), "night".into(), "night".into()));
        let (gap, _) = read(&[("early", "06:00-14:00")]);
        assert_eq!(gap.at(UNIX_EPOCH + Duration::from_secs(15 * 3_600), &TimeZone::UTC), None);
    }

    #[test]
    fn all_mistakes_of_shifts_are_said_at_once() {
        let long = "x".repeat(33);
        let (_, mistakes) = read(&[
            ("early", "06:00-14:00"),
            ("day", "08:00-16:00"),
            ("night", "23:00-06:01"),
            ("same", "03:00-03:00"),
            ("words", "six to two"),
            ("hour", "24:00-06:00"),
            ("short", "6:00-14:00"),
            ("", "01:00-02:00"),
            (&long, "01:00-02:00"),
        ]);
        assert_eq!(mistakes.len(), 8, "{mistakes:?}");
        assert!(mistakes[0].contains("shifts.day: overlaps shifts.early"), "{mistakes:?}");
        assert!(mistakes[1].contains("shifts.night: overlaps shifts.early"), "{mistakes:?}");
        assert!(mistakes[2].contains("begins when it ends"), "{mistakes:?}");
    }

    #[test]
    fn an_operators_name_is_what_people_can_read() {
        assert_eq!(operator(" Ada L. ").unwrap(), "Ada L.");
        for wrong in ["", "  ", "a\u{202e}b", "two\nlines", &"x".repeat(65)] {
            assert!(operator(wrong).is_err(), "{wrong:?}");
        }
    }
}
