//! One unit of the report.

use std::time::SystemTime;

use identity::DeviceId;
use ledger::SignedCertificate;

use crate::{Outcome, Place};

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
    /// Who asked for the certificate, or gave the serial number up; `None`: neither happened.
    pub station: Option<&'a Place>,
    /// In the station's word; empty: it did not say.
    pub shift: &'a str,
    /// Who made it or gave it up, in the station's word, or the name of the office's operator; empty: it was
    /// not said.
    pub operator: &'a str,
    /// Certificates that it had before.
    pub reworks: u16,
    /// Why it was scrapped, withdrawn or given up; empty: nobody said.
    pub reason: &'a str,
}
