//! What a store answers with. The types that can be sent to a caller are made only here, from entries on
//! record (R-CA-07).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use identity::{DeviceId, Principal, PrincipalName, Product, RevocationReason, Role, SerialNumber};
use ledger::{
    CertificateFacts, CertificateStatus, Conflict, DeviceFacts, DeviceState, Entry, EntryNumber, Event,
    Holder, PrincipalFacts, SignedCertificate, WorkOrderCounts, WorkOrderFacts, WorkOrderId, WorkOrderState,
    WorkOrderTerms,
};
use ledger_log::LogMetrics;

use super::StoreError;

/// An entry that is on record, durably: the ledger's answer to a command.
#[derive(Debug, Clone)]
pub struct Recorded {
    entry: Arc<Entry>,
    replayed: bool,
}

impl Recorded {
    pub(super) fn fresh(entry: Arc<Entry>) -> Self {
        Self { entry, replayed: false }
    }

    pub(super) fn replayed(entry: Arc<Entry>) -> Self {
        Self { entry, replayed: true }
    }

    /// The entry. When nothing was left to do, the earlier one that did it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Whether the entry was on record before this command.
    pub fn is_replay(&self) -> bool {
        self.replayed
    }

    /// The certificate that the entry holds, if it holds one.
    pub fn released(&self) -> Option<Released> {
        Released::from_entry(&self.entry)
    }
}

/// A certificate that may be sent: it is on record. Nothing but a store can make one.
#[derive(Debug, Clone)]
pub struct Released {
    entry: Arc<Entry>,
    der: Bytes,
    serial_number: SerialNumber,
}

impl Released {
    fn from_entry(entry: &Arc<Entry>) -> Option<Self> {
        let certificate = entry.event.certificate()?;
        Some(Self {
            der: certificate.der.clone(),
            serial_number: certificate.serial_number,
            entry: Arc::clone(entry),
        })
    }

    /// X.509 DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// RFC 5280, section 4.1.2.2.
    pub fn serial_number(&self) -> SerialNumber {
        self.serial_number
    }

    /// The entry that recorded it.
    pub fn entry_number(&self) -> EntryNumber {
        self.entry.number
    }
}

/// What `commit` would say.
#[derive(Debug, Clone)]
pub enum Preflight {
    /// This was asked before; here is the answer. Final: nothing needs to be signed or committed.
    Answered(Recorded),
    /// It would be refused now.
    Refused(Conflict),
    /// Nothing is in the way now.
    Clear,
    /// It would be refused now, and an alarm would be put on record.
    Alarm(Conflict),
}

/// A certificate on record.
#[derive(Debug, Clone)]
pub struct CertificateRecord {
    entry: Arc<Entry>,
    certificate: SignedCertificate,
    status: CertificateStatus,
    revocation: Option<Revocation>,
    ends: Option<SystemTime>,
    overtaken_by: Option<SerialNumber>,
}

impl CertificateRecord {
    /// `None` if the entry holds no certificate.
    pub(super) fn from_entry(
        entry: Arc<Entry>,
        status: CertificateStatus,
        revocation: Option<Revocation>,
    ) -> Option<Self> {
        let certificate = entry.event.certificate()?.clone();
        Some(Self { entry, certificate, status, revocation, ends: None, overtaken_by: None })
    }

    /// With the entry that last changed its status: it says when a superseded certificate is to be revoked,
    /// and which certificate was used instead of one that was revoked for it.
    pub(super) fn changed_by(self, changed: &Entry) -> Self {
        match (&changed.event, self.status) {
            (Event::InstallConfirmed { parent_ends, .. }, CertificateStatus::Superseded) => {
                Self { ends: *parent_ends, ..self }
            }
            (Event::InstallConfirmed { serial_number, .. }, CertificateStatus::Revoked) => {
                Self { overtaken_by: Some(*serial_number), ..self }
            }
            _ => self,
        }
    }

    /// The certificate of the same device whose first use revoked this one: as a sibling that was never used,
    /// or as its parent.
    pub fn overtaken_by(&self) -> Option<SerialNumber> {
        self.overtaken_by
    }

    /// When it is to be revoked because its successor is in use; `None`: that is not planned.
    pub fn ends(&self) -> Option<SystemTime> {
        self.ends
    }

    /// The entry that recorded it: who asked, and when.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The certificate.
    pub fn certificate(&self) -> &SignedCertificate {
        &self.certificate
    }

