//! What a store answers with. The types that can be sent to a caller are made only here, from entries on
//! record (R-CA-07).

use std::sync::Arc;
use std::time::SystemTime;

use identity::{PrincipalName, Product, RevocationReason, Role, SerialNumber};
use ledger::{
    CertificateFacts, CertificateStatus, Conflict, Entry, EntryNumber, Event, Holder, PrincipalFacts,
    Revoked, SignedCertificate, WorkOrderId,
};

/// An entry that is on record, durably: the ledger's answer to a command.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub(crate) entry: Arc<Entry>,
    pub(crate) replayed: bool,
}

impl Recorded {
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
    certificate: SignedCertificate,
}

impl Released {
    fn from_entry(entry: &Arc<Entry>) -> Option<Self> {
        let certificate = entry.event.certificate()?.clone();
        Some(Self { entry: Arc::clone(entry), certificate })
    }

    /// X.509 DER.
    pub fn der(&self) -> &[u8] {
        &self.certificate.der
    }

    /// RFC 5280, section 4.1.2.2.
    pub fn serial_number(&self) -> SerialNumber {
        self.certificate.serial_number
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
    Alarm {
        /// Why.
        conflict: Conflict,
        /// Whether the alarm would pause a product.
        pauses: bool,
    },
}

/// A certificate on record.
#[derive(Debug, Clone)]
pub struct CertificateRecord {
    released: Released,
    status: CertificateStatus,
    revocation: Option<Revocation>,
    ends: Option<SystemTime>,
    overtaken_by: Option<SerialNumber>,
}

impl CertificateRecord {
    /// `None` if `entry` holds no certificate. `changed`: the entry that last changed its status. It says why
    /// the certificate was revoked or held, when a superseded one is to be revoked, and which certificate was
    /// used instead of one that was revoked for it.
    pub(super) fn of(entry: &Arc<Entry>, facts: &CertificateFacts, changed: Option<&Entry>) -> Option<Self> {
        let released = Released::from_entry(entry)?;
        let revocation = changed.and_then(|changed| Revocation::of(changed, facts));
        let (ends, overtaken_by) = match (changed.map(|changed| &changed.event), facts.status) {
            (Some(Event::InstallConfirmed { parent_ends, .. }), CertificateStatus::Superseded) => {
                (*parent_ends, None)
            }
            (Some(Event::InstallConfirmed { serial_number, .. }), CertificateStatus::Revoked) => {
                (None, Some(*serial_number))
            }
            _ => (None, None),
        };
        Some(Self { released, status: facts.status, revocation, ends, overtaken_by })
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
        &self.released.entry
    }

    /// The certificate.
    pub fn certificate(&self) -> &SignedCertificate {
        &self.released.certificate
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
        self.entry().event.holder()
    }

    /// The serial number of the certificate that authorised it.
    pub fn parent(&self) -> Option<SerialNumber> {
        match &self.entry().event {
            Event::OperationalIssued { parent, .. } => Some(*parent),
            _ => None,
        }
    }

    /// The work order that a birth certificate was counted against.
    pub fn work_order(&self) -> Option<WorkOrderId> {
        match &self.entry().event {
            Event::BirthIssued { work_order, .. } => Some(*work_order),
            _ => None,
        }
    }

    /// It, to be sent.
    pub fn released(&self) -> Released {
        self.released.clone()
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

    fn for_ever(entry: &Entry, serial_number: SerialNumber) -> Option<Self> {
        let revoked = entry.event.revoked()?;
        let named = revoked.certificates.iter().find(|one| one.serial_number == serial_number)?;
        Some(Self::by(entry, &revoked, named.since))
    }

    /// What the entry says of those that it revoked; `since`: a date that is kept.
    pub(super) fn by(entry: &Entry, revoked: &Revoked<'_>, since: Option<SystemTime>) -> Self {
        Self {
            at: since.unwrap_or(entry.at),
            reason: revoked.reason,
            invalidity_date: revoked.invalidity_date,
            entry: entry.number,
        }
    }
}

/// A product that a work order was made for, and its last pause.
#[derive(Debug, Clone)]
pub struct ProductRecord {
    /// Its name.
    pub product: Product,
    /// The entry that paused it last: [`Event::ProductPaused`], or the alarm that did it; `None`: it never
    /// was paused.
    pub paused_by: Option<Arc<Entry>>,
    /// The entry that ended that pause; `None`: it goes on, or there was none.
    pub resumed_by: Option<Arc<Entry>>,
}

impl ProductRecord {
    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.paused_by.is_some() && self.resumed_by.is_none()
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
            credential.status != CertificateStatus::Revoked && credential.certificate().validity.contains(now)
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
