//! The effects of entries in ordinary maps, laid over another view: over [`EmptyView`] they are the state of
//! a small ledger, over an index the state after the commands of a batch that are decided and not yet
//! durable.

mod certificates;
mod devices;
mod empty;
mod reservations;
mod traces;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};

use identity::{
    DeviceId, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, RequestId, Role, SerialNumber,
};

use super::{
    AlarmFacts, AlarmPair, CertificateFacts, DeviceFacts, Effect, Entry, JobFacts, JobId, PrincipalFacts,
    ProductFacts, RequestFacts, RotationFacts, View, WorkOrderFacts, WorkOrderId, effects,
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
            Effect::DeviceSeen(device) => self.see(entry, device)?,
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
}
