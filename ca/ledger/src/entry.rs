//! What happened.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use identity::{
    DeviceId, DeviceSerial, GeneratorTraces, IssuerName, Principal, PrincipalName, Product, RequestId,
    RevocationReason, Role, SerialNumber,
};

use super::{
    Clash, Holder, JobId, RefusedDeferral, ReservationId, RevocationTerms, RotationTerms, SerialPart,
    SignedCertificate, WorkOrderId, WorkOrderTerms,
};

/// One thing that happened: numbered without gaps, in one order, holding all that is needed to rebuild
/// everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place; the first is 1.
    pub number: EntryNumber,
    /// When it was decided, whole milliseconds.
    pub at: SystemTime,
    /// Who asked; `None`: the CA itself.
    pub principal: Option<Principal>,
    /// The caller's id of the request that this entry answers.
    pub request: Option<RequestId>,
    /// SHA-256 over what was asked.
    pub content: [u8; 32],
    /// For people who read the ledger; empty: none.
    pub remark: String,
    /// The event.
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

/// An event of the ledger.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum Event {
    /// An issuer's certificate is on record.
    IssuerInstalled { issuer: IssuerName, certificate: SignedCertificate },
    /// The certificate of a signer of documents is on record; those before it are no longer used.
    DocumentSignerInstalled { certificate: SignedCertificate },
    /// There is a work order.
    WorkOrderCreated {
        /// Its id: `wo-` and a count, from 1.
        work_order: WorkOrderId,
        terms: WorkOrderTerms,
    },
    /// The next serial numbers of an order's manifest are on record (ADR 0070).
    ManifestPart {
        work_order: WorkOrderId,
        /// Behind all that were on record: 1 to
        /// [`MANIFEST_PART_SERIALS_MAX`](super::MANIFEST_PART_SERIALS_MAX).
        serials: Arc<SerialPart>,
        /// Whether it is the last part: the order is open from then on.
        last: bool,
    },
    /// It refuses further certificates.
    WorkOrderPaused(WorkOrderId),
    /// It goes on.
    WorkOrderResumed(WorkOrderId),
    /// It ended.
    WorkOrderClosed(WorkOrderId),
    /// A station, which is the principal of the entry, has units of an order before it makes them.
    UnitsReserved {
        /// Whose quota they are spent from.
        work_order: WorkOrderId,
        /// Its id: `rs-` and a count, from 1 over the whole ledger.
        reservation: ReservationId,
        /// Of its units, in their order: 1 to [`RESERVED_UNITS_MAX`](super::RESERVED_UNITS_MAX).
        serials: Vec<DeviceSerial>,
        /// Until when the station may make them.
        ends_at: SystemTime,
        /// Where the search for free serial numbers ended: this one and all before it are taken or returned.
        /// `None`: the serial numbers were named.
        passed: Option<DeviceSerial>,
    },
    /// Units of a reservation came home unused.
    UnitsReturned { reservation: ReservationId, serials: Vec<DeviceSerial> },
    /// A reservation ended for ever.
    ReservationWithdrawn {
        reservation: ReservationId,
        /// Those that were out: they stay spent, and no unit ever gets them.
        serials: Vec<DeviceSerial>,
    },
    /// A device has its birth certificate.
    BirthIssued {
        /// Counted against this order.
        work_order: WorkOrderId,
        device: DeviceId,
        certificate: SignedCertificate,
        /// When its station says that it made the unit, while the CA could not be asked (ADR 0068); `None`:
        /// it asked before.
        made_at: Option<SystemTime>,
        /// The certificates of the unit's former board, which this revoked (R-LIFE-12: superseded). Empty but
        /// for a rework.
        replaces: Vec<RevokedCertificate>,
        /// When it was made, in the station's word: a shift; empty: it did not say.
        shift: String,
        /// Who made it, in the station's word; empty: it did not say.
        operator: String,
        /// What the request showed of the unit's random generator; entries of earlier versions show nothing.
        traces: GeneratorTraces,
    },
    /// A unit that its station had reserved, and made while the CA could not be asked, is refused its
    /// certificate for good (ADR 0068).
    DeferralRefused {
        /// Whose quota it stays spent from.
        work_order: WorkOrderId,
        /// That it was out for.
        reservation: ReservationId,
        device: DeviceId,
        refused: RefusedDeferral,
    },
    /// A unit passed.
    UnitConfirmed {
        work_order: WorkOrderId,
        device: DeviceId,
        /// The certificate that was read back.
        serial_number: SerialNumber,
    },
    /// A unit failed for good.
    UnitScrapped {
        work_order: WorkOrderId,
        device: DeviceId,
        reason: String,
        /// The certificates that this revoked (R-LIFE-11: cessationOfOperation).
        revoked: Vec<RevokedCertificate>,
        /// Who did it at the station, in the station's word; empty: it did not say.
        operator: String,
    },
    /// A serial number of an order is spent without a unit: no unit ever gets it.
    UnitGivenUp {
        /// Whose quota it stays spent from.
        work_order: WorkOrderId,
        device: DeviceId,
        reason: String,
        /// Who did it at the station, in the station's word; empty: it did not say.
        operator: String,
    },
    /// A device has an operational certificate. The parent is the birth certificate for an enrolment,
    /// otherwise the certificate before it.
    OperationalIssued { device: DeviceId, parent: SerialNumber, certificate: SignedCertificate },
    /// An operational certificate is in use.
    InstallConfirmed {
        device: DeviceId,
        serial_number: SerialNumber,
        /// Other operational certificates of the device that this revoked (superseded): those that were never
        /// used, and, if the profile says so, the one before it. Whatever else was in use is superseded and
        /// not revoked.
        revoked: Vec<RevokedCertificate>,
        /// When the one that was in use before is to be revoked; `None`: it was revoked, or expires by
        /// itself, or there was none.
        parent_ends: Option<SystemTime>,
    },
    /// A superseded certificate, or the birth certificate of an enrolled device, asked for another child
    /// (ADR 0019); or a certificate was shown that was revoked unused, because its sibling was used first.
    /// Refused.
    ForkDetected {
        /// Whose flash was cloned, or key stolen.
        device: DeviceId,
        /// The certificate that asked, or was shown.
        parent: SerialNumber,
        /// The one that is in use instead, or was last.
        child: SerialNumber,
        /// Whether this put the device on hold.
        held: bool,
        /// The certificates that this put on hold.
        certificates: Vec<SerialNumber>,
    },
    /// A certificate was refused because its key or its device serial is another's (R-KEY-11), or a prime of
    /// its key (R-KEY-06), or something else that a good random generator never makes twice (R-KEY-14). A
    /// prime may be found when both keys are on record; then it is recorded for each of the two. Once for a
    /// pair.
    DuplicateRefused {
        /// For which device it was asked.
        device: DeviceId,
        other: Holder,
        /// The certificate that says so.
        certificate: SerialNumber,
        /// What is the other's.
        what: Clash,
        /// Whether this paused the product of the device.
        pauses: bool,
    },
    /// An operator paused a product: no birth certificate is issued for it.
    ProductPaused(Product),
    /// An operator let a product go on.
    ProductResumed {
        product: Product,
        /// The entry of the pause that this ends.
        pause: EntryNumber,
    },
    /// Certificates are revoked for ever.
    CertificatesRevoked {
        certificates: Vec<RevokedCertificate>,
        /// RFC 5280, section 5.3.1.
        reason: RevocationReason,
        /// When the key is believed to have been lost.
        invalidity_date: Option<SystemTime>,
        /// The mass revocation that it belongs to; `None`: none.
        job: Option<JobId>,
    },
    /// A selection is being revoked.
    RevocationBegun {
        /// A count, from 1.
        job: JobId,
        terms: RevocationTerms,
    },
    /// A selection was revoked.
    RevocationFinished(JobId),
    /// A device is on hold.
    DeviceHeld {
        device: DeviceId,
        note: String,
        /// The certificates that this put on hold.
        certificates: Vec<SerialNumber>,
    },
    /// A hold ended.
    DeviceReleased {
        device: DeviceId,
        /// The certificates that are again what they were.
        certificates: Vec<SerialNumber>,
    },
    /// A device is no more.
    DeviceRetired {
        device: DeviceId,
        note: String,
        /// The certificates that this revoked (R-LIFE-11: cessationOfOperation).
        revoked: Vec<RevokedCertificate>,
    },
    /// A unit may have one more birth certificate.
    ReworkAllowed {
        device: DeviceId,
        /// Empty: it was not said.
        reason: String,
        /// Who did it at the station, in the station's word; empty: it did not say.
        operator: String,
    },
    /// Certificates are to be renewed soon.
    RotationRequested(RotationTerms),
    /// An operator confirmed, at the CA's own machine, that the clock is right: [`Entry::at`] is what was
    /// confirmed, and this is the time of the entry before it.
    TimeConfirmed(SystemTime),
    /// A principal has a credential.
    CredentialIssued { role: Role, name: PrincipalName, certificate: SignedCertificate },
    /// A principal's credentials are revoked.
    PrincipalRevoked {
        role: Role,
        name: PrincipalName,
        /// RFC 5280, section 5.3.1.
        reason: RevocationReason,
        /// The certificates that this revoked.
        revoked: Vec<RevokedCertificate>,
    },
}