    /// What it is worth. Expiry is not part of it.
    pub fn status(&self) -> CertificateStatus {
        self.status
    }

    /// When and why it was revoked; `None` unless it was.
    pub fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }

    /// The device or principal that holds it.
    pub fn holder(&self) -> Option<Holder> {
        self.entry.event.holder()
    }

    /// The serial number of the certificate that authorised it.
    pub fn parent(&self) -> Option<SerialNumber> {
        match &self.entry.event {
            Event::OperationalIssued { parent, .. } => Some(*parent),
            _ => None,
        }
    }

    /// The work order that a birth certificate was counted against.
    pub fn work_order(&self) -> Option<WorkOrderId> {
        match &self.entry.event {
            Event::BirthIssued { work_order, .. } => Some(*work_order),
            _ => None,
        }
    }

    /// It, to be sent.
    pub fn released(&self) -> Released {
        Released {
            entry: Arc::clone(&self.entry),
            der: self.certificate.der.clone(),
            serial_number: self.certificate.serial_number,
        }
    }
}

/// When and why a certificate was revoked or put on hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: SystemTime,
    /// Why; [`RevocationReason::CertificateHold`]: for now.
    pub reason: RevocationReason,
    /// When the key is believed to have been lost (RFC 5280, section 5.3.2).
    pub invalidity_date: Option<SystemTime>,
    /// The entry that did it.
    pub entry: EntryNumber,
}

impl Revocation {
    /// What the entry, which last changed the certificate, did to it; `None` if it revoked and held nothing.
    pub(super) fn of(entry: &Entry, facts: &CertificateFacts) -> Option<Self> {
        match facts.status {
            CertificateStatus::Held => Some(Self::hold(entry)),
            CertificateStatus::Revoked => Self::for_ever(entry, facts.serial_number),
            CertificateStatus::Issued | CertificateStatus::InUse | CertificateStatus::Superseded => None,
        }
    }

    pub(super) fn hold(entry: &Entry) -> Self {
        let reason = RevocationReason::CertificateHold;
        Self { at: entry.at, reason, invalidity_date: None, entry: entry.number }
    }

    pub(super) fn for_ever(entry: &Entry, serial_number: SerialNumber) -> Option<Self> {
        let revoked = entry.event.revoked()?;
        let named = revoked.certificates.iter().find(|one| one.serial_number == serial_number)?;
        Some(Self {
            at: named.since.unwrap_or(entry.at),
            reason: revoked.reason,
            invalidity_date: revoked.invalidity_date,
            entry: entry.number,
        })
    }
}

/// An alarm.
#[derive(Debug, Clone)]
pub struct AlarmRecord {
    entry: Arc<Entry>,
}

impl AlarmRecord {
    pub(super) fn of(entry: Arc<Entry>) -> Self {
        Self { entry }
    }

    /// The entry that raised it: when, who asked, and what happened.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The device.
    pub id: DeviceId,
    /// Where it is in its life.
    pub state: DeviceState,
    /// The order it was made under.
    pub work_order: WorkOrderId,
    /// Who asked for its birth certificate.
    pub station: Option<Principal>,
    /// When its birth certificate was recorded.
    pub born_at: SystemTime,
    /// Of its birth certificate.
    pub birth: SerialNumber,
    /// Of its operational certificate in use.
    pub operational: Option<SerialNumber>,
    /// Whether a new birth certificate is allowed.
    pub rework: bool,
    /// Whether it is on hold, also where another state comes first.
    pub held: bool,
    /// When it, or its station for it, was last seen; whole seconds. Best effort: a crash forgets at most a
    /// minute, but never what is on record.
    pub last_seen: SystemTime,
}

impl DeviceRecord {
    /// `None` for a device that was never born.
    pub(super) fn of(facts: &DeviceFacts) -> Option<Self> {
        Some(Self {
            id: facts.id.clone(),
            state: facts.state(),
            work_order: facts.work_order,
            station: facts.station.clone(),
            born_at: facts.born_at,
            birth: facts.birth,
            operational: facts.operational,
            rework: facts.flags.rework,
            held: facts.flags.held,
            last_seen: facts.seen_at,
        })
    }
}

