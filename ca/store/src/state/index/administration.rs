//! What people and stations administer: orders, products, reservations, principals, alarms, jobs. There are
//! few of them beside devices and certificates; they are kept whole, in memory. A start reads the entries
//! that made them once more, wherever they are in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use identity::{PrincipalName, Product, Role};
use ledger::{
    Effect, Entry, PrincipalFacts, ProductFacts, WorkOrderCounts, WorkOrderFacts, WorkOrderId,
    WorkOrderState, WorkOrderTerms, effects,
};

use super::jobs::Jobs;
use super::reservations::Reservations;

#[derive(Default)]
pub(crate) struct Administration {
    work_orders: Vec<WorkOrderFacts>,
    /// Those that wait for the rest of their manifests.
    pub(super) incomplete_orders: BTreeSet<WorkOrderId>,
    pub(crate) products: BTreeMap<Product, ProductFacts>,
    pub(crate) reservations: Reservations,
    pub(crate) principals: BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    pub(crate) jobs: Jobs,
}

impl Administration {
    /// Applies an effect of an entry, unless it is one of devices and certificates: that is given back.
    pub(super) fn apply<'a>(&mut self, entry: &Entry, effect: Effect<'a>) -> Option<Effect<'a>> {
        match effect {
            Effect::ReservationChanged(change) => self.change_reservations(entry.number, change),
            Effect::WorkOrderCreated { work_order, terms } => self.create_order(entry, work_order, terms),
            Effect::ManifestAppended { work_order, serials, last } => {
                if let Some(order) = self.work_order_mut(work_order) {
                    order.append_manifest(entry.number, serials, last);
                }
                if last {
                    self.incomplete_orders.remove(&work_order);
                }
            }
            Effect::ProductPaused(product) => {
                self.products.get_mut(product).into_iter().for_each(|known| known.pause(entry));
            }
            Effect::ProductResumed(product) => {
                self.products.get_mut(product).into_iter().for_each(|known| known.resume(entry));
            }
            Effect::UnitGivenUp { work_order, device } => self.give_up(device, work_order, entry.number),
            Effect::WorkOrderChanged { work_order, state } => {
                self.incomplete_orders.remove(&work_order);
                if let Some(order) = self.work_order_mut(work_order) {
                    (order.state, order.changed) = (state, entry.number);
                }
            }
            Effect::CredentialIssued { role, name, serial_number } => {
                let created = || PrincipalFacts::created(role, name.clone(), entry.at);
                let known = self.principals.entry((role, name.clone())).or_insert_with(created);
                known.certificates.push(serial_number);
            }
            Effect::PrincipalRevoked { role, name } => {
                if let Some(known) = self.principals.get_mut(&(role, name.clone())) {
                    known.revoked = Some(entry.number);
                }
            }
            Effect::AlarmRaised(pair, facts) => self.jobs.raise(&pair, facts),
            Effect::JobBegun(facts) => self.jobs.begin(*facts),
            Effect::JobAdvanced(job, revoked) => self.jobs.change(job, |known| known.revoked += revoked),
            Effect::JobFinished(job) => {
                self.jobs.change(job, |known| known.finished = Some(entry.number));
            }
            Effect::RotationRequested(facts) => self.jobs.request_rotation(*facts),
            Effect::RequestAnswered { .. }
            | Effect::CertificateIssued { .. }
            | Effect::StatusChanged { .. }
            | Effect::OthersSuperseded { .. }
            | Effect::DeviceBorn { .. }
            | Effect::TracesLeft { .. }
            | Effect::DeviceChanged { .. }
            | Effect::DeviceSeen(_)
            | Effect::UnitConfirmed(_)
            | Effect::UnitScrapped { .. } => return Some(effect),
        }
        None
    }

    /// Applies what an entry did here, when the rest of its effects is known from a checkpoint. The counts of
    /// the orders are not right before [`Self::restore_counts`].
    pub(super) fn apply_again(&mut self, entry: &Entry) {
        for effect in effects(entry) {
            if let Some(Effect::DeviceBorn { device, work_order, .. }) = self.apply(entry, effect) {
                self.take_reserved(device.into(), work_order);
            }
        }
    }

    pub(super) fn counts(&self) -> Vec<WorkOrderCounts> {
        self.work_orders.iter().map(|order| order.counts).collect()
    }

    /// `false`: they are not those of these orders.
    pub(super) fn restore_counts(&mut self, counts: &[WorkOrderCounts]) -> bool {
        for (order, counts) in self.work_orders.iter_mut().zip(counts) {
            order.counts = *counts;
        }
        self.work_orders.len() == counts.len()
    }

    fn create_order(&mut self, entry: &Entry, work_order: WorkOrderId, terms: &WorkOrderTerms) {
        let order = WorkOrderFacts::created(entry, work_order, terms);
        if order.state == WorkOrderState::Incomplete {
            self.incomplete_orders.insert(work_order);
        }
        self.work_orders.push(order);
        let product = || ProductFacts::of(terms.product.clone());
        self.products.entry(terms.product.clone()).or_insert_with(product);
    }

    pub(super) fn count(&mut self, work_order: WorkOrderId, change: impl FnOnce(&mut WorkOrderCounts)) {
        if let Some(order) = self.work_order_mut(work_order) {
            change(&mut order.counts);
        }
    }

    pub(super) fn orders(&self) -> u64 {
        self.work_orders.len() as u64
    }

    pub(super) fn work_order(&self, id: WorkOrderId) -> Option<&WorkOrderFacts> {
        self.work_orders.get(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    fn work_order_mut(&mut self, id: WorkOrderId) -> Option<&mut WorkOrderFacts> {
        self.work_orders.get_mut(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }
}
