//! The mistakes of a list.

use std::fmt;

use identity::DeviceSerial;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1; 0 means the whole list.
    pub line: u64,
    /// The serial number, if the line alone does not identify it.
    pub serial: Option<DeviceSerial>,
    /// What is wrong.
    pub what: String,
}

impl Mistake {
    pub(crate) fn at(line: u64, what: impl Into<String>) -> Self {
        Self { line, serial: None, what: what.into() }
    }

    pub(crate) fn of_all(what: impl Into<String>) -> Self {
        Self::at(0, what)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.what)?;
        self.serial.as_ref().map_or(Ok(()), |serial| write!(f, ": {serial}"))
    }
}

/// All mistakes of a list, in the order of its lines. A mistake of many lines is printed once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    found: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn new(mut found: Vec<Mistake>) -> Self {
        found.sort_by_key(|mistake| mistake.line);
        Self { found }
    }

    /// How many lines are wrong; 1 if it is the whole list.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// All mistakes, in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.found.iter()
    }

    /// Groups lines with the same mistake, in the order of the first.
    fn together(&self) -> Vec<Together<'_>> {
        let mut together: Vec<Together<'_>> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for mistake in &self.found {
            let place = *places.entry(mistake.what.as_str()).or_insert_with(|| {
                together.push(Together { what: &mistake.what, lines: Vec::new(), serials: Vec::new() });
                together.len() - 1
            });
            if let Some(these) = together.get_mut(place) {
                these.lines.push(mistake.line);
                these.serials.extend(&mistake.serial);
            }
        }
        together
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self::new(vec![mistake])
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let together = self.together();
        if let [one] = together.as_slice() {
            return one.fmt(f);
        }
        write!(f, "{} mistakes", self.count())?;
        for these in together.iter().take(SHOWN_MAX) {
            write!(f, "\n  {these}")?;
        }
        match together.len().checked_sub(SHOWN_MAX) {
            Some(more @ 1..) => write!(f, "\n  … and {more} more"),
            _ => Ok(()),
        }
    }
}

struct Together<'a> {
    what: &'a str,
    lines: Vec<u64>,
    serials: Vec<&'a DeviceSerial>,
}

impl fmt::Display for Together<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Lines(&self.lines), self.what)?;
        for (index, serial) in self.serials.iter().take(SERIALS_SHOWN_MAX).enumerate() {
            write!(f, "{}{serial}", if index == 0 { ": " } else { ", " })?;
        }
        if self.serials.len() > SERIALS_SHOWN_MAX { f.write_str(", …") } else { Ok(()) }
    }
}

struct Lines<'a>(&'a [u64]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] | [0] => Ok(()),
            [line] => write!(f, "line {line}: "),
            [first, second] => write!(f, "lines {first} and {second}: "),
            [first, second, third] => write!(f, "lines {first}, {second} and {third}: "),
            [first, second, more @ ..] => write!(f, "lines {first}, {second} and {} more: ", more.len()),
        }
    }
}

const SERIALS_SHOWN_MAX: usize = 3;

/// The most mistakes that are printed: one screen.
const SHOWN_MAX: usize = 40;