/// A work order.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOrderRecord {
    /// The work order's number.
    pub id: WorkOrderId,
    /// What it allows.
    pub terms: Arc<WorkOrderTerms>,
    /// Whether it may be used, within its window.
    pub state: WorkOrderState,
    /// What became of it.
    pub counts: WorkOrderCounts,
    /// When it was made.
    pub created_at: SystemTime,
    /// Who made it.
    pub created_by: Option<Principal>,
}

impl From<WorkOrderFacts> for WorkOrderRecord {
    fn from(facts: WorkOrderFacts) -> Self {
        let WorkOrderFacts { id, terms, state, counts, created_at, created_by, changed: _ } = facts;
        Self { id, terms, state, counts, created_at, created_by }
    }
}

/// A principal that is not a device.
#[derive(Debug, Clone)]
pub struct PrincipalRecord {
    /// What it may be.
    pub role: Role,
    /// Unique in its role.
    pub name: PrincipalName,
    /// When its first credential was recorded.
    pub created_at: SystemTime,
    /// Its newest credential.
    pub credential: CertificateRecord,
    /// Whether it has a credential that is neither expired nor revoked.
    pub active: bool,
}

impl PrincipalRecord {
    /// `None` if it has no credential.
    pub(super) fn of(
        facts: &PrincipalFacts,
        credentials: Vec<CertificateRecord>,
        now: SystemTime,
    ) -> Option<Self> {
        let active = credentials.iter().any(|credential| {
            credential.status != CertificateStatus::Revoked && credential.certificate.validity.contains(now)
        });
        Some(Self {
            role: facts.role,
            name: facts.name.clone(),
            created_at: facts.created_at,
            credential: credentials.into_iter().next_back()?,
            active,
        })
    }
}

/// Units that nobody accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unaccounted {
    /// How many there are in all.
    pub count: u64,
    /// Some of them, by serial.
    pub devices: Vec<DeviceId>,
}

/// Which devices to list. Everything that is `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Of this product.
    pub product: Option<Product>,
    /// Made under this order.
    pub work_order: Option<WorkOrderId>,
    /// In this state.
    pub state: Option<DeviceState>,
    /// Whose `product/serial` contains this, upper and lower case alike.
    pub text: Option<String>,
}

impl DeviceFilter {
    /// Whether the device is one of those.
    pub fn matches(&self, device: &DeviceRecord) -> bool {
        self.product.as_ref().is_none_or(|product| device.id.product == *product)
            && self.work_order.is_none_or(|work_order| device.work_order == work_order)
            && self.state.is_none_or(|state| device.state == state)
            && self.matches_text(&device.id)
    }

    /// Whether the device's name contains the text.
    pub(super) fn matches_text(&self, device: &DeviceId) -> bool {
        self.text
            .as_ref()
            .is_none_or(|text| device.to_string().to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
    }
}

/// Some rows of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the listing's order.
    pub rows: Vec<T>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The page with each row looked up; a row that is nothing is left out.
    pub(super) fn try_map<U>(
        self,
        look_up: impl Fn(T) -> Result<Option<U>, StoreError>,
    ) -> Result<Page<U>, StoreError> {
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            rows.extend(look_up(row)?);
        }
        Ok(Page { rows, next: self.next })
    }
}

/// Where a page starts. Opaque; good for the listing and the filter that gave it out, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub(super) Vec<u8>);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > CURSOR_CHARACTERS_MAX {
            return Err(StoreError::CursorUnknown);
        }
        hex::decode(text).map(Self).map_err(|_| StoreError::CursorUnknown)
    }
}

/// Figures for metrics. All counts are since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Last durable entry.
    pub head: u64,
    /// Entries that this process appended.
    pub entries: u64,
    /// Commands refused by a rule.
    pub conflicts: u64,
    /// Whether commits are refused for good.
    pub stopped: bool,
    /// Figures of the log.
    pub log: LogMetrics,
    /// The entry that listings have reached.
    pub projected: u64,
    /// How long ago the oldest entry that listings do not show yet was committed; zero when they show all.
    pub projection_lag: Duration,
    /// Whether listings start from the beginning.
    pub projection_rebuilding: bool,
    /// How often the projection was thrown away.
    pub projection_rebuilds: u64,
    /// Calls of `commit` that wait for their answers.
    pub queued: u64,
}

/// Longest cursor that we give out: a device id and a few numbers, in hexadecimal.
const CURSOR_CHARACTERS_MAX: usize = 512;
