//! What an entry does to the rows: pure, and the same for every store.

mod lifecycle;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Principal, ProfileName, RequestId, SerialNumber};

use super::{
    AlarmFacts, AlarmPair, CertificateFacts, DeviceFacts, Entry, Event, HoldFacts, Holder, JobFacts,
    PrincipalFacts, RequestFacts, RotationFacts, Standing, View, WorkOrderCounts, WorkOrderFacts,
    WorkOrderId, WorkOrderState,
};

/// The rows as they are after an entry; rows that it does not touch are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Who asked what, and the answer.
    pub request: Option<(Option<Principal>, RequestId, RequestFacts)>,
    /// Devices.
    pub devices: Vec<DeviceFacts>,
    /// Certificates; one that is new takes its key.
    pub certificates: Vec<CertificateFacts>,
    /// A work order.
    pub work_order: Option<WorkOrderFacts>,
    /// A principal.
    pub principal: Option<PrincipalFacts>,
    /// An alarm that was raised.
    pub alarm: Option<(AlarmPair, AlarmFacts)>,
    /// A mass revocation.
    pub job: Option<JobFacts>,
    /// A request for rotation.
    pub rotation: Option<RotationFacts>,
}

/// What the entry, which follows all that the view shows, does to the rows.
///
/// # Errors
/// The view's.
pub fn apply<V: View>(view: &V, entry: &Entry) -> Result<Changes, V::Fault> {
    let mut changes = Changes::default();
    if let Some(request) = entry.request {
        let certificate = entry.event.certificate().map(|certificate| certificate.serial_number);
        let facts = RequestFacts { entry: entry.number, content: entry.content, certificate };
        changes.request = Some((entry.principal.clone(), request, facts));
    }
    if let (Some(certificate), Some(holder)) = (entry.event.certificate(), entry.event.holder()) {
        let parent = match &entry.event {
            Event::OperationalIssued { parent, .. } => Some(*parent),
            _ => None,
        };
        changes.certificates.push(CertificateFacts {
            entry: entry.number,
            serial_number: certificate.serial_number,
            holder,
            issuer: certificate.issuer,
            profile: certificate.profile,
            key: certificate.key,
            not_after: certificate.validity.not_after(),
            shard: certificate.shard,
            parent,
            standing: Standing::Issued,
            hold: None,
            ends: None,
            changed: None,
        });
    }
    changes.withdraw(view, entry)?;
    match &entry.event {
        Event::IssuerInstalled { .. } => {}
        Event::WorkOrderCreated { .. }
        | Event::WorkOrderPaused { .. }
        | Event::WorkOrderResumed { .. }
        | Event::WorkOrderClosed { .. } => changes.order(view, entry)?,
        Event::BirthIssued { .. } | Event::UnitConfirmed { .. } | Event::UnitScrapped { .. } => {
            changes.unit(view, entry)?;
        }
        Event::OperationalIssued { .. } | Event::InstallConfirmed { .. } => changes.enrolment(view, entry)?,
        Event::CredentialIssued { .. } | Event::PrincipalRevoked { .. } => changes.principal(view, entry)?,
        Event::DeviceHeld { .. }
        | Event::DeviceReleased { .. }
        | Event::DeviceRetired { .. }
        | Event::ReworkAllowed { .. }
        | Event::ForkDetected { .. } => changes.lifecycle(view, entry)?,
        Event::CertificatesRevoked { .. }
        | Event::RevocationBegun { .. }
        | Event::RevocationFinished { .. } => changes.revocation(view, entry)?,
        Event::RotationRequested { selection, spread, reason, until } => {
            changes.rotation = Some(RotationFacts {
                entry: entry.number,
                requested_at: entry.at,
                requested_by: entry.principal.clone(),
                selection: selection.clone(),
                spread: *spread,
                reason: reason.clone(),
                until: *until,
            });
        }
        Event::DuplicateRefused { .. } | Event::TimeConfirmed { .. } => {}
    }
    if let Some(pair) = AlarmPair::of(&entry.event) {
        let facts = AlarmFacts { entry: entry.number, at: entry.at, kind: pair.kind() };
        changes.alarm = Some((pair, facts));
    }
    Ok(changes)
}

/// Entries keep when a device was seen in whole seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

