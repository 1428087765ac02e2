//! The effects of entries in ordinary maps, laid over another view: over [`EmptyView`] they are the state of
//! a small ledger, over an index the state after the commands of a batch that are decided and not yet
//! durable.

mod empty;
mod reservations;
mod traces;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{
    DeviceId, DeviceSerial, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, ProfileName,
    RequestId, Role, SerialNumber,
};

use super::{
    AlarmFacts, AlarmPair, CertificateFacts, CertificateStatus, DeviceFacts, Effect, Entry, EntryNumber,
    HoldFacts, Holder, JobFacts, JobId, PrincipalFacts, ProductFacts, RequestFacts, ReservationFacts,
    ReservationId, ReservedUnit, RotationFacts, SignedCertificate, StatusChange, Trace, View, WorkOrderFacts,
    WorkOrderId, WorkOrderState, effects,
};
use reservations::Reservations;
use traces::Traces;

pub use empty::EmptyView;

/// The effects of entries over a `base`.
#[derive(Debug)]
pub struct Overlay<B> {
    base: B,
    requests: HashMap<(Option<Principal>, RequestId), RequestFacts>,
    devices: BTreeMap<DeviceId, DeviceFacts>,
    /// Certificates of devices that were entered here.
    histories: HashMap<DeviceId, Vec<SerialNumber>>,
    certificates: HashMap<SerialNumber, CertificateFacts>,
    keys: HashMap<KeyFingerprint, SerialNumber>,
    traces: Traces,
    products: BTreeMap<Product, ProductFacts>,
    work_orders: BTreeMap<WorkOrderId, WorkOrderFacts>,
    reservations: Reservations,
    principals: BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    issuers: HashMap<IssuerName, SerialNumber>,
    alarms: Vec<AlarmFacts>,
    pairs: HashSet<AlarmPair>,
    jobs: BTreeMap<JobId, JobFacts>,
    rotations: Vec<RotationFacts>,
}

impl<B: View> Overlay<B> {
    /// No changes over `base`.
    pub fn over(base: B) -> Self {
        Self::with_room(base, 0)
    }

    /// No changes over `base`, and room for those of so many entries.
    pub fn with_room(base: B, entries: usize) -> Self {
        Self {
            base,
            requests: HashMap::with_capacity(entries),
            devices: BTreeMap::new(),
            histories: HashMap::new(),
            certificates: HashMap::with_capacity(entries),
            keys: HashMap::with_capacity(entries),
            traces: Traces::default(),
            products: BTreeMap::new(),
            work_orders: BTreeMap::new(),
            reservations: Reservations::default(),
            principals: BTreeMap::new(),
            issuers: HashMap::new(),
            alarms: Vec::new(),
            pairs: HashSet::new(),
            jobs: BTreeMap::new(),
            rotations: Vec::new(),
        }
    }

