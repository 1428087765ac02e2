//! What [`decide`](super::decide) may look at: the rows that a command touches, as of the last entry.

use std::sync::Arc;
use std::time::SystemTime;

use identity::{
    DeviceId, DeviceSerial, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, ProfileName,
    RequestId, Role, SerialNumber,
};

use super::{
    AlarmPair, DeviceFlags, Entry, EntryNumber, JobFacts, JobId, ProductFacts, ReservationFacts,
    ReservationId, ReservedUnit, SerialPart, Serials, Trace, WorkOrderCounts, WorkOrderId, WorkOrderState,
    WorkOrderTerms,
};

/// The ledger's state, one row at a time. All rows are as of one entry and nobody changes them while `decide`
/// looks.
pub trait View {
    /// Why a row could not be read. `decide` passes it through.
    type Fault: ViewFault;

    /// The entry that answered this request of this caller, and what it was about.
    fn request(
        &self,
        principal: Option<&Principal>,
        request: &RequestId,
    ) -> Result<Option<RequestFacts>, Self::Fault>;
    /// A device that was born.
    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>, Self::Fault>;
    /// Whether a device was born: asked for every serial number that a reservation passes, so a view that can
    /// answer from memory should.
    fn is_born(&self, device: &DeviceId) -> Result<bool, Self::Fault> {
        Ok(self.device(device)?.is_some())
    }
    /// All certificates that the device ever had, oldest first. Reads each: not for what devices ask every
    /// day.
    fn certificates(&self, device: &DeviceId) -> Result<Vec<SerialNumber>, Self::Fault>;
    /// A certificate of anybody, issuers included.
    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>, Self::Fault>;
    /// What a certificate of anybody is worth: asked for every command, so a view that can answer from memory
    /// should.
    fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>, Self::Fault> {
        Ok(self.certificate(serial_number)?.map(|facts| facts.status))
    }
    /// The certificate that first used this key (R-KEY-11: there is no second).
    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>, Self::Fault>;
    /// The birth certificate whose request first left this trace (R-KEY-14: there is no second).
    fn trace(&self, trace: &Trace<'_>) -> Result<Option<CertificateFacts>, Self::Fault>;
    /// A product that a work order was made for.
    fn product(&self, product: &Product) -> Result<Option<ProductFacts>, Self::Fault>;
    /// A work order.
    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>, Self::Fault>;
    /// How many work orders there are; their ids are 1 to this.
    fn work_orders(&self) -> Result<u64, Self::Fault>;
    /// The orders that wait for the rest of their manifests, in their order.
    fn incomplete_orders(&self) -> Result<Vec<WorkOrderId>, Self::Fault>;
    /// The entry that gave up the serial number of a unit that has no certificate.
    fn given_up(&self, device: &DeviceId) -> Result<Option<EntryNumber>, Self::Fault>;
    /// A reservation.
    fn reservation(&self, reservation: ReservationId) -> Result<Option<ReservationFacts>, Self::Fault>;
    /// How many reservations there are; their ids are 1 to this.
    fn reservations(&self) -> Result<u64, Self::Fault>;
    /// The reservation that a unit is out for, or was when it was withdrawn or refused for good; `None`
    /// also for a unit that has a certificate.
    fn reserved_unit(&self, device: &DeviceId) -> Result<Option<ReservedUnit>, Self::Fault>;
    /// The serial numbers of a reservation that are out, in their order.
    fn units_out(&self, reservation: ReservationId) -> Result<Vec<DeviceSerial>, Self::Fault>;
    /// How many units are out for a station.
    fn units_out_for(&self, station: &PrincipalName) -> Result<u64, Self::Fault>;
    /// A serial number of the order behind which a search for free ones begins: it and all before it are
    /// taken, or were returned. `None`: at the beginning.
    fn passed(&self, work_order: WorkOrderId) -> Result<Option<DeviceSerial>, Self::Fault>;
    /// The first serial number of the order behind `after` that was returned and not taken again under this
    /// order.
    fn returned(
        &self,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Result<Option<DeviceSerial>, Self::Fault>;
    /// A principal that is not a device.
    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>, Self::Fault>;
    /// The names of all principals of a role, in their order.
    fn principals_of(&self, role: Role) -> Result<Vec<PrincipalName>, Self::Fault>;
    /// The certificate of an issuer.
    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>, Self::Fault>;
    /// Whether this alarm is on record.
    fn alarm(&self, pair: &AlarmPair) -> Result<bool, Self::Fault>;
    /// How many alarms were raised at `since` or later; it may stop counting at `enough`.
    fn alarms_since(&self, since: SystemTime, enough: usize) -> Result<usize, Self::Fault>;
    /// A mass revocation.
    fn job(&self, job: JobId) -> Result<Option<JobFacts>, Self::Fault>;
    /// How many mass revocations there are; their numbers are 1 to this.
    fn jobs(&self) -> Result<u64, Self::Fault>;
    /// How many rotation requests are not forgotten at `now`.
    fn rotations(&self, now: SystemTime) -> Result<usize, Self::Fault>;
}

/// Why a row of a [`View`] could not be read.
pub trait ViewFault {}

impl ViewFault for std::convert::Infallible {}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The entry that answers it.
    pub entry: EntryNumber,
    /// SHA-256 over what was asked.
    pub content: [u8; 32],
    /// The certificate that it brought, if any.
    pub certificate: Option<SerialNumber>,
}

/// A device that was born.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device.
    pub id: DeviceId,
    /// The order it was made under.
    pub work_order: WorkOrderId,
    /// Who asked for its birth certificate.
    pub station: Option<Principal>,
    /// When that was.
    pub born_at: SystemTime,
    /// Its birth certificate: the last one, if it was reworked.
    pub birth: SerialNumber,
    /// Its certificates that are issued or in use, on hold or not, oldest first: a few, however old it is.
    /// See [`View::certificates`].
    pub live: Vec<SerialNumber>,
    /// Its operational certificate in use.
    pub operational: Option<SerialNumber>,
    /// What is remembered of it beside its certificates.
    pub flags: DeviceFlags,
    /// The entry that last confirmed, scrapped, retired, held, released or reworked it, or allowed that.
    pub changed: Option<EntryNumber>,
    /// When it, or its station for it, was last seen; whole seconds. At least what is on record; a store also
    /// keeps, best effort, what is not.
    pub seen_at: SystemTime,
}

