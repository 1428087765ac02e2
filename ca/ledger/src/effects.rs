//! What an entry changes, said once. Whatever is derived from the ledger interprets these effects: the
//! overlay of a batch, the index, the projection.

use std::sync::Arc;
use std::time::SystemTime;

use identity::{DeviceId, GeneratorTraces, Principal, PrincipalName, Product, RequestId, Role, SerialNumber};

use super::{
    AlarmFacts, AlarmPair, Entry, Event, Holder, JobFacts, JobId, ReservationChange, RotationFacts,
    SerialPart, SignedCertificate, WorkOrderCounts, WorkOrderId, WorkOrderState, WorkOrderTerms,
};

/// One change that an entry makes to what is known. The effects of an entry are interpreted in their order.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum Effect<'a> {
    /// The entry answers this request of this caller.
    RequestAnswered {
        /// Who asked; `None`: the CA itself.
        caller: Option<&'a Principal>,
        /// The caller's id of the request.
        request: RequestId,
    },
    /// A certificate is on record with the status issued. It takes its serial number and, if nobody has it,
    /// its key.
    CertificateIssued {
        certificate: &'a SignedCertificate,
        holder: Holder,
        /// The certificate that authorised it; `None` but for operational certificates.
        parent: Option<SerialNumber>,
    },
    /// The status of a certificate changes. A revoked certificate stays revoked whatever follows.
    StatusChanged { serial_number: SerialNumber, change: StatusChange },
    /// The operational certificates of a device but one that are issued or in use, and not on hold, are
    /// superseded.
    OthersSuperseded {
        device: &'a DeviceId,
        /// The certificate that stays.
        but: SerialNumber,
        /// When the one that was in use is to be revoked; `None`: it is left to expire.
        in_use_ends: Option<SystemTime>,
    },
    /// A device has a birth certificate, which is the certificate issued just before: its first, or that of a
    /// rework. A unit that was reserved is out no longer.
    DeviceBorn {
        device: &'a DeviceId,
        /// The order that the unit counts against.
        work_order: WorkOrderId,
        birth: SerialNumber,
    },
    /// The request for the birth certificate, which is the certificate issued just before, showed this of the
    /// random generator of the device.
    TracesLeft { device: &'a DeviceId, birth: SerialNumber, traces: &'a GeneratorTraces },
    /// Something that is remembered of a device changes.
    DeviceChanged { device: &'a DeviceId, change: DeviceChange },
    /// The device, or its station for it, did something at the time of the entry.
    DeviceSeen(&'a DeviceId),
    /// There is a work order, and so its product. Its number is one more than that of the order before it.
    WorkOrderCreated { work_order: WorkOrderId, terms: &'a WorkOrderTerms },
    /// The next part of an order's manifest is on record; after the last the order is open.
    ManifestAppended { work_order: WorkOrderId, serials: &'a Arc<SerialPart>, last: bool },
    /// A serial number of the order is given up. A unit that was reserved is out no longer.
    UnitGivenUp { work_order: WorkOrderId, device: &'a DeviceId },
    /// A work order is paused, resumed or closed.
    WorkOrderChanged { work_order: WorkOrderId, state: WorkOrderState },
    /// A product is paused, unless it is.
    ProductPaused(&'a Product),
    /// The pause of a product ends.
    ProductResumed(&'a Product),
    /// Units are reserved, come home, are withdrawn, or are refused for good.
    ReservationChanged(ReservationChange<'a>),
    /// A unit of the order was confirmed.
    UnitConfirmed(WorkOrderId),
    /// A unit of the order was scrapped. Interpreted before the device changes.
    UnitScrapped { work_order: WorkOrderId, device: &'a DeviceId },
    /// A principal has one more credential.
    CredentialIssued { role: Role, name: &'a PrincipalName, serial_number: SerialNumber },
    /// The credentials of a principal were revoked.
    PrincipalRevoked { role: Role, name: &'a PrincipalName },
    /// An alarm was raised.
    AlarmRaised(AlarmPair, AlarmFacts),
    /// A mass revocation begins.
    JobBegun(Box<JobFacts>),
    /// So many more certificates of a mass revocation are revoked.
    JobAdvanced(JobId, u64),
    /// A mass revocation has ended.
    JobFinished(JobId),
    /// Certificates are to be renewed soon.
    RotationRequested(Box<RotationFacts>),
}

/// How the status of a certificate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Its holder proved that it uses it.
    InUse,
    /// It is revoked for ever.
    Revoked,
    /// An operator or a fork put it on hold.
    Held,
    /// The hold has ended: it is again what it was before.
    Released,
}

/// What may be remembered of a device beside its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceFlags {
    /// The station confirmed it.
    pub confirmed: bool,
    /// It failed in the factory, for good.
    pub scrapped: bool,
    /// An operator retired it.
    pub retired: bool,
    /// An operator or a fork put it on hold.
    pub held: bool,
    /// Its next birth certificate is allowed.
    pub rework: bool,
}

/// How what is remembered of a device changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChange {
    /// The station confirmed it.
    Confirmed,
    /// It failed in the factory, for good.
    Scrapped,
    /// An operator retired it.
    Retired,
    /// An operator or a fork put it on hold.
    Held,
    /// The hold has ended.
    Released,
    /// Its next birth certificate is allowed.
    ReworkAllowed,
}

impl DeviceFlags {
    /// Makes a change.
    pub fn change(&mut self, change: DeviceChange) {
        match change {
            DeviceChange::Confirmed => self.confirmed = true,
            DeviceChange::Scrapped => self.scrapped = true,
            DeviceChange::Retired => self.retired = true,
            DeviceChange::Held => self.held = true,
            DeviceChange::Released => self.held = false,
            DeviceChange::ReworkAllowed => self.rework = true,
        }
    }

    /// The device has another birth certificate: it is to be confirmed again, and the rework that was allowed
    /// is used.
    pub fn reborn(&mut self) {
        (self.confirmed, self.rework) = (false, false);
    }
}

impl WorkOrderCounts {
    /// Counts a birth certificate. `was_confirmed` of a unit that had one before: a rework is the same unit,
    /// which is counted once and has to be confirmed again.
    pub fn count_birth(&mut self, was_confirmed: Option<bool>) {
        match was_confirmed {
            None => self.issued += 1,
            Some(confirmed) => {
                self.reworked += 1;
                self.confirmed -= u64::from(confirmed && self.confirmed > 0);
            }
        }
    }

    /// Counts units that are reserved.
    pub fn count_reserved(&mut self, units: u64) {
        self.reserved += units;
    }

    /// Counts units that are out no longer: they were returned, or got their certificates.
    pub fn count_home(&mut self, units: u64) {
        self.reserved = self.reserved.saturating_sub(units);
    }

    /// Counts units that were out when their reservation was withdrawn.
    pub fn count_withdrawn(&mut self, units: u64) {
        self.count_home(units);
        self.withdrawn += units;
    }

    /// Counts a serial number that was given up.
    pub fn count_given_up(&mut self) {
        self.given_up += 1;
    }

    /// Counts a unit that was out and is refused for good.
    pub fn count_refused_after_deferral(&mut self) {
        self.count_home(1);
        self.refused_after_deferral += 1;
    }

    /// Counts a unit that was confirmed.
    pub fn count_confirmed(&mut self) {
        self.confirmed += 1;
    }

    /// Counts a unit that was scrapped, which may have been confirmed before.
    pub fn count_scrapped(&mut self, was_confirmed: bool) {
        self.scrapped += 1;
        self.confirmed -= u64::from(was_confirmed && self.confirmed > 0);
    }
}

/// What the entry changes, in the order in which it is to be interpreted.
#[must_use]
pub fn effects(entry: &Entry) -> Vec<Effect<'_>> {
    let mut effects = Vec::with_capacity(EFFECTS_USUAL);
    if let Some(request) = entry.request {
        effects.push(Effect::RequestAnswered { caller: entry.principal.as_ref(), request });
    }
    if let (Some(certificate), Some(holder)) = (entry.event.certificate(), entry.event.holder()) {
        let parent = match &entry.event {
            Event::OperationalIssued { parent, .. } => Some(*parent),
            _ => None,
        };
        effects.push(Effect::CertificateIssued { certificate, holder, parent });
    }
    let changed = |change| move |serial_number| Effect::StatusChanged { serial_number, change };
    let revoked = entry.event.revoked().map(|revoked| revoked.certificates).unwrap_or_default();
    effects.extend(revoked.iter().map(|one| one.serial_number).map(changed(StatusChange::Revoked)));
    effects.extend(entry.event.held().iter().copied().map(changed(StatusChange::Held)));
    effects.extend(entry.event.released().iter().copied().map(changed(StatusChange::Released)));
    of_event(entry, &mut effects);
    if let Some(pair) = AlarmPair::of(&entry.event) {
        let facts = AlarmFacts { entry: entry.number, at: entry.at, kind: pair.kind() };
        effects.push(Effect::AlarmRaised(pair, facts));
    }
    effects
}

#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of event")]
fn of_event<'a>(entry: &'a Entry, effects: &mut Vec<Effect<'a>>) {
    let changed = |device, change| Effect::DeviceChanged { device, change };
    let order = |id: &WorkOrderId, state| Effect::WorkOrderChanged { work_order: *id, state };
    let in_use = |serial_number| Effect::StatusChanged { serial_number, change: StatusChange::InUse };
    match &entry.event {
        Event::IssuerInstalled { .. }
        | Event::DocumentSignerInstalled { .. }
        | Event::ForkDetected { held: false, .. }
        | Event::TimeConfirmed { .. } => {}
        Event::DuplicateRefused { device, pauses, .. } => {
            effects.extend(pauses.then_some(Effect::ProductPaused(&device.product)));
        }
        Event::ProductPaused(product) => effects.push(Effect::ProductPaused(product)),
        Event::ProductResumed { product, .. } => effects.push(Effect::ProductResumed(product)),
        Event::WorkOrderCreated { work_order, terms } => {
            effects.push(Effect::WorkOrderCreated { work_order: *work_order, terms });
        }
        Event::ManifestPart { work_order, serials, last } => {
            effects.push(Effect::ManifestAppended { work_order: *work_order, serials, last: *last });
        }
        Event::UnitGivenUp { work_order, device, .. } => {
            effects.push(Effect::UnitGivenUp { work_order: *work_order, device });
        }
        Event::WorkOrderPaused(id) => effects.push(order(id, WorkOrderState::Paused)),
        Event::WorkOrderResumed(id) => effects.push(order(id, WorkOrderState::Open)),
        Event::WorkOrderClosed(id) => effects.push(order(id, WorkOrderState::Closed)),
        Event::UnitsReserved { .. }
        | Event::UnitsReturned { .. }
        | Event::ReservationWithdrawn { .. }
        | Event::DeferralRefused { .. } => {
            effects.extend(ReservationChange::of(entry).map(Effect::ReservationChanged));
        }
        Event::BirthIssued { work_order, device, certificate, traces, .. } => {
            let (work_order, birth) = (*work_order, certificate.serial_number);
            effects.extend([
                Effect::TracesLeft { device, birth, traces },
                Effect::DeviceBorn { device, work_order, birth },
                Effect::DeviceSeen(device),
            ]);
        }
        Event::UnitConfirmed { work_order, device, serial_number } => effects.extend([
            changed(device, DeviceChange::Confirmed),
            Effect::DeviceSeen(device),
            in_use(*serial_number),
            Effect::UnitConfirmed(*work_order),
        ]),
        Event::UnitScrapped { work_order, device, .. } => effects.extend([
            Effect::UnitScrapped { work_order: *work_order, device },
            changed(device, DeviceChange::Scrapped),
        ]),
        Event::OperationalIssued { device, .. } => effects.push(Effect::DeviceSeen(device)),
        Event::InstallConfirmed { device, serial_number, parent_ends, .. } => effects.extend([
            Effect::OthersSuperseded { device, but: *serial_number, in_use_ends: *parent_ends },
            in_use(*serial_number),
            Effect::DeviceSeen(device),
        ]),
        Event::ForkDetected { device, held: true, .. } | Event::DeviceHeld { device, .. } => {
            effects.push(changed(device, DeviceChange::Held));
        }
        Event::DeviceReleased { device, .. } => effects.push(changed(device, DeviceChange::Released)),
        Event::DeviceRetired { device, .. } => effects.push(changed(device, DeviceChange::Retired)),
        Event::ReworkAllowed { device, .. } => effects.push(changed(device, DeviceChange::ReworkAllowed)),
        Event::CertificatesRevoked { certificates, job, .. } => {
            effects.extend(job.map(|job| Effect::JobAdvanced(job, certificates.len() as u64)));
        }
        Event::RevocationBegun { job, terms } => effects.push(Effect::JobBegun(Box::new(JobFacts {
            id: *job,
            terms: terms.clone(),
            revoked: 0,
            begun_at: entry.at,
            begun_by: entry.principal.clone(),
            begun: entry.number,
            finished: None,
        }))),
        Event::RotationRequested(terms) => effects.push(Effect::RotationRequested(Box::new(RotationFacts {
            entry: entry.number,
            requested_at: entry.at,
            requested_by: entry.principal.clone(),
            terms: terms.clone(),
        }))),
        Event::RevocationFinished(job) => effects.push(Effect::JobFinished(*job)),
        Event::CredentialIssued { role, name, certificate } => {
            let (role, serial_number) = (*role, certificate.serial_number);
            effects.push(Effect::CredentialIssued { role, name, serial_number });
        }
        Event::PrincipalRevoked { role, name, .. } => {
            effects.push(Effect::PrincipalRevoked { role: *role, name });
        }
    }
}

/// Effects of most entries.
const EFFECTS_USUAL: usize = 6;
