//! What happened.

use std::fmt;
use std::time::SystemTime;

use identity::{DeviceId, Principal, PrincipalName, RequestId, RevocationReason, Role, SerialNumber};
use issuance::IssuerName;

use super::{Holder, SignedCertificate, WorkOrderId, WorkOrderTerms};

/// One thing that happened: numbered without gaps, in one order, holding all that is needed to rebuild everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place; the first is 1.
    pub number: EntryNumber,
    /// When it was decided, whole milliseconds.
    pub at: SystemTime,
    /// Who asked; `None`: the CA itself.
    pub principal: Option<Principal>,
    /// Which question of theirs it answers.
    pub request: Option<RequestId>,
    /// SHA-256 over what was asked.
    pub content: [u8; 32],
    /// What happened.
    pub event: Event,
}

/// The place of an entry in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryNumber(pub u64);

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An issuer's certificate is on record.
    IssuerInstalled {
        /// Which issuer.
        issuer: IssuerName,
        /// Its certificate.
        certificate: SignedCertificate,
    },
    /// There is a work order.
    WorkOrderCreated {
        /// Its id: `wo-` and a count, from 1.
        work_order: WorkOrderId,
        /// What it allows.
        terms: WorkOrderTerms,
    },
    /// It refuses further certificates.
    WorkOrderPaused {
        /// Which order.
        work_order: WorkOrderId,
    },
    /// It goes on.
    WorkOrderResumed {
        /// Which order.
        work_order: WorkOrderId,
    },
    /// It ended.
    WorkOrderClosed {
        /// Which order.
        work_order: WorkOrderId,
    },
    /// A device has its birth certificate.
    BirthIssued {
        /// Counted against this order.
        work_order: WorkOrderId,
        /// Whose it is.
        device: DeviceId,
        /// The certificate.
        certificate: SignedCertificate,
    },
    /// A unit passed.
    UnitConfirmed {
        /// The order it was made under.
        work_order: WorkOrderId,
        /// The unit.
        device: DeviceId,
        /// The certificate that was read back.
        serial_number: SerialNumber,
    },
    /// A unit failed for good.
    UnitScrapped {
        /// The order it was made under.
        work_order: WorkOrderId,
        /// The unit.
        device: DeviceId,
        /// For people.
        reason: String,
        /// The certificates that this revoked (R-LIFE-11: cessationOfOperation).
        revoked: Vec<SerialNumber>,
    },
    /// A device has an operational certificate.
    OperationalIssued {
        /// Whose it is.
        device: DeviceId,
        /// The certificate that authorised it.
        parent: SerialNumber,
        /// The certificate.
        certificate: SignedCertificate,
    },
    /// An operational certificate is in use.
    InstallConfirmed {
        /// Whose it is.
        device: DeviceId,
        /// Which one.
        serial_number: SerialNumber,
    },
    /// A principal has a credential.
    CredentialIssued {
        /// What it may be.
        role: Role,
        /// Unique in its role.
        name: PrincipalName,
        /// The certificate.
        certificate: SignedCertificate,
    },
    /// A principal's credentials are withdrawn.
    PrincipalRevoked {
        /// What it was.
        role: Role,
        /// Unique in its role.
        name: PrincipalName,
        /// Why.
        reason: RevocationReason,
        /// The certificates that this revoked.
        revoked: Vec<SerialNumber>,
    },
}

impl Event {
    /// The certificate that it put on record, if any.
    pub fn certificate(&self) -> Option<&SignedCertificate> {
        match self {
            Self::IssuerInstalled { certificate, .. }
            | Self::BirthIssued { certificate, .. }
            | Self::OperationalIssued { certificate, .. }
            | Self::CredentialIssued { certificate, .. } => Some(certificate),
            Self::WorkOrderCreated { .. }
            | Self::WorkOrderPaused { .. }
            | Self::WorkOrderResumed { .. }
            | Self::WorkOrderClosed { .. }
            | Self::UnitConfirmed { .. }
            | Self::UnitScrapped { .. }
            | Self::InstallConfirmed { .. }
            | Self::PrincipalRevoked { .. } => None,
        }
    }

    /// Whose the certificate is that it put on record.
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::IssuerInstalled { issuer, .. } => Some(Holder::Issuer(*issuer)),
            Self::BirthIssued { device, .. } | Self::OperationalIssued { device, .. } => {
                Some(Holder::Principal(Principal::Device(device.clone())))
            }
            Self::CredentialIssued { role, name, .. } => {
                Some(Holder::Principal(Principal::named(*role, name.clone())))
            }
            _ => None,
        }
    }

    /// The certificates that it revoked, and why.
    pub fn revoked(&self) -> Option<(&[SerialNumber], RevocationReason)> {
        match self {
            Self::UnitScrapped { revoked, .. } => Some((revoked, RevocationReason::CessationOfOperation)),
            Self::PrincipalRevoked { revoked, reason, .. } => Some((revoked, *reason)),
            _ => None,
        }
    }
}