impl DeviceFacts {
    /// Where it is in its life.
    pub fn state(&self) -> DeviceState {
        DeviceState::of(self.flags, !self.live.is_empty(), self.operational.is_some())
    }

    /// One of its certificates is no longer issued or in use.
    pub(crate) fn lose(&mut self, serial_number: &SerialNumber) {
        self.live.retain(|live| live != serial_number);
        self.operational = self.operational.filter(|used| used != serial_number);
    }
}

/// Where a device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceState {
    /// It has a birth certificate; the station has not confirmed it.
    Issued,
    /// The station confirmed it.
    Provisioned,
    /// It has an operational certificate in use.
    Enrolled,
    /// It failed in the factory, for good.
    Scrapped,
    /// It is on hold: its certificates are not accepted until it is released.
    Held,
    /// An operator retired it.
    Retired,
    /// It has no certificate that is issued or in use, on hold or not: all such certificates of it were
    /// revoked, its birth certificate among them. What it has left are superseded certificates, if any, and
    /// those authorise nothing. Only a rework brings it back.
    Revoked,
}

impl DeviceState {
    /// Of a device with these flags; whether it has a certificate that is issued or in use, on hold or not,
    /// and whether an operational certificate of it is in use. What comes first here hides what comes after
    /// it: a revoked device that is also on hold is revoked, because a release would bring nothing back.
    #[must_use]
    pub fn of(flags: DeviceFlags, lives: bool, enrolled: bool) -> Self {
        match flags {
            DeviceFlags { scrapped: true, .. } => Self::Scrapped,
            DeviceFlags { retired: true, .. } => Self::Retired,
            _ if !lives => Self::Revoked,
            DeviceFlags { held: true, .. } => Self::Held,
            _ if enrolled => Self::Enrolled,
            DeviceFlags { confirmed: true, .. } => Self::Provisioned,
            _ => Self::Issued,
        }
    }
}

