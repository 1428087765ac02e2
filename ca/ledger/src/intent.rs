//! A request for a certificate before anything is signed for it.

use std::time::SystemTime;

use identity::{
    DeviceId, GeneratorTraces, KeyFingerprint, Principal, PrincipalName, RequestId, Role, SerialNumber,
};

use super::WorkOrderId;

/// What is known of a request for a certificate before the certificate is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Who asks; `None`: the CA itself.
    pub principal: Option<Principal>,
    /// The caller's id of this request.
    pub request: Option<RequestId>,
    /// SHA-256 of the request; see [`Command::content`](super::Command::content).
    pub content: [u8; 32],
    /// For whom the certificate is, and what authorises it.
    pub subject: IssuanceSubject,
    /// The key that would be certified.
    pub key: KeyFingerprint,
}

/// For whom a certificate is, and what authorises it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum IssuanceSubject {
    /// A birth certificate: takes one of the order's quota, the device serial and the key. For a unit that
    /// may be reworked and comes with a new key, it revokes all certificates that the unit had, in the same
    /// entry, and takes no quota (R-LIFE-12).
    Birth {
        /// The work order that it is counted against.
        work_order: WorkOrderId,
        device: DeviceId,
        /// When its station says that it made the unit, while the CA could not be asked; `None`: it asks
        /// first. Only for a unit that the station has reserved, and no part of what a request id stands for.
        made_at: Option<SystemTime>,
        /// See [`Event::BirthIssued`](super::Event::BirthIssued).
        shift: String,
        /// See [`Event::BirthIssued`](super::Event::BirthIssued).
        operator: String,
        /// What the request shows of the device's random generator.
        traces: GeneratorTraces,
    },
    /// An operational certificate: an enrolment when `parent` is the birth certificate, otherwise a renewal.
    Operational {
        device: DeviceId,
        /// The certificate that made the call.
        parent: SerialNumber,
        /// Whether a fork puts the device on hold; otherwise it is only recorded and refused.
        hold_on_fork: bool,
    },
    /// A credential of a station, operator, relying party or service.
    Credential {
        role: Role,
        /// Its name, unique in the role.
        name: PrincipalName,
    },
}
