//! What is wrong with a list, in as few lines as it takes.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1; 0: the list as a whole.
    pub line: u64,
    /// What is wrong, for people.
    pub what: String,
}

impl Mistake {
    pub(crate) fn of_all(what: String) -> Self {
        Self { line: 0, what }
    }
}

/// All mistakes of a list, in the order of its lines. One that many lines share is said once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    found: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn new(mut found: Vec<Mistake>) -> Self {
        found.sort_by_key(|mistake| mistake.line);
        Self { found }
    }

    /// How many lines are wrong, or 1 when it is the list as a whole.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Each, in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.found.iter()
    }

    /// Lines by what is wrong with them, in the order of the first.
    fn together(&self) -> Vec<(&str, Vec<u64>)> {
        let mut together: Vec<(&str, Vec<u64>)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for mistake in &self.found {
            let place = *places.entry(mistake.what.as_str()).or_insert_with(|| {
                together.push((&mistake.what, Vec::new()));
                together.len() - 1
            });
            if let Some((_, lines)) = together.get_mut(place) {
                lines.push(mistake.line);
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
        if let [(what, lines)] = together.as_slice() {
            return write!(f, "{}{what}", Lines(lines));
        }
        write!(f, "{} mistakes", self.count())?;
        for (what, lines) in together.iter().take(SHOWN_MAX) {
            write!(f, "\n  {}{what}", Lines(lines))?;
        }
        match together.len().checked_sub(SHOWN_MAX) {
            Some(more @ 1..) => write!(f, "\n  … and {more} more"),
            _ => Ok(()),
        }
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

/// More than a screen helps nobody.
const SHOWN_MAX: usize = 40;
