//! What is asked of the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use identity::{
    DeviceId, DeviceSerial, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, ProfileName,
    RequestId, RevocationReason, Role, SerialNumber, Validity,
};

use super::{
    EntryNumber, IssuanceSubject, JobId, RefusedDeferral, ReservationId, RevocationTerms, RotationTerms,
    SerialPart, UnitsWanted, WorkOrderId, WorkOrderTerms,
};

/// One change that somebody asks for.
#[derive(Debug, Clone)]
pub struct Command {
    /// Who asks; `None`: the CA itself.
    pub principal: Option<Principal>,
    /// The certificate that makes the call: once it is revoked, nothing is decided for it any more. `None`:
    /// there is no call.
    pub credential: Option<SerialNumber>,
    /// The caller's id of this request. A repeat gets the same answer, for ever (ADR 0010).
    pub request: Option<RequestId>,
    /// SHA-256 over what was asked, without the id and without anything that we made for the answer (such as
    /// a fresh serial number): the same request id with another digest is refused.
    pub content: [u8; 32],
    /// For people who read the ledger; empty: none. At most 256 characters.
    pub remark: String,
    /// What is asked.
    pub action: Action,
}

/// What is asked.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum Action {
    /// Put an issuer's certificate on record. Only by the CA itself.
    InstallIssuer {
        issuer: IssuerName,
        /// Its certificate. For the root, `certificate.issuer` is the root itself.
        certificate: SignedCertificate,
    },
    /// Put the certificate of a signer of documents on record. Only by the CA itself.
    InstallDocumentSigner {
        /// Issued by the root.
        certificate: SignedCertificate,
    },
    /// Make a work order.
    CreateWorkOrder(WorkOrderTerms),
    /// Put the next serial numbers of an order's manifest on record.
    AppendManifest {
        work_order: WorkOrderId,
        /// How many are before them.
        position: u64,
        serials: Arc<SerialPart>,
    },
    /// Refuse further certificates until resumed.
    PauseWorkOrder(WorkOrderId),
    /// Go on after a pause.
    ResumeWorkOrder(WorkOrderId),
    /// End an order for ever.
    CloseWorkOrder(WorkOrderId),
    /// Issue no birth certificate for a product until it is resumed.
    PauseProduct(Product),
    /// Let a product go on.
    ResumeProduct {
        product: Product,
        /// The entry of the pause that this ends: a later pause, which who asks has not seen, goes on.
        pause: EntryNumber,
    },
    /// Spend units of the order's quota, with their serial numbers, for the station that asks, before it
    /// makes them.
    ReserveUnits {
        work_order: WorkOrderId,
        units: UnitsWanted,
        /// For how long the station may make them; the window of the order may end before.
        duration: Duration,
        /// Most units that may be out for the station at a time, these included.
        station_units_max: u64,
    },
    /// Give back to the order what comes home unused.
    ReturnUnits {
        reservation: ReservationId,
        /// Those of these that are out; empty: all that are out.
        serials: BTreeSet<DeviceSerial>,
    },
    /// End a reservation for ever: what is out stays spent, and no unit ever gets its serial number.
    WithdrawReservation(ReservationId),
    /// Refuse a unit that the station has reserved, and made while the CA could not be asked, for good: its
    /// serial number stays spent.
    RefuseDeferral { work_order: WorkOrderId, device: DeviceId, refused: RefusedDeferral },
    /// Put a certificate on record.
    Issue {
        subject: IssuanceSubject,
        /// The certificate, signed and not yet released.
        certificate: SignedCertificate,
    },
    /// The unit passed its read-back.
    ConfirmUnit {
        work_order: WorkOrderId,
        device: DeviceId,
        /// The certificate that was read back.
        serial_number: SerialNumber,
    },
    /// The unit failed for good: its certificates are revoked in the same entry, its serial and key never
    /// return, its quota is not given back.
    ScrapUnit {
        work_order: WorkOrderId,
        device: DeviceId,
        reason: String,
        /// Who does it at the station, in the station's word; empty: it does not say.
        operator: String,
    },
    /// Spend a serial number for which no unit has a certificate: no unit ever gets it.
    GiveUpUnit {
        work_order: WorkOrderId,
        device: DeviceId,
        reason: String,
        /// Who does it at the station, in the station's word; empty: it does not say.
        operator: String,
    },
    /// The operational certificate is in use.
    ConfirmInstalled {
        device: DeviceId,
        serial_number: SerialNumber,
        /// What becomes of the one that was in use before.
        after_renewal: AfterRenewal,
    },
    /// Revoke certificates for ever. Those that are revoked already are left as they are; those on hold keep
    /// its date (R-CRL-06).
    Revoke {
        /// Which: at most [`REVOKE_MAX`](super::REVOKE_MAX).
        certificates: Vec<SerialNumber>,
        /// Why. Neither a hold, which is [`Action::Hold`], nor the compromise of an issuer.
        reason: RevocationReason,
        /// When the key is believed to have been lost (RFC 5280, section 5.3.2).
        invalidity_date: Option<SystemTime>,
        /// The mass revocation that it belongs to; `None`: none.
        job: Option<JobId>,
    },
    /// Begin to revoke a selection that is too large for one entry.
    BeginRevocation(RevocationTerms),
    /// A job has revoked all of its selection.
    FinishRevocation(JobId),
    /// Put all certificates of a device on hold: the only revocation that can be undone (R-CRL-06).
    Hold { device: DeviceId, note: String },
    /// End a hold: every certificate that it put on hold, and nobody revoked since, is again what it was.
    Release(DeviceId),
    /// A device is no more: its certificates are revoked (R-LIFE-11: cessationOfOperation); neither its
    /// serial nor a key of it returns.
    Retire { device: DeviceId, note: String },
    /// Allow one more birth certificate, with a new key, to a unit whose board was replaced. Good once, under
    /// its own order. A station may do so for a unit of an order of its own that has not enrolled.
    AllowRework {
        /// The order that the station says; `None`: whatever the unit's is.
        work_order: Option<WorkOrderId>,
        device: DeviceId,
        /// Empty: it is not said.
        reason: String,
        /// Who does it at the station, in the station's word; empty: it does not say.
        operator: String,
    },
    /// Ask all devices that have a certificate of the selection now to renew it soon.
    RequestRotation(RotationTerms),
    /// The RSA key that a device has, or asked to have certified, shares a prime with the key of a
    /// certificate. Always refused, and recorded once as an alarm.
    ReportSharedPrime {
        device: DeviceId,
        /// With the other key.
        certificate: SerialNumber,
        /// Whether a station asked for the birth certificate of the device, which its order allows: this
        /// pauses the product.
        at_birth: bool,
    },
    /// A certificate was shown that was revoked unused, because another one of the device was used first: two
    /// hold the memory that asked for both. Always refused as a fork, and recorded once as an alarm.
    ReportRevokedSibling {
        device: DeviceId,
        /// The certificate that was shown.
        certificate: SerialNumber,
        /// The one that was used first.
        used: SerialNumber,
        /// Whether a fork puts the device on hold.
        hold_on_fork: bool,
    },
    /// The clock is right, whatever the entries before say; the confirmed time is that of the new entry.
    /// Holds the time of the last entry, which is overruled. Only by the CA itself, for an operator at its
    /// machine.
    ConfirmTime(SystemTime),
    /// Revoke all credentials of a principal.
    RevokePrincipal {
        role: Role,
        name: PrincipalName,
        /// RFC 5280, section 5.3.1.
        reason: RevocationReason,
        /// Also when it is the last operator with a credential that is good.
        last_operator: bool,
    },
}

/// What becomes of an operational certificate once its successor is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterRenewal {
    /// It is revoked at once (superseded).
    Revoke,
    /// It is good for this time more, and then to be revoked.
    Grace(Duration),
    /// It is left to expire.
    #[default]
    Expire,
}

/// A certificate that is signed and not yet on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCertificate {
    /// Who signed it.
    pub issuer: IssuerName,
    /// The certificate's profile.
    pub profile: ProfileName,
    /// RFC 5280, section 4.1.2.2.
    pub serial_number: SerialNumber,
    /// Of its subject's key.
    pub key: KeyFingerprint,
    /// From when until when.
    pub validity: Validity,
    /// The shard of its issuer's CRLs that it is in, fixed for ever (R-CRL-08); `None`: only in the
    /// full list.
    pub shard: Option<u32>,
    /// X.509 DER. Shared: it goes to the ledger and to the caller without being copied.
    pub der: Bytes,
}
