//! What became of a unit of the order. The quantity of the order is the sum of all outcomes and of the units
//! that were never made.

/// What became of a unit, as of the close of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Its certificate was read back, and it was not scrapped.
    Passed,
    /// It was made and locked while the CA could not be asked, and its certificate was issued later: the unit
    /// gets it at its first boot.
    Deferred,
    /// It has a certificate, and nobody confirmed or scrapped it: it must be looked for.
    Unaccounted,
    /// It was out when its reservation was withdrawn: no unit ever gets its serial number.
    Withdrawn,
    /// It failed for good.
    Scrapped,
    /// It was made and locked while the CA could not be asked, and refused its certificate for good: no unit
    /// ever gets its serial number.
    Refused,
    /// Its serial number was given up before it had a certificate: no unit ever gets it.
    GivenUp,
}

impl Outcome {
    /// Every outcome, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Deferred,
        Self::Refused,
        Self::Unaccounted,
        Self::Withdrawn,
        Self::Scrapped,
        Self::GivenUp,
    ];

    /// Its name in every form of the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Deferred => "deferred",
            Self::Unaccounted => "unaccounted",
            Self::Withdrawn => "withdrawn",
            Self::Scrapped => "scrapped",
            Self::Refused => "refused",
            Self::GivenUp => "given-up",
        }
    }

    /// Whether the unit is one that the customer gets: it is in the forms for clouds.
    pub const fn is_delivered(self) -> bool {
        matches!(self, Self::Passed | Self::Deferred)
    }
}

/// Counts of units by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals([u64; Outcome::ALL.len()]);

impl Totals {
    /// Counts units with this outcome.
    pub fn add(&mut self, outcome: Outcome, units: u64) {
        if let Some(count) = self.0.get_mut(outcome as usize) {
            *count += units;
        }
    }

    /// Units with this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome as usize).copied().unwrap_or_default()
    }

    /// Units with any outcome.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}
