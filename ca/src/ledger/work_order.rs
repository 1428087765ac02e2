//! Work orders.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use identity::{PrincipalName, Product};
use issuance::ProfileName;

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
        let id = text
            .strip_prefix("wo-")
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or(WorkOrderIdError)?;
        if id.to_string() == text { Ok(id) } else { Err(WorkOrderIdError) }
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
    /// The most birth certificates, ever.
    pub quantity: u64,
    /// By which law.
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

/// Whether an order may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkOrderState {
    /// Yes, within its window.
    Open,
    /// Not now.
    Paused,
    /// Never again.
    Closed,
}

impl fmt::Display for WorkOrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
        })
    }
}

/// What became of an order so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkOrderCounts {
    /// Birth certificates on record. Never more than the quantity.
    pub issued: u64,
    /// Units that passed.
    pub confirmed: u64,
    /// Units that failed for good.
    pub scrapped: u64,
}