/// A certificate on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The entry that recorded it.
    pub entry: EntryNumber,
    /// RFC 5280, section 4.1.2.2.
    pub serial_number: SerialNumber,
    /// The device or principal that holds it.
    pub holder: Holder,
    /// Who signed it.
    pub issuer: IssuerName,
    /// The certificate's profile.
    pub profile: ProfileName,
    /// Of its subject's key.
    pub key: KeyFingerprint,
    /// Its last second (RFC 5280, section 4.1.2.5).
    pub not_after: SystemTime,
    /// The shard of its issuer's CRLs that it is in.
    pub shard: Option<u32>,
    /// The certificate that authorised it.
    pub parent: Option<SerialNumber>,
    /// Its status. Expiry is not part of it.
    pub status: CertificateStatus,
    /// While it is on hold: since when, and the status that a release restores.
    pub hold: Option<HoldFacts>,
    /// Superseded: when it is to be revoked; `None`: it is left to expire.
    pub ends: Option<SystemTime>,
    /// The entry that last changed its status.
    pub changed: Option<EntryNumber>,
}

/// A certificate's hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldFacts {
    /// Since when.
    pub since: SystemTime,
    /// What a release makes it.
    pub was: CertificateStatus,
}

/// Whose a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A device, station, operator, relying party or service.
    Principal(Principal),
    /// One of the CAs.
    Issuer(IssuerName),
    /// The CA as the signer of documents.
    DocumentSigner,
}

impl Holder {
    /// The device; `None`: it is not a device.
    pub fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Principal(Principal::Device(device)) => Some(device),
            Self::Principal(Principal::Named { .. }) | Self::Issuer(_) | Self::DocumentSigner => None,
        }
    }
}

/// What a certificate on record is worth. Expiry is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateStatus {
    /// On record; its holder has not been seen using it.
    Issued,
    /// Its holder proved that it has it and uses it.
    InUse,
    /// Revoked for ever.
    Revoked,
    /// Another one of the same holder is in use instead.
    Superseded,
    /// On hold: the only revocation that can be undone (R-CRL-06).
    Held,
}

impl CertificateStatus {
    /// Whether it is neither revoked nor on hold.
    pub fn is_good(self) -> bool {
        !matches!(self, Self::Revoked | Self::Held)
    }
}

/// A work order and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOrderFacts {
    /// The work order's number.
    pub id: WorkOrderId,
    /// What it allows.
    pub terms: Arc<WorkOrderTerms>,
    /// Whether it may be used.
    pub state: WorkOrderState,
    /// What became of it.
    pub counts: WorkOrderCounts,
    /// When it was made.
    pub created_at: SystemTime,
    /// Who made it.
    pub created_by: Option<Principal>,
    /// The entry that made it.
    pub created: EntryNumber,
    /// The entry that made it, added to its manifest, or last changed its state.
    pub changed: EntryNumber,
}

impl WorkOrderFacts {
    /// The next part of its manifest is on record; `open`: it was the last.
    pub fn append_manifest(&mut self, entry: EntryNumber, part: &Arc<SerialPart>, open: bool) {
        let mut terms = WorkOrderTerms::clone(&self.terms);
        if let Serials::Manifest(list) = &mut terms.serials {
            list.push(Arc::clone(part));
        }
        (self.terms, self.changed) = (terms.into(), entry);
        if open {
            self.state = WorkOrderState::Open;
        }
    }

    /// The order that the entry created.
    #[must_use]
    pub fn created(entry: &Entry, id: WorkOrderId, terms: &WorkOrderTerms) -> Self {
        Self {
            id,
            terms: terms.clone().into(),
            state: match terms.serials.are_whole() {
                true => WorkOrderState::Open,
                false => WorkOrderState::Incomplete,
            },
            counts: WorkOrderCounts::default(),
            created_at: entry.at,
            created_by: entry.principal.clone(),
            created: entry.number,
            changed: entry.number,
        }
    }
}

/// A principal that is not a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalFacts {
    /// What it may be.
    pub role: Role,
    /// Unique in its role.
    pub name: PrincipalName,
    /// When its first credential was recorded.
    pub created_at: SystemTime,
    /// All its credentials, oldest first.
    pub certificates: Vec<SerialNumber>,
    /// The entry that last revoked them.
    pub revoked: Option<EntryNumber>,
}

impl PrincipalFacts {
    /// A principal without a credential yet.
    #[must_use]
    pub fn created(role: Role, name: PrincipalName, created_at: SystemTime) -> Self {
        Self { role, name, created_at, certificates: Vec::new(), revoked: None }
    }
}
