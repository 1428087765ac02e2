//! What is asked of the ledger.

use bytes::Bytes;
use identity::{
    DeviceId, KeyFingerprint, Principal, PrincipalName, RequestId, RevocationReason, Role, SerialNumber,
    Validity,
};
use issuance::{IssuerName, ProfileName};

use super::{WorkOrderId, WorkOrderTerms};

/// One change that somebody asks for.
#[derive(Debug, Clone)]
pub struct Command {
    /// Who asks; `None`: the CA itself, at `init`.
    pub principal: Option<Principal>,
    /// The certificate that makes the call: once it is revoked, nothing is decided for it any more. `None`: there is no call.
    pub credential: Option<SerialNumber>,
    /// Which question of theirs this is. The same again gets the same answer, for ever (DESIGN 4.4).
    pub request: Option<RequestId>,
    /// SHA-256 over what was asked, without the id and without anything that we made for the answer (such as a fresh serial
    /// number): the same request id with another digest is refused.
    pub content: [u8; 32],
    /// What is asked.
    pub action: Action,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Action {
    /// Put an issuer's certificate on record. Only by the CA itself.
    InstallIssuer {
        /// Which issuer.
        issuer: IssuerName,
        /// Its certificate. For the root, `certificate.issuer` is the root itself.
        certificate: SignedCertificate,
    },
    /// Make a work order.
    CreateWorkOrder {
        /// What it allows.
        terms: WorkOrderTerms,
    },
    /// Refuse further certificates until resumed.
    PauseWorkOrder {
        /// Which order.
        work_order: WorkOrderId,
    },
    /// Go on after a pause.
    ResumeWorkOrder {
        /// Which order.
        work_order: WorkOrderId,
    },
    /// End an order for ever.
    CloseWorkOrder {
        /// Which order.
        work_order: WorkOrderId,
    },
    /// Put a birth certificate on record: spends one of the order's quota, takes the device serial and the key.
    IssueBirth {
        /// Counted against this order.
        work_order: WorkOrderId,
        /// Whose it is.
        device: DeviceId,
        /// The certificate, signed, not yet released.
        certificate: SignedCertificate,
    },
    /// The unit passed its read-back.
    ConfirmUnit {
        /// The order it was made under.
        work_order: WorkOrderId,
        /// The unit.
        device: DeviceId,
        /// The certificate that was read back.
        serial_number: SerialNumber,
    },
    /// The unit failed for good: its certificates are revoked in the same entry, its serial and key never return, its quota is
    /// not given back.
    ScrapUnit {
        /// The order it was made under.
        work_order: WorkOrderId,
        /// The unit.
        device: DeviceId,
        /// For people.
        reason: String,
    },
    /// Put an operational certificate on record.
    IssueOperational {
        /// Whose it is.
        device: DeviceId,
        /// The certificate that authorises it: the IDevID that made the call.
        parent: SerialNumber,
        /// The certificate, signed, not yet released.
        certificate: SignedCertificate,
    },
    /// The operational certificate is in use.
    ConfirmInstalled {
        /// Whose it is.
        device: DeviceId,
        /// Which one.
        serial_number: SerialNumber,
    },
    /// Put the credential of a station, operator, relying party or service on record.
    IssueCredential {
        /// What it may be.
        role: Role,
        /// Unique in its role.
        name: PrincipalName,
        /// The certificate, signed, not yet released.
        certificate: SignedCertificate,
    },
    /// Withdraw all credentials of a principal.
    RevokePrincipal {
        /// What it may be.
        role: Role,
        /// Unique in its role.
        name: PrincipalName,
        /// Why.
        reason: RevocationReason,
    },
}

/// A certificate that is signed and not yet on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCertificate {
    /// Who signed it.
    pub issuer: IssuerName,
    /// By which law.
    pub profile: ProfileName,
    /// RFC 5280, section 4.1.2.2.
    pub serial_number: SerialNumber,
    /// Of its subject's key.
    pub key: KeyFingerprint,
    /// From when until when.
    pub validity: Validity,
    /// X.509 DER. Shared: it goes to the ledger and to the caller without being copied.
    pub der: Bytes,
}
