//! What the journal keeps of a unit.

use identity::{RequestId, SerialNumber};

use super::BirthCertificate;

/// A step of a unit, recorded before its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The CA is about to be asked for a certificate.
    Asked { request_id: RequestId, csr: Vec<u8> },
    /// The CA issued; the certificate is about to be installed.
    Issued(BirthCertificate),
    /// The read-back is right; the CA is about to be told.
    ReadBack { serial_number: SerialNumber },
    /// The CA has recorded the unit as passed; the unit is about to be locked.
    Confirmed,
    /// The unit is locked.
    Passed,
    /// The CA allows another birth certificate, or has issued one elsewhere. Earlier steps count no more.
    Superseded { serial_number: SerialNumber },
}

/// The sum of a unit's steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UnitProgress {
    /// The id of the last certificate request, and its bytes.
    pub(crate) asked: Option<(RequestId, Vec<u8>)>,
    pub(crate) certificate: Option<BirthCertificate>,
    /// The serial number of the certificate that was read back.
    pub(crate) read_back: Option<SerialNumber>,
    /// Whether the CA has recorded the unit as passed.
    pub(crate) confirmed: bool,
    /// Whether the unit is locked.
    pub(crate) passed: bool,
    /// The serial number of the certificate that the rework replaces.
    pub(crate) superseded: Option<SerialNumber>,
}

impl UnitProgress {
    /// The serial number of its certificate, as far as it is known.
    pub(crate) fn serial_number(&self) -> Option<SerialNumber> {
        self.certificate.as_ref().map(|certificate| certificate.serial_number).or(self.read_back)
    }

    /// Whether the CA may know the unit: it was asked for it, or has issued it a certificate before.
    pub(crate) fn is_on_record(&self) -> bool {
        self.asked.is_some() || self.serial_number().is_some() || self.superseded.is_some()
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Asked { request_id, csr } => {
                self.asked = Some((*request_id, csr.clone()));
                self.certificate = None;
            }
            Step::Issued(certificate) => self.certificate = Some(certificate.clone()),
            Step::ReadBack { serial_number } => self.read_back = Some(*serial_number),
            Step::Confirmed => self.confirmed = true,
            Step::Passed => self.passed = true,
            Step::Superseded { serial_number } => {
                *self = Self { superseded: Some(*serial_number), ..Self::default() };
            }
        }
    }
}
