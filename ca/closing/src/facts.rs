//! What the report says of the whole order.

use std::time::SystemTime;

use identity::{DeviceId, Principal};
use ledger::{Clash, EntryNumber, WorkOrderId, WorkOrderTerms};

use crate::{Gaps, Place, Totals};

/// The whole order, as of the entry that closed it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The order.
    pub work_order: WorkOrderId,
    /// What it allowed.
    pub terms: WorkOrderTerms,
    /// Whose devices these are: O of the certificates.
    pub organization: String,
    /// From the entry that made it to the entry that closed it.
    pub period: Period,
    /// Who made it.
    pub created_by: Option<Principal>,
    /// Who closed it.
    pub closed_by: Option<Principal>,
    /// Units by outcome.
    pub totals: Totals,
    /// Birth certificates that replaced an earlier one of the same unit.
    pub reworks: u64,
    /// Units by station and shift, sorted.
    pub groups: Vec<Group>,
    /// Serial numbers that were passed over.
    pub gaps: Gaps,
    /// Requests for a serial number or a key that another unit has: the first ones, at most
    /// [`DUPLICATES_LISTED_MAX`].
    pub duplicates: Vec<Duplicate>,
    /// How many there were.
    pub duplicates_count: u64,
}

/// From when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The entry that made the order.
    pub created: EntryNumber,
    /// When that was, by the CA's clock.
    pub created_at: SystemTime,
    /// The entry that closed it.
    pub closed: EntryNumber,
    /// When that was, by the CA's clock.
    pub closed_at: SystemTime,
}

/// The units of one place in one shift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Who asked for the certificate, held the reservation, or gave the serial number up.
    pub station: Place,
    /// In the station's word; empty: it did not say.
    pub shift: String,
    /// Units by outcome.
    pub totals: Totals,
}

/// Two asked for one identity, and the CA refused the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// For which unit it was asked.
    pub device: DeviceId,
    /// What another one has.
    pub what: Clash,
    /// Who has it.
    pub other: String,
    /// When it was refused.
    pub at: SystemTime,
}

impl Facts {
    /// Units that the order allowed and nobody made.
    pub fn never_made(&self) -> u64 {
        self.terms.quantity.saturating_sub(self.totals.sum())
    }

    /// Units beyond the quantity. The CA issues no such certificate, so anything but 0 is a fault that the
    /// first page shows.
    pub fn over_build(&self) -> u64 {
        self.totals.sum().saturating_sub(self.terms.quantity)
    }
}

impl Duplicate {
    /// What both have, in a word.
    pub fn what_word(&self) -> &'static str {
        match self.what {
            Clash::Key => "key",
            Clash::Serial => "serial number",
            Clash::Prime => "prime of the key",
            Clash::Nonce => "random number of the signature",
            Clash::KeyStart => "first 64 bits of the key",
            Clash::KeyEnd => "last 64 bits of the key",
        }
    }
}

/// Duplicates that a report lists; `touchmark device duplicates` has all.
pub const DUPLICATES_LISTED_MAX: usize = 100;