    /// Applies the effects of an entry, which follows all that is shown here.
    ///
    /// # Errors
    /// The base's.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), B::Fault> {
        effects(entry).into_iter().try_for_each(|effect| self.apply_effect(entry, effect))
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of effect")]
    fn apply_effect(&mut self, entry: &Entry, effect: Effect<'_>) -> Result<(), B::Fault> {
        match effect {
            Effect::RequestAnswered { caller, request } => {
                let certificate = entry.event.certificate().map(|certificate| certificate.serial_number);
                let facts = RequestFacts { entry: entry.number, content: entry.content, certificate };
                self.requests.insert((caller.cloned(), request), facts);
            }
            Effect::CertificateIssued { certificate, holder, parent } => {
                self.issue(entry, certificate, holder, parent)?;
            }
            Effect::StatusChanged { serial_number, change } => {
                self.change_status(entry, &serial_number, change)?;
            }
            Effect::OthersSuperseded { device, but, in_use_ends } => {
                self.supersede(entry, device, but, in_use_ends)?;
            }
            Effect::DeviceBorn { device, work_order, birth } => {
                self.bear(entry, device, work_order, birth)?;
            }
            Effect::TracesLeft { device, birth, traces } => self.traces.enter(device, traces, birth),
            Effect::DeviceChanged { device, change } => self.change_device(device, |known| {
                known.flags.change(change);
                known.changed = Some(entry.number);
            })?,
            Effect::DeviceSeen(device) => self.change_device(device, |known| {
                known.seen_at = known.seen_at.max(whole_seconds(entry.at));
            })?,
            Effect::WorkOrderCreated { work_order, terms } => {
                let facts = WorkOrderFacts::created(entry, work_order, terms);
                self.work_orders.insert(work_order, facts);
                if self.base.product(&terms.product)?.is_none() {
                    let product = || ProductFacts::of(terms.product.clone());
                    self.products.entry(terms.product.clone()).or_insert_with(product);
                }
            }
            Effect::ManifestAppended { work_order, serials, last } => {
                self.change_order(work_order, |order| order.append_manifest(entry.number, serials, last))?;
            }
            Effect::UnitGivenUp { work_order, device } => self.give_up(entry, work_order, device)?,
            Effect::ProductPaused(product) => self.change_product(product, |known| known.pause(entry))?,
            Effect::ProductResumed(product) => self.change_product(product, |known| known.resume(entry))?,
            Effect::WorkOrderChanged { work_order, state } => self.change_order(work_order, |order| {
                (order.state, order.changed) = (state, entry.number);
            })?,
            Effect::ReservationChanged(change) => self.change_reservations(entry, change)?,
            Effect::UnitConfirmed(work_order) => {
                self.change_order(work_order, |order| order.counts.count_confirmed())?;
            }
            Effect::UnitScrapped { work_order, device } => {
                let confirmed = self.device(device)?.is_some_and(|known| known.flags.confirmed);
                self.change_order(work_order, |order| order.counts.count_scrapped(confirmed))?;
            }
            Effect::CredentialIssued { role, name, serial_number } => {
                let mut known = self
                    .principal(role, name)?
                    .unwrap_or_else(|| PrincipalFacts::created(role, name.clone(), entry.at));
                known.certificates.push(serial_number);
                self.principals.insert((role, name.clone()), known);
            }
            Effect::PrincipalRevoked { role, name } => {
                if let Some(known) = self.principal(role, name)? {
                    let known = PrincipalFacts { revoked: Some(entry.number), ..known };
                    self.principals.insert((role, name.clone()), known);
                }
            }
            Effect::AlarmRaised(pair, facts) => {
                self.pairs.insert(pair);
                self.alarms.push(facts);
            }
            Effect::JobBegun(facts) => {
                self.jobs.insert(facts.id, *facts);
            }
            Effect::JobAdvanced(job, revoked) => self.change_job(job, |known| known.revoked += revoked)?,
            Effect::JobFinished(job) => {
                self.change_job(job, |known| known.finished = Some(entry.number))?;
            }
            Effect::RotationRequested(facts) => self.rotations.push(*facts),
        }
        Ok(())
    }

    fn issue(
        &mut self,
        entry: &Entry,
        certificate: &SignedCertificate,
        holder: Holder,
        parent: Option<SerialNumber>,
    ) -> Result<(), B::Fault> {
        let serial_number = certificate.serial_number;
        match &holder {
            Holder::Issuer(issuer) => {
                self.issuers.insert(*issuer, serial_number);
            }
            Holder::Principal(Principal::Device(device)) => {
                self.histories.entry(device.clone()).or_default().push(serial_number);
                self.change_device(device, |known| known.live.push(serial_number))?;
            }
            Holder::Principal(Principal::Named { .. }) | Holder::DocumentSigner => {}
        }
        self.keys.entry(certificate.key).or_insert(serial_number);
        let facts = CertificateFacts {
            entry: entry.number,
            serial_number,
            holder,
            issuer: certificate.issuer,
            profile: certificate.profile,
            key: certificate.key,
            not_after: certificate.validity.not_after(),
            shard: certificate.shard,
            parent,
            status: CertificateStatus::Issued,
            hold: None,
            ends: None,
            changed: None,
        };
        self.certificates.insert(serial_number, facts);
        Ok(())
    }

    fn change_status(
        &mut self,
        entry: &Entry,
        serial_number: &SerialNumber,
        change: StatusChange,
    ) -> Result<(), B::Fault> {
        let Some(mut facts) = self.certificate(serial_number)? else { return Ok(()) };
        if facts.status == CertificateStatus::Revoked {
            return Ok(());
        }
        match change {
            StatusChange::InUse => (facts.status, facts.hold) = (CertificateStatus::InUse, None),
            StatusChange::Revoked => {
                (facts.status, facts.hold, facts.ends) = (CertificateStatus::Revoked, None, None);
            }
            StatusChange::Held => {
                facts.hold = Some(HoldFacts { since: entry.at, was: facts.status });
                facts.status = CertificateStatus::Held;
            }
            StatusChange::Released => {
                let Some(hold) = facts.hold.take() else { return Ok(()) };
                facts.status = hold.was;
            }
        }
        facts.changed = Some(entry.number);
        if let Holder::Principal(Principal::Device(device)) = &facts.holder {
            match change {
                StatusChange::InUse if facts.profile == ProfileName::Ldevid => {
                    self.change_device(device, |known| known.operational = Some(*serial_number))?;
                }
                StatusChange::Revoked => self.change_device(device, |known| known.lose(serial_number))?,
                StatusChange::InUse | StatusChange::Held | StatusChange::Released => {}
            }
        }
        self.certificates.insert(*serial_number, facts);
        Ok(())
    }

