//! What the journal keeps of a unit.

use std::time::SystemTime;

use identity::{RequestId, SerialNumber};

use super::BirthCertificate;
use crate::crew::CrewNow;

/// A step of a unit, recorded before its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The CA is about to be asked for a certificate.
    Asked { request_id: RequestId, csr: Vec<u8> },
    /// The CA cannot be asked: the unit is about to get everything but its certificate.
    Deferred {
        at: SystemTime,
        /// Of the anchors that it gets: [`super::anchors_digest`].
        anchors_digest: Vec<u8>,
        /// Who makes it.
        crew: CrewNow,
    },
    /// The unit is locked, and its certificate comes later.
    LockedDeferred,
    /// The CA refuses a certificate to a unit that was made without it.
    Refused { reason: String, message: String },
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
    /// Whether the unit is locked with its certificate.
    pub(crate) passed: bool,
    /// When it was made, if the CA could not be asked for its certificate.
    pub(crate) deferred: Option<SystemTime>,
    /// The digest of the anchors that it got then.
    pub(crate) deferred_anchors: Vec<u8>,
    /// Who made it then.
    pub(crate) deferred_crew: CrewNow,
    /// Whether it was locked without its certificate.
    pub(crate) locked_deferred: bool,
    /// Why it gets no certificate: reason and message of the CA.
    pub(crate) refusal: Option<(String, String)>,
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
                // It is for another key: what was deferred is gone with the former one.
                (self.deferred, self.locked_deferred, self.refusal) = (None, false, None);
            }
            Step::Deferred { at, anchors_digest, crew } => {
                self.deferred_crew = crew.clone();
                (self.deferred, self.deferred_anchors) = (Some(*at), anchors_digest.clone());
            }
            Step::LockedDeferred => self.locked_deferred = true,
            Step::Refused { reason, message } => self.refusal = Some((reason.clone(), message.clone())),
            Step::Issued(certificate) => {
                self.certificate = Some(certificate.clone());
                self.refusal = None;
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
