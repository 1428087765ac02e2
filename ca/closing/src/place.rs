//! Where a unit got its certificate, or its end.

use std::fmt;

use identity::{Principal, PrincipalName, Role};
use ledger::Entry;

/// Who acted for a unit. What is no station's name is in parentheses, which no name has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A station.
    Station(PrincipalName),
    /// An operator, by command: nobody at a station.
    Office,
    /// More places or shifts than a report has lines for.
    Others,
}

impl Place {
    pub(crate) fn of(entry: &Entry) -> Self {
        match &entry.principal {
            Some(Principal::Named { role: Role::Station, name }) => Self::Station(name.clone()),
            Some(Principal::Named { role: Role::Operator, .. }) => Self::Office,
            _ => Self::Others,
        }
    }

    /// As the units of the report have it; `None`: it is no place in particular.
    pub(crate) fn word(&self) -> Option<String> {
        (*self != Self::Others).then(|| self.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Station(name) => name.fmt(f),
            Self::Office => f.write_str("(office)"),
            Self::Others => f.write_str("(others)"),
        }
    }
}

/// The operator of an entry: the station's word, or else whose credential gave the command.
pub(crate) fn operator<'a>(entry: &'a Entry, word: &'a str) -> &'a str {
    match &entry.principal {
        Some(Principal::Named { role: Role::Operator, name }) if word.is_empty() => name.as_str(),
        _ => word,
    }
}