    fn supersede(
        &mut self,
        entry: &Entry,
        device: &DeviceId,
        but: SerialNumber,
        in_use_ends: Option<SystemTime>,
    ) -> Result<(), B::Fault> {
        let live = self.device(device)?.map(|known| known.live).unwrap_or_default();
        for other in live.iter().filter(|other| **other != but) {
            let Some(facts) = self.certificate(other)? else { continue };
            let ends = match facts.status {
                _ if facts.profile != ProfileName::Ldevid => continue,
                CertificateStatus::Issued => None,
                CertificateStatus::InUse => in_use_ends,
                CertificateStatus::Revoked | CertificateStatus::Superseded | CertificateStatus::Held => {
                    continue;
                }
            };
            let (status, changed) = (CertificateStatus::Superseded, Some(entry.number));
            self.certificates.insert(*other, CertificateFacts { status, ends, changed, ..facts });
            self.change_device(device, |known| known.lose(other))?;
        }
        Ok(())
    }

    fn bear(
        &mut self,
        entry: &Entry,
        device: &DeviceId,
        work_order: WorkOrderId,
        birth: SerialNumber,
    ) -> Result<(), B::Fault> {
        self.take_reserved(device, work_order)?;
        let known = self.device(device)?;
        let was_confirmed = known.as_ref().map(|known| known.flags.confirmed);
        let mut flags = known.as_ref().map(|known| known.flags).unwrap_or_default();
        flags.reborn();
        let facts = DeviceFacts {
            id: device.clone(),
            work_order,
            station: entry.principal.clone(),
            born_at: entry.at,
            birth,
            live: vec![birth],
            operational: None,
            flags,
            changed: known.as_ref().map(|_| entry.number),
            seen_at: known.map_or(UNIX_EPOCH, |known| known.seen_at),
        };
        self.devices.insert(device.clone(), facts);
        self.change_order(work_order, |order| order.counts.count_birth(was_confirmed))
    }

    fn change_device(
        &mut self,
        device: &DeviceId,
        change: impl FnOnce(&mut DeviceFacts),
    ) -> Result<(), B::Fault> {
        if let Some(known) = self.devices.get_mut(device) {
            change(known);
        } else if let Some(mut known) = self.base.device(device)? {
            change(&mut known);
            self.devices.insert(device.clone(), known);
        }
        Ok(())
    }

    fn change_order(
        &mut self,
        work_order: WorkOrderId,
        change: impl FnOnce(&mut WorkOrderFacts),
    ) -> Result<(), B::Fault> {
        if let Some(mut order) = self.work_order(work_order)? {
            change(&mut order);
            self.work_orders.insert(work_order, order);
        }
        Ok(())
    }

    fn change_product(
        &mut self,
        product: &Product,
        change: impl FnOnce(&mut ProductFacts),
    ) -> Result<(), B::Fault> {
        if let Some(mut known) = self.product(product)? {
            change(&mut known);
            self.products.insert(product.clone(), known);
        }
        Ok(())
    }

    fn change_job(&mut self, job: JobId, change: impl FnOnce(&mut JobFacts)) -> Result<(), B::Fault> {
        if let Some(mut known) = self.job(job)? {
            change(&mut known);
            self.jobs.insert(job, known);
        }
        Ok(())
    }

    /// The devices entered here, in order of their ids; not those of the base.
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceFacts> {
        &self.devices
    }
}

impl<B: View> View for Overlay<B> {
    type Fault = B::Fault;

    fn request(
        &self,
        principal: Option<&Principal>,
        request: &RequestId,
    ) -> Result<Option<RequestFacts>, Self::Fault> {
        if !self.requests.is_empty()
            && let Some(facts) = self.requests.get(&(principal.cloned(), *request))
        {
            return Ok(Some(facts.clone()));
        }
        self.base.request(principal, request)
    }

    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>, Self::Fault> {
        here_or(self.devices.get(device), || self.base.device(device))
    }

    fn is_born(&self, device: &DeviceId) -> Result<bool, Self::Fault> {
        if self.devices.contains_key(device) { Ok(true) } else { self.base.is_born(device) }
    }

    fn certificates(&self, device: &DeviceId) -> Result<Vec<SerialNumber>, Self::Fault> {
        let mut certificates = self.base.certificates(device)?;
        certificates.extend(self.histories.get(device).into_iter().flatten());
        Ok(certificates)
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>, Self::Fault> {
        here_or(self.certificates.get(serial_number), || self.base.certificate(serial_number))
    }

    fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>, Self::Fault> {
        match self.certificates.get(serial_number) {
            Some(facts) => Ok(Some(facts.status)),
            None => self.base.certificate_status(serial_number),
        }
    }

    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.keys.get(key) {
            Some(serial_number) => self.certificate(serial_number),
            None => self.base.key(key),
        }
    }

