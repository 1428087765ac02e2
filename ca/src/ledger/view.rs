//! What [`decide`](super::decide) may look at: the rows that a command touches, as of the last entry.

use std::sync::Arc;
use std::time::SystemTime;

use identity::{DeviceId, KeyFingerprint, Principal, PrincipalName, RequestId, Role, SerialNumber};
use issuance::{IssuerName, ProfileName};

use super::{EntryNumber, WorkOrderCounts, WorkOrderId, WorkOrderState, WorkOrderTerms};

/// The ledger's state, one row at a time. All rows are as of one entry and nobody changes them while `decide` looks.
pub trait View {
    /// Why a row could not be read. `decide` passes it through.
    type Fault;

    /// The entry that answered this request of this caller, and what it was about.
    fn request(
        &self,
        principal: Option<&Principal>,
        request: &RequestId,
    ) -> Result<Option<RequestFacts>, Self::Fault>;
    /// A device that was born.
    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>, Self::Fault>;
    /// A certificate of anybody, issuers included.
    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>, Self::Fault>;
    /// What a certificate of anybody is worth: asked for every command, so a view that can answer from memory should.
    fn standing(&self, serial_number: &SerialNumber) -> Result<Option<Standing>, Self::Fault> {
        Ok(self.certificate(serial_number)?.map(|facts| facts.standing))
    }
    /// The certificate that first used this key (R-KEY-11: there is no second).
    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>, Self::Fault>;
    /// A work order.
    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>, Self::Fault>;
    /// How many work orders there are; their ids are 1 to this.
    fn work_orders(&self) -> Result<u64, Self::Fault>;
    /// A principal that is not a device.
    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>, Self::Fault>;
    /// The certificate of an issuer.
    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>, Self::Fault>;
}

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
    /// Which.
    pub id: DeviceId,
    /// The order it was made under.
    pub work_order: WorkOrderId,
    /// Who asked for its birth certificate.
    pub station: Option<Principal>,
    /// When that was.
    pub born_at: SystemTime,
    /// All its certificates, oldest first; the first is its birth certificate.
    pub certificates: Vec<SerialNumber>,
    /// Its operational certificate in use.
    pub operational: Option<SerialNumber>,
    /// Whether the station confirmed it.
    pub confirmed: bool,
    /// Whether it was scrapped.
    pub scrapped: bool,
    /// The entry that confirmed or scrapped it, whichever was last.
    pub changed: Option<EntryNumber>,
}

impl DeviceFacts {
    /// Where it is in its life.
    pub fn state(&self) -> DeviceState {
        DeviceState::of(self.confirmed, self.operational.is_some(), self.scrapped)
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
}

impl DeviceState {
    /// The latest stage that was reached.
    pub fn of(confirmed: bool, enrolled: bool, scrapped: bool) -> Self {
        match (scrapped, enrolled, confirmed) {
            (true, _, _) => Self::Scrapped,
            (_, true, _) => Self::Enrolled,
            (_, _, true) => Self::Provisioned,
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
    /// Whose it is.
    pub holder: Holder,
    /// By which law.
    pub profile: ProfileName,
    /// Of its subject's key.
    pub key: KeyFingerprint,
    /// Its last second (RFC 5280, section 4.1.2.5).
    pub not_after: SystemTime,
    /// What it is worth.
    pub standing: Standing,
    /// The entry that last changed its standing.
    pub changed: Option<EntryNumber>,
}

/// Whose a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A device, station, operator, relying party or service.
    Principal(Principal),
    /// One of the CAs.
    Issuer(IssuerName),
}

/// What a certificate on record is worth. Expiry is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// On record; its holder has not been seen using it.
    Issued,
    /// Its holder proved that it has it and uses it.
    InUse,
    /// Withdrawn for ever.
    Revoked,
    /// Another one of the same holder is in use instead.
    Superseded,
}

/// A work order and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOrderFacts {
    /// Which.
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
    /// The entry that made it, or last changed its state.
    pub changed: EntryNumber,
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
    /// The entry that last withdrew them.
    pub revoked: Option<EntryNumber>,
}
