//! The exact index: in memory, about 150 bytes a device, rebuilt from the ledger at every start.
//!
//! A table has 32 bits of a keyed hash and a row's number; the entry is read to be sure. Rows of certificates
//! and devices have 32 more bits: 64 keyed bits find a row that is known to exist, and a status, without a
//! read. The hash is keyed because outsiders choose device keys and request ids.

mod certificates;
mod devices;
mod fast_replay;
mod jobs;
mod reservations;
mod rows;
mod tags;
mod times;
mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use identity::{IssuerName, Principal, PrincipalName, Product, RequestId, Role, SerialNumber};
use ledger::{
    CertificateStatus, Effect, Entry, EntryNumber, Holder, PrincipalFacts, ProductFacts, StatusChange,
    WorkOrderCounts, WorkOrderFacts, WorkOrderId, WorkOrderState, WorkOrderTerms, effects,
};
use ledger_log::format::{self, Caller, CertificateSummary, DeviceName, EntryRecord};

use certificates::NONE;
pub(super) use certificates::{CertificateRow, Certificates, Kind};
use devices::DeviceRow;
use jobs::Jobs;
use reservations::Reservations;
pub(super) use rows::{Rows, second};
use tags::{Hash, Tags};
use times::Times;

/// What is known after the last entry that was entered.
pub(super) struct Index {
    key: RandomState,
    devices: Tags,
    serial_numbers: Tags,
    keys: Tags,
    /// Rows of birth certificates.
    traces: Tags,
    requests: Tags,
    device_rows: Vec<DeviceRow>,
    pub(super) certificates: Certificates,
    pub(super) jobs: Jobs,
    work_orders: Vec<WorkOrderFacts>,
    /// Those that wait for the rest of their manifests.
    incomplete_orders: BTreeSet<WorkOrderId>,
    pub(super) products: BTreeMap<Product, ProductFacts>,
    pub(super) reservations: Reservations,
    pub(super) principals: BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    issuers: BTreeMap<IssuerName, u32>,
    pub(super) times: Times,
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            devices: Tags::default(),
            serial_numbers: Tags::default(),
            keys: Tags::default(),
            traces: Tags::default(),
            requests: Tags::default(),
            device_rows: Vec::new(),
            certificates: Certificates::default(),
            jobs: Jobs::default(),
            work_orders: Vec::new(),
            incomplete_orders: BTreeSet::new(),
            products: BTreeMap::new(),
            reservations: Reservations::default(),
            principals: BTreeMap::new(),
            issuers: BTreeMap::new(),
            times: Times::default(),
        }
    }

    /// Applies the effects of an entry. The entries are trusted: `decide` made them.
    pub(super) fn apply(&mut self, entry: &Entry) {
        let number = small(entry.number);
        self.times.enter(entry.number, format::milliseconds(entry.at));
        let mut published = false;
        for effect in effects(entry) {
            published |= matches!(
                effect,
                Effect::StatusChanged {
                    change: StatusChange::Revoked | StatusChange::Held | StatusChange::Released,
                    ..
                }
            );
            self.apply_effect(entry, number, effect);
        }
        if published {
            self.certificates.log(number);
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of effect")]
    fn apply_effect(&mut self, entry: &Entry, number: u32, effect: Effect<'_>) {
        match effect {
            Effect::RequestAnswered { caller, request } => {
                self.enter_request(caller.into(), Some(request), number);
            }
            Effect::CertificateIssued { certificate, holder, .. } => match holder {
                Holder::Principal(Principal::Device(device)) => {
                    let position = self.device_row((&device).into());
                    self.enter_certificate_of(position, &certificate.into(), number);
                }
                Holder::Issuer(issuer) => {
                    let row = self.enter_certificate(&certificate.into(), NONE, number);
                    self.issuers.insert(issuer, row);
                }
                Holder::Principal(Principal::Named { .. }) | Holder::DocumentSigner => {
                    self.enter_certificate(&certificate.into(), NONE, number);
                }
            },
            Effect::StatusChanged { serial_number, change } => {
                self.change_status(self.certificate_row(&serial_number), change, number);
            }
            Effect::OthersSuperseded { device, but, in_use_ends } => {
                let (position, but) = (self.device_row(device.into()), self.certificate_row(&but));
                self.supersede(position, but, number, in_use_ends.map(format::milliseconds));
            }
            Effect::DeviceBorn { device, work_order, .. } => {
                self.take_reserved(device.into(), work_order);
                let hash = self.hash(DeviceName::from(device));
                self.bear(hash, self.device_at(hash), work_order, number);
            }
            Effect::TracesLeft { device, traces, .. } => {
                self.enter_traces(device.product.as_str(), traces, self.certificates.last());
            }
            Effect::ReservationChanged(change) => self.change_reservations(entry.number, change),
            Effect::DeviceChanged { device, change } => {
                self.change(self.device_row(device.into()), change, number);
            }
            Effect::DeviceSeen(device) => {
                let second = u32::try_from(format::milliseconds(entry.at) / 1000).unwrap_or(u32::MAX);
                self.see(device, second);
            }
            Effect::UnitConfirmed(work_order) => self.count(work_order, WorkOrderCounts::count_confirmed),
            Effect::UnitScrapped { work_order, device } => {
                let confirmed =
                    self.device_mut(self.device_row(device.into())).is_some_and(|row| row.flags.confirmed);
                self.count(work_order, |counts| counts.count_scrapped(confirmed));
            }
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
            Effect::AlarmRaised(pair, facts) => self.jobs.raise(&pair, facts, &self.key),
            Effect::JobBegun(facts) => self.jobs.begin(*facts),
            Effect::JobAdvanced(job, revoked) => self.jobs.change(job, |known| known.revoked += revoked),
            Effect::JobFinished(job) => {
                self.jobs.change(job, |known| known.finished = Some(entry.number));
            }
            Effect::RotationRequested(facts) => self.jobs.request_rotation(*facts),
        }
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

    /// Applies an encoded entry; `false`: these bytes are not one.
    pub(super) fn replay(&mut self, number: EntryNumber, payload: Bytes) -> bool {
        let Some(record) = EntryRecord::read(payload) else { return false };
        if let Some(summary) = record.summary(number) {
            self.apply_summary(&summary);
            return true;
        }
        record.entry(number).inspect(|entry| self.apply(entry)).is_some()
    }

    pub(super) fn head(&self) -> EntryNumber {
        self.times.last()
    }

    fn change_status(&mut self, row: Option<u32>, change: StatusChange, number: u32) {
        let Some(row) = row else { return };
        match change {
            StatusChange::InUse => self.certificates.set_status(row, CertificateStatus::InUse, number),
            StatusChange::Revoked => self.certificates.revoke(row, number),
            StatusChange::Held => self.certificates.set_held(row, true, number),
            StatusChange::Released => self.certificates.set_held(row, false, number),
        }
    }

    fn enter_request(&mut self, caller: Caller<'_>, request: Option<RequestId>, number: u32) {
        if let Some(request) = request {
            let hash = self.hash((caller, &request));
            self.requests.insert(hash, number);
        }
    }

    fn enter_certificate(&mut self, certificate: &CertificateSummary, previous: u32, entry: u32) -> u32 {
        let hash = self.hash(certificate.serial_number);
        let row = self.certificates.push(certificate, hash.check(), previous, entry);
        self.serial_numbers.insert(hash, row);
        self.keys.insert(self.hash(certificate.key), row);
        row
    }

    /// What the certificate is worth; from memory alone.
    pub(super) fn certificate_status(&self, serial_number: &SerialNumber) -> Option<CertificateStatus> {
        self.certificates.get(self.certificate_row(serial_number)?).map(|row| row.status())
    }

    /// The row of a certificate that is known to exist, or that 64 keyed bits cannot tell from one.
    pub(super) fn certificate_row(&self, serial_number: &SerialNumber) -> Option<u32> {
        let hash = self.hash(serial_number);
        let sure = |row: &u32| self.certificates.get(*row).is_some_and(|row| row.check == hash.check());
        self.serial_numbers.find(hash).find(sure)
    }

    fn count(&mut self, work_order: WorkOrderId, change: impl FnOnce(&mut WorkOrderCounts)) {
        if let Some(order) = self.work_order_mut(work_order) {
            change(&mut order.counts);
        }
    }

    fn work_order(&self, id: WorkOrderId) -> Option<&WorkOrderFacts> {
        self.work_orders.get(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    fn work_order_mut(&mut self, id: WorkOrderId) -> Option<&mut WorkOrderFacts> {
        self.work_orders.get_mut(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    fn hash(&self, of: impl std::hash::Hash) -> Hash {
        Hash(self.key.hash_one(of))
    }
}

/// Entry numbers in the index have 32 bits; [`super::ENTRIES_MAX`] keeps them there.
fn small(number: EntryNumber) -> u32 {
    u32::try_from(number.0).unwrap_or(u32::MAX)
}