/// A certificate that an entry revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
    /// The revocation date if it was on hold before: the date is kept (R-CRL-06). `None`: since the entry.
    pub since: Option<SystemTime>,
}

/// What an entry revoked, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Revoked<'a> {
    /// The certificates.
    pub certificates: &'a [RevokedCertificate],
    /// The reason (RFC 5280, section 5.3.1).
    pub reason: RevocationReason,
    /// When the key is believed to have been lost (RFC 5280, section 5.3.2).
    pub invalidity_date: Option<SystemTime>,
}

impl Event {
    /// The certificate that it put on record, if any.
    pub fn certificate(&self) -> Option<&SignedCertificate> {
        match self {
            Self::IssuerInstalled { certificate, .. }
            | Self::DocumentSignerInstalled { certificate }
            | Self::BirthIssued { certificate, .. }
            | Self::OperationalIssued { certificate, .. }
            | Self::CredentialIssued { certificate, .. } => Some(certificate),
            _ => None,
        }
    }

    /// Whose the certificate is that it put on record.
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::IssuerInstalled { issuer, .. } => Some(Holder::Issuer(*issuer)),
            Self::DocumentSignerInstalled { .. } => Some(Holder::DocumentSigner),
            Self::BirthIssued { device, .. } | Self::OperationalIssued { device, .. } => {
                Some(Holder::Principal(Principal::Device(device.clone())))
            }
            Self::CredentialIssued { role, name, .. } => {
                Some(Holder::Principal(Principal::named(*role, name.clone())))
            }
            _ => None,
        }
    }

    /// What it revoked for ever; `None`: nothing.
    pub fn revoked(&self) -> Option<Revoked<'_>> {
        let (certificates, reason, invalidity_date) = match self {
            Self::BirthIssued { replaces, .. } => (replaces, RevocationReason::Superseded, None),
            Self::InstallConfirmed { revoked, .. } => (revoked, RevocationReason::Superseded, None),
            Self::UnitScrapped { revoked, .. } | Self::DeviceRetired { revoked, .. } => {
                (revoked, RevocationReason::CessationOfOperation, None)
            }
            Self::PrincipalRevoked { revoked, reason, .. } => (revoked, *reason, None),
            Self::CertificatesRevoked { certificates, reason, invalidity_date, .. } => {
                (certificates, *reason, *invalidity_date)
            }
            Self::IssuerInstalled { .. }
            | Self::DocumentSignerInstalled { .. }
            | Self::WorkOrderCreated { .. }
            | Self::ManifestPart { .. }
            | Self::UnitGivenUp { .. }
            | Self::WorkOrderPaused { .. }
            | Self::WorkOrderResumed { .. }
            | Self::WorkOrderClosed { .. }
            | Self::UnitConfirmed { .. }
            | Self::OperationalIssued { .. }
            | Self::ForkDetected { .. }
            | Self::DuplicateRefused { .. }
            | Self::RevocationBegun { .. }
            | Self::RevocationFinished { .. }
            | Self::DeviceHeld { .. }
            | Self::DeviceReleased { .. }
            | Self::ReworkAllowed { .. }
            | Self::RotationRequested { .. }
            | Self::TimeConfirmed { .. }
            | Self::CredentialIssued { .. }
            | Self::UnitsReserved { .. }
            | Self::UnitsReturned { .. }
            | Self::ReservationWithdrawn { .. }
            | Self::DeferralRefused { .. }
            | Self::ProductPaused(_)
            | Self::ProductResumed { .. } => return None,
        };
        (!certificates.is_empty()).then_some(Revoked { certificates, reason, invalidity_date })
    }

    /// What it put on hold.
    pub fn held(&self) -> &[SerialNumber] {
        match self {
            Self::DeviceHeld { certificates, .. } | Self::ForkDetected { certificates, .. } => certificates,
            _ => &[],
        }
    }

    /// The certificates whose hold it ended.
    pub fn released(&self) -> &[SerialNumber] {
        match self {
            Self::DeviceReleased { certificates, .. } => certificates,
            _ => &[],
        }
    }
}