impl Changes {
    fn order<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        let (id, state) = match &entry.event {
            Event::WorkOrderCreated { work_order, terms } => {
                self.work_order = Some(WorkOrderFacts {
                    id: *work_order,
                    terms: terms.clone().into(),
                    state: WorkOrderState::Open,
                    counts: Default::default(),
                    created_at: entry.at,
                    created_by: entry.principal.clone(),
                    changed: entry.number,
                });
                return Ok(());
            }
            Event::WorkOrderPaused { work_order } => (*work_order, WorkOrderState::Paused),
            Event::WorkOrderResumed { work_order } => (*work_order, WorkOrderState::Open),
            Event::WorkOrderClosed { work_order } => (*work_order, WorkOrderState::Closed),
            _ => return Ok(()),
        };
        self.work_order =
            view.work_order(id)?.map(|order| WorkOrderFacts { state, changed: entry.number, ..order });
        Ok(())
    }

    fn unit<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        match &entry.event {
            Event::BirthIssued { work_order, device, certificate, .. } => {
                let known = view.device(device)?;
                let was_confirmed = known.map(|known| known.confirmed);
                self.devices.push(DeviceFacts {
                    id: device.clone(),
                    work_order: *work_order,
                    station: entry.principal.clone(),
                    born_at: entry.at,
                    birth: certificate.serial_number,
                    live: vec![certificate.serial_number],
                    operational: None,
                    confirmed: false,
                    scrapped: false,
                    retired: false,
                    held: false,
                    rework: false,
                    changed: was_confirmed.map(|_| entry.number),
                    seen_at: whole_seconds(entry.at),
                });
                self.count(view, *work_order, |counts| match was_confirmed {
                    // A rework is the same unit: it is counted once, and has to be accounted for again.
                    Some(confirmed) => {
                        counts.reworked += 1;
                        counts.confirmed -= u64::from(confirmed && counts.confirmed > 0);
                    }
                    None => counts.issued += 1,
                })?;
            }
            Event::UnitConfirmed { work_order, device, serial_number } => {
                if let Some(known) = view.device(device)? {
                    self.devices.push(DeviceFacts {
                        confirmed: true,
                        changed: Some(entry.number),
                        seen_at: whole_seconds(entry.at),
                        ..known
                    });
                }
                self.stand(view, entry, *serial_number, Standing::InUse)?;
                self.count(view, *work_order, |counts| counts.confirmed += 1)?;
            }
            Event::UnitScrapped { work_order, device, .. } => {
                let known = view.device(device)?;
                let was_confirmed = known.as_ref().is_some_and(|known| known.confirmed);
                if let Some(known) = known {
                    let changed = Some(entry.number);
                    let (live, operational) = (Vec::new(), None);
                    self.devices.push(DeviceFacts { scrapped: true, live, operational, changed, ..known });
                }
                self.count(view, *work_order, |counts| {
                    counts.scrapped += 1;
                    counts.confirmed -= u64::from(was_confirmed && counts.confirmed > 0);
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn enrolment<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        let seen_at = whole_seconds(entry.at);
        match &entry.event {
            Event::OperationalIssued { device, certificate, .. } => {
                if let Some(mut known) = view.device(device)? {
                    known.live.push(certificate.serial_number);
                    self.devices.push(DeviceFacts { seen_at, ..known });
                }
            }
            Event::InstallConfirmed { device, serial_number, revoked, parent_ends } => {
                let Some(known) = view.device(device)? else { return Ok(()) };
                self.stand(view, entry, *serial_number, Standing::InUse)?;
                let revoked = |other: &SerialNumber| revoked.iter().any(|one| one.serial_number == *other);
                // The device uses this one: no other operational certificate of it will be used again, older or younger.
                for other in known.live.iter().filter(|other| *other != serial_number) {
                    let Some(facts) = view.certificate(other)?.filter(|_| !revoked(other)) else { continue };
                    if facts.profile != ProfileName::Ldevid {
                        continue;
                    }
                    let ends = match facts.standing {
                        Standing::Issued => None,
                        Standing::InUse => *parent_ends,
                        Standing::Revoked | Standing::Superseded | Standing::Held => continue,
                    };
                    let (standing, changed) = (Standing::Superseded, Some(entry.number));
                    self.certificates.push(CertificateFacts { standing, ends, changed, ..facts });
                }
                let stays = |one: &&SerialNumber| [known.birth, *serial_number].contains(one);
                let live = known.live.iter().filter(stays).copied().collect();
                let operational = Some(*serial_number);
                self.devices.push(DeviceFacts { operational, live, seen_at, ..known });
            }
            _ => {}
        }
        Ok(())
    }

    fn principal<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        match &entry.event {
            Event::CredentialIssued { role, name, certificate } => {
                let mut known = view.principal(*role, name)?.unwrap_or_else(|| PrincipalFacts {
                    role: *role,
                    name: name.clone(),
                    created_at: entry.at,
                    certificates: Vec::new(),
                    revoked: None,
                });
                known.certificates.push(certificate.serial_number);
                self.principal = Some(known);
            }
            Event::PrincipalRevoked { role, name, .. } => {
                self.principal = view
                    .principal(*role, name)?
                    .map(|known| PrincipalFacts { revoked: Some(entry.number), ..known });
            }
            _ => {}
        }
        Ok(())
    }

    fn stand<V: View>(
        &mut self,
        view: &V,
        entry: &Entry,
        serial_number: SerialNumber,
        standing: Standing,
    ) -> Result<(), V::Fault> {
        if let Some(facts) = view.certificate(&serial_number)?
            && facts.standing != Standing::Revoked
        {
            let changed = Some(entry.number);
            let ends = facts.ends.filter(|_| standing != Standing::Revoked);
            self.certificates.push(CertificateFacts { standing, hold: None, ends, changed, ..facts });
        }
        Ok(())
    }

    fn count<V: View>(
        &mut self,
        view: &V,
        work_order: WorkOrderId,
        change: impl FnOnce(&mut WorkOrderCounts),
    ) -> Result<(), V::Fault> {
        self.work_order = view.work_order(work_order)?.map(|mut order| {
            change(&mut order.counts);
            order
        });
        Ok(())
    }
}
