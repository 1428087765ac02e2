//! One unit of the report.

use std::time::SystemTime;

use identity::{DeviceId, PrincipalName};
use ledger::SignedCertificate;

use crate::Outcome;

/// One unit, as all forms write it.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The unit.
    pub device: &'a DeviceId,
    /// What became of it.
    pub outcome: Outcome,
    /// Its present birth certificate; `None`: it has none.
    pub certificate: Option<&'a SignedCertificate>,
    /// When that was recorded.
    pub issued_at: Option<SystemTime>,
    /// When it was made, by the station's clock, while the CA could not be asked; `None`: it was asked first.
    pub made_at: Option<SystemTime>,
    /// When it was confirmed, scrapped, withdrawn, refused or given up.
    pub finished_at: Option<SystemTime>,
    /// The station that asked for the certificate, or held the reservation.
    pub station: Option<&'a PrincipalName>,
    /// In the station's word; empty: it did not say.
    pub shift: &'a str,
    /// Who made it, in the station's word; empty: it did not say.
    pub operator: &'a str,
    /// Certificates that it had before.
    pub reworks: u16,
    /// Why it was scrapped, withdrawn or given up; empty: nobody said.
    pub reason: &'a str,
}
