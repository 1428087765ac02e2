//! What must be known of a unit after a crash.

use identity::{RequestId, SerialNumber};

use super::BirthCertificate;

/// A step of a unit, recorded before its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The CA is about to be asked.
    Asked {
        /// Under this id.
        request_id: RequestId,
        /// With these bytes.
        csr: Vec<u8>,
    },
    /// The CA answered; the certificate is about to be installed.
    Issued(BirthCertificate),
    /// The unit's read-back is right; the CA is about to be told.
    ReadBack {
        /// Of the certificate that was read back.
        serial_number: SerialNumber,
    },
    /// The CA knows; the unit is about to be locked.
    Confirmed,
    /// The unit is locked.
    Passed,
    /// The CA allows it another birth certificate in place of this one, or has given it one elsewhere: what was known of it is over.
    Superseded {
        /// Of the certificate that it had.
        serial_number: SerialNumber,
    },
}

/// What is known of a unit: all its steps so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The last question to the CA: its id and the request, byte for byte.
    pub(crate) asked: Option<(RequestId, Vec<u8>)>,
    /// What the CA answered to it.
    pub(crate) certificate: Option<BirthCertificate>,
    /// Of the certificate that was read back.
    pub(crate) read_back: Option<SerialNumber>,
    /// Whether the CA has it as passed.
    pub(crate) confirmed: bool,
    /// Whether it is locked.
    pub(crate) passed: bool,
    /// Of the certificate that its rework replaces.
    pub(crate) superseded: Option<SerialNumber>,
    /// Whether a board was told this serial number in vain: the CA had it on record for another unit.
    pub(crate) told_in_vain: bool,
}

impl Memory {
    /// Adds a step.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Asked { request_id, csr } => {
                self.asked = Some((*request_id, csr.clone()));
                self.certificate = None;
            }
            Step::Issued(certificate) => {
                self.certificate = Some(certificate.clone());
                self.told_in_vain = false;
            }
            Step::ReadBack { serial_number } => self.read_back = Some(*serial_number),
            Step::Confirmed => self.confirmed = true,
            Step::Passed => self.passed = true,
            Step::Superseded { serial_number } => {
                *self = Self { superseded: Some(*serial_number), ..Self::default() };
            }
        }
    }
}
