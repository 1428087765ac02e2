//! Work orders.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use identity::{DeviceIdError, PrincipalName, Product, ProfileName};

use super::Serials;

/// `wo-` and a count from 1, at least six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkOrderId(pub u64);

impl fmt::Display for WorkOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wo-{:06}", self.0)
    }
}

impl FromStr for WorkOrderId {
    type Err = WorkOrderIdError;

    fn from_str(text: &str) -> Result<Self, WorkOrderIdError> {
        let id = text.strip_prefix("wo-").and_then(|digits| digits.parse().ok()).map(Self);
        id.filter(|id: &Self| id.to_string() == text).ok_or(WorkOrderIdError)
    }
}

/// The text is not a work order's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a work order is written wo- and at least six digits, for example wo-000017")]
pub struct WorkOrderIdError;

/// What a work order allows.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOrderTerms {
    /// Of all its units.
    pub product: Product,
    /// The most units, ever. A rework is the same unit.
    pub quantity: u64,
    /// The certificate's profile.
    pub profile: ProfileName,
    /// Which device serials.
    pub serials: Serials,
    /// Who may use it.
    pub stations: Vec<PrincipalName>,
    /// Not before; `None`: at once.
    pub opens_at: Option<SystemTime>,
    /// Not from then on; `None`: until closed.
    pub closes_at: Option<SystemTime>,
}

impl WorkOrderTerms {
    /// Whether these are the terms of an order with the same manifest, of which perhaps other parts are on
    /// record.
    pub(crate) fn are_announced_as(&self, other: &Self) -> bool {
        let Self { product, quantity, profile, serials, stations, opens_at, closes_at } = self;
        (product, quantity, profile) == (&other.product, &other.quantity, &other.profile)
            && (stations, opens_at, closes_at) == (&other.stations, &other.opens_at, &other.closes_at)
            && serials.outline() == other.serials.outline()
    }

    /// Whether an order can have these terms from `now` on.
    ///
    /// # Errors
    /// When they contradict themselves.
    pub fn check(&self, now: SystemTime) -> Result<(), TermsRefusal> {
        if !(1..=QUANTITY_MAX).contains(&self.quantity) {
            return Err(TermsRefusal::QuantityOutOfRange);
        }
        if self.profile != ProfileName::Idevid {
            return Err(TermsRefusal::ProfileNotForBirth);
        }
        let serials_max = match (&self.serials, self.serials.outline()) {
            (Serials::Pattern(_), _) => u64::MAX,
            (Serials::Manifest(_), None) => MANIFEST_SERIALS_MAX,
            (Serials::Manifest(_), Some(_)) => MANIFEST_PARTS_SERIALS_MAX,
        };
        if self.serials.len() > serials_max {
            return Err(TermsRefusal::ManifestTooLong);
        }
        if self.serials.len() < self.quantity {
            return Err(TermsRefusal::SerialsTooFew);
        }
        if let Some(character) = self.serials.unencodable() {
            return Err(TermsRefusal::SerialNotEncodable { character });
        }
        if self.stations.is_empty() {
            return Err(TermsRefusal::NoStation);
        }
        if self.stations.len() > STATIONS_MAX {
            return Err(TermsRefusal::TooManyStations);
        }
        if self.closes_at.is_some_and(|closes_at| closes_at <= self.opens_at.unwrap_or(now).max(now)) {
            return Err(TermsRefusal::WindowEmpty);
        }
        Ok(())
    }
}

/// Why terms contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsRefusal {
    /// `QUANTITY_OUT_OF_RANGE`.
    #[error("a work order is for 1 to {QUANTITY_MAX} units")]
    QuantityOutOfRange,
    /// `SERIALS_TOO_FEW`.
    #[error("a work order needs at least as many serial numbers as units")]
    SerialsTooFew,
    /// `PROFILE_FORBIDS`: no certificate can have the character, so no unit could be made.
    #[error("{}", DeviceIdError::SerialCharacter { character: *character })]
    SerialNotEncodable {
        /// The first one.
        character: char,
    },
    /// `MANIFEST_TOO_LONG`.
    #[error(
        "a manifest lists at most {MANIFEST_PARTS_SERIALS_MAX} serial numbers, in one message at most {MANIFEST_SERIALS_MAX}"
    )]
    ManifestTooLong,
    /// `STATIONS_MISSING`.
    #[error("a work order needs at least one station")]
    NoStation,
    /// `TOO_MANY_STATIONS`.
    #[error("a work order names at most {STATIONS_MAX} stations")]
    TooManyStations,
    /// `WINDOW_EMPTY`.
    #[error("the window of the work order ends before it begins, or has ended")]
    WindowEmpty,
    /// `PROFILE_NOT_FOR_BIRTH`.
    #[error("the profile of a work order is one for birth certificates: idevid")]
    ProfileNotForBirth,
}

/// Most units of one order: ten million devices is where one memory index ends (ADR 0006).
pub const QUANTITY_MAX: u64 = 10_000_000;

/// Most serials of a manifest in one piece: an entry with them stays below the longest ledger entry.
pub const MANIFEST_SERIALS_MAX: u64 = 100_000;

/// Most serials of a manifest that comes in parts: a year of a line, and some ten megabytes of the index.
pub const MANIFEST_PARTS_SERIALS_MAX: u64 = 1_000_000;

/// Most serials of one part: at most 660 kB of an entry, so that nobody waits long behind it.
pub const MANIFEST_PART_SERIALS_MAX: usize = 10_000;

/// Most orders that wait for the rest of their manifests: each may keep some ten megabytes.
pub const INCOMPLETE_ORDERS_MAX: usize = 16;

/// Most stations of one order: a factory line has a few; every one is compared on every issuance.
pub const STATIONS_MAX: usize = 64;

/// Whether an order may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkOrderState {
    /// It issues within its window.
    Open,
    /// Paused: it issues again when it is resumed.
    Paused,
    /// Closed for ever.
    Closed,
    /// It waits for the rest of its manifest, and then is open.
    Incomplete,
}

impl fmt::Display for WorkOrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Incomplete => "incomplete",
        })
    }
}

/// What became of an order so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkOrderCounts {
    /// Units that have, or had, a birth certificate, each counted once.
    pub issued: u64,
    /// Units whose present birth certificate passed its read-back and that were not scrapped later.
    pub confirmed: u64,
    /// Units that failed for good.
    pub scrapped: u64,
    /// Birth certificates that replaced an earlier one of the same unit.
    pub reworked: u64,
    /// Units that stations have reserved and that are out.
    pub reserved: u64,
    /// Units that were out when their reservation was withdrawn. They stay spent.
    pub withdrawn: u64,
    /// Serial numbers that were given up before a unit had a certificate for them. They stay spent.
    pub given_up: u64,
    /// Reserved units that were made while the CA could not be asked, and refused for good. They stay spent.
    pub refused_after_deferral: u64,
}

impl WorkOrderCounts {
    /// Units of the quota that are spent: never more than the quantity.
    pub fn spent(&self) -> u64 {
        self.issued + self.reserved + self.withdrawn + self.given_up + self.refused_after_deferral
    }
}