    fn trace(&self, trace: &Trace<'_>) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.traces.find(trace) {
            Some(serial_number) => self.certificate(&serial_number),
            None => self.base.trace(trace),
        }
    }

    fn product(&self, product: &Product) -> Result<Option<ProductFacts>, Self::Fault> {
        here_or(self.products.get(product), || self.base.product(product))
    }

    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>, Self::Fault> {
        here_or(self.work_orders.get(&work_order), || self.base.work_order(work_order))
    }

    fn work_orders(&self) -> Result<u64, Self::Fault> {
        let here = self.work_orders.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.work_orders()?.max(here))
    }

    fn incomplete_orders(&self) -> Result<Vec<WorkOrderId>, Self::Fault> {
        let mut orders = self.base.incomplete_orders()?;
        orders.extend(self.work_orders.keys());
        orders.sort();
        orders.dedup();
        let mut incomplete = Vec::with_capacity(orders.len());
        for id in orders {
            let order = self.work_order(id)?;
            if order.is_some_and(|order| order.state == WorkOrderState::Incomplete) {
                incomplete.push(id);
            }
        }
        Ok(incomplete)
    }

    fn given_up(&self, device: &DeviceId) -> Result<Option<EntryNumber>, Self::Fault> {
        match self.reservations.given_up.get(device) {
            Some(entry) => Ok(Some(*entry)),
            None => self.base.given_up(device),
        }
    }

    fn reservation(&self, reservation: ReservationId) -> Result<Option<ReservationFacts>, Self::Fault> {
        here_or(self.reservations.facts.get(&reservation), || self.base.reservation(reservation))
    }

    fn reservations(&self) -> Result<u64, Self::Fault> {
        let here = self.reservations.facts.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.reservations()?.max(here))
    }

    fn reserved_unit(&self, device: &DeviceId) -> Result<Option<ReservedUnit>, Self::Fault> {
        match self.reservations.unit(device) {
            Some(unit) => Ok(unit),
            None => self.base.reserved_unit(device),
        }
    }

    fn units_out(&self, reservation: ReservationId) -> Result<Vec<DeviceSerial>, Self::Fault> {
        self.units_out_here(reservation)
    }

    fn units_out_for(&self, station: &PrincipalName) -> Result<u64, Self::Fault> {
        match self.reservations.out.get(station) {
            Some(units) => Ok(*units),
            None => self.base.units_out_for(station),
        }
    }

    fn passed(&self, work_order: WorkOrderId) -> Result<Option<DeviceSerial>, Self::Fault> {
        here_or(self.reservations.passed.get(&work_order), || self.base.passed(work_order))
    }

    fn returned(
        &self,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Result<Option<DeviceSerial>, Self::Fault> {
        self.next_returned(work_order, after)
    }

    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>, Self::Fault> {
        here_or(self.principals.get(&(role, name.clone())), || self.base.principal(role, name))
    }

    fn principals_of(&self, role: Role) -> Result<Vec<PrincipalName>, Self::Fault> {
        let mut names = self.base.principals_of(role)?;
        names.extend(self.principals.keys().filter(|(of, _)| *of == role).map(|(_, name)| name.clone()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.issuers.get(&issuer) {
            Some(serial_number) => self.certificate(serial_number),
            None => self.base.issuer(issuer),
        }
    }

    fn alarm(&self, pair: &AlarmPair) -> Result<bool, Self::Fault> {
        if self.pairs.contains(pair) { Ok(true) } else { self.base.alarm(pair) }
    }

    fn alarms_since(&self, since: SystemTime, enough: usize) -> Result<usize, Self::Fault> {
        let here = self.alarms.iter().rev().take(enough).take_while(|alarm| alarm.at >= since).count();
        if here >= enough {
            return Ok(here);
        }
        Ok(here + self.base.alarms_since(since, enough - here)?)
    }

    fn job(&self, job: JobId) -> Result<Option<JobFacts>, Self::Fault> {
        here_or(self.jobs.get(&job), || self.base.job(job))
    }

    fn jobs(&self) -> Result<u64, Self::Fault> {
        let here = self.jobs.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.jobs()?.max(here))
    }

    fn rotations(&self, now: SystemTime) -> Result<usize, Self::Fault> {
        let here = self.rotations.iter().filter(|rotation| rotation.terms.until > now).count();
        Ok(here + self.base.rotations(now)?)
    }
}

fn here_or<T: Clone, F>(
    here: Option<&T>,
    base: impl FnOnce() -> Result<Option<T>, F>,
) -> Result<Option<T>, F> {
    here.map_or_else(base, |facts| Ok(Some(facts.clone())))
}

/// Entries keep when a device was seen in whole seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
