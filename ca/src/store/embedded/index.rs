//! The exact index: in memory, about 100 bytes a device, rebuilt from the ledger at every start.
//!
//! A table holds 32 bits of a keyed hash and a row's number; what a row is about is read back from the ledger, so an answer is exact. The hash is
//! keyed because outsiders choose device keys and request ids. Each certificate and device row holds 32 more bits of its hash: 64 keyed bits
//! are enough to find a row that is known to exist, and for the standing of a certificate, without a read.

mod rows;
mod tags;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use identity::{KeyFingerprint, PrincipalName, RequestId, Role, SerialNumber};
use issuance::IssuerName;

use crate::ledger::{
    Entry, EntryNumber, Event, PrincipalFacts, Standing, WorkOrderCounts, WorkOrderFacts, WorkOrderId,
    WorkOrderState,
};
use crate::store::record::{self, Brief, BriefRecord, Caller, CertificateInBrief, DeviceName, Happened};

pub(super) use rows::Rows;
use tags::{Hash, Tags};

/// What is known after the last entry that was entered.
pub(super) struct Index {
    key: RandomState,
    devices: Tags,
    serial_numbers: Tags,
    keys: Tags,
    requests: Tags,
    device_rows: Vec<DeviceRow>,
    certificate_rows: Vec<CertificateRow>,
    work_orders: Vec<WorkOrderFacts>,
    principals: BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    issuers: BTreeMap<IssuerName, u32>,
}

#[derive(Clone, Copy)]
struct DeviceRow {
    check: u32,
    /// Its newest certificate; the others follow through `previous`.
    newest: u32,
    /// The entry that confirmed or scrapped it; 0: none did.
    changed: u32,
    confirmed: bool,
    scrapped: bool,
}

#[derive(Clone, Copy)]
struct CertificateRow {
    check: u32,
    /// The entry that recorded it. 32 bits last for four thousand million entries: four hundred a device at ten million devices.
    entry: u32,
    /// The device's certificate before it; [`NONE`]: it is the first, or not a device's.
    previous: u32,
    /// The entry that last changed its standing; 0: none did.
    changed: u32,
    standing: Standing,
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            devices: Tags::default(),
            serial_numbers: Tags::default(),
            keys: Tags::default(),
            requests: Tags::default(),
            device_rows: Vec::new(),
            certificate_rows: Vec::new(),
            work_orders: Vec::new(),
            principals: BTreeMap::new(),
            issuers: BTreeMap::new(),
        }
    }

    /// Enters what an entry does. The entries are trusted: `decide` made them.
    pub(super) fn enter(&mut self, entry: &Entry) {
        if let Some(brief) = Brief::of(entry) {
            return self.enter_brief(&brief);
        }
        let number = small(entry.number);
        self.enter_request(entry.principal.as_ref().into(), entry.request, number);
        let certificate = entry
            .event
            .certificate()
            .map(|certificate| self.enter_certificate(&CertificateInBrief::from(certificate), NONE, number));
        if let Some((revoked, _)) = entry.event.revoked() {
            for serial_number in revoked {
                self.stand(serial_number, Standing::Revoked, number);
            }
        }
        match &entry.event {
            Event::IssuerInstalled { issuer, .. } => {
                self.issuers.extend(certificate.map(|row| (*issuer, row)));
            }
            Event::UnitScrapped { work_order, device, .. } => {
                let mut was_confirmed = false;
                if let Some(row) = self.known_device(device.into()) {
                    was_confirmed = row.confirmed;
                    (row.scrapped, row.changed) = (true, number);
                }
                self.count(*work_order, |counts| {
                    counts.scrapped += 1;
                    counts.confirmed -= u64::from(was_confirmed && counts.confirmed > 0);
                });
            }
            Event::CredentialIssued { .. } | Event::PrincipalRevoked { .. } => self.enter_principal(entry),
            _ => self.enter_work_order(entry),
        }
    }

    /// Enters what an entry of this payload did; `false`: it is none.
    pub(super) fn replay(&mut self, number: EntryNumber, payload: Bytes) -> bool {
        if let Some(record) = BriefRecord::read(payload.clone())
            && let Some(brief) = record.brief(number)
        {
            self.enter_brief(&brief);
            return true;
        }
        record::decode(number, &payload).inspect(|entry| self.enter(entry)).is_some()
    }

    /// Enters what an entry does that is known in brief.
    pub(super) fn enter_brief(&mut self, brief: &Brief<'_>) {
        let number = small(brief.number);
        self.enter_request(brief.caller, brief.request, number);
        match &brief.happened {
            Happened::BirthIssued { work_order, certificate } => {
                let newest = self.enter_certificate(certificate, NONE, number);
                let hash = self.device_hash(brief.device);
                self.devices.insert(hash, self.device_rows.len() as u32);
                let check = hash.check();
                self.device_rows.push(DeviceRow {
                    check,
                    newest,
                    changed: 0,
                    confirmed: false,
                    scrapped: false,
                });
                self.count(*work_order, |counts| counts.issued += 1);
            }
            Happened::UnitConfirmed { work_order, serial_number } => {
                if let Some(row) = self.known_device(brief.device) {
                    (row.confirmed, row.changed) = (true, number);
                }
                self.stand(serial_number, Standing::InUse, number);
                self.count(*work_order, |counts| counts.confirmed += 1);
            }
            Happened::OperationalIssued { certificate } => {
                let previous = self.known_device(brief.device).map_or(NONE, |row| row.newest);
                let newest = self.enter_certificate(certificate, previous, number);
                if let Some(row) = self.known_device(brief.device) {
                    row.newest = newest;
                }
            }
            Happened::InstallConfirmed { serial_number } => {
                let Some(newest) = self.known_device(brief.device).map(|row| row.newest) else { return };
                for row in self.operational_from(newest) {
                    self.set_standing(row, number, |standing| match standing {
                        Standing::Issued | Standing::InUse => Standing::Superseded,
                        other => other,
                    });
                }
                self.stand(serial_number, Standing::InUse, number);
            }
        }
    }

    fn enter_request(&mut self, caller: Caller<'_>, request: Option<RequestId>, number: u32) {
        if let Some(request) = request {
            let hash = self.request_hash(caller, &request);
            self.requests.insert(hash, number);
        }
    }

    /// Returns the certificate's row.
    fn enter_certificate(&mut self, certificate: &CertificateInBrief, previous: u32, entry: u32) -> u32 {
        let hash = self.serial_number_hash(&certificate.serial_number);
        let row = self.certificate_rows.len() as u32;
        let (check, standing) = (hash.check(), Standing::Issued);
        self.certificate_rows.push(CertificateRow { check, entry, previous, changed: 0, standing });
        self.serial_numbers.insert(hash, row);
        self.keys.insert(self.key_hash(&certificate.key), row);
        row
    }

    fn enter_work_order(&mut self, entry: &Entry) {
        let (id, state) = match &entry.event {
            Event::WorkOrderCreated { work_order, terms } => {
                self.work_orders.push(WorkOrderFacts {
                    id: *work_order,
                    terms: terms.clone().into(),
                    state: WorkOrderState::Open,
                    counts: WorkOrderCounts::default(),
                    created_at: entry.at,
                    created_by: entry.principal.clone(),
                    changed: entry.number,
                });
                return;
            }
            Event::WorkOrderPaused { work_order } => (*work_order, WorkOrderState::Paused),
            Event::WorkOrderResumed { work_order } => (*work_order, WorkOrderState::Open),
            Event::WorkOrderClosed { work_order } => (*work_order, WorkOrderState::Closed),
            _ => return,
        };
        if let Some(order) = self.work_order_mut(id) {
            (order.state, order.changed) = (state, entry.number);
        }
    }

    fn enter_principal(&mut self, entry: &Entry) {
        match &entry.event {
            Event::CredentialIssued { role, name, certificate } => {
                let (role, name, created_at) = (*role, name.clone(), entry.at);
                let known = self.principals.entry((role, name.clone())).or_insert_with(|| PrincipalFacts {
                    role,
                    name,
                    created_at,
                    certificates: Vec::new(),
                    revoked: None,
                });
                known.certificates.push(certificate.serial_number);
            }
            Event::PrincipalRevoked { role, name, .. } => {
                if let Some(known) = self.principals.get_mut(&(*role, name.clone())) {
                    known.revoked = Some(entry.number);
                }
            }
            _ => {}
        }
    }

    /// What the certificate is worth; from memory alone.
    pub(super) fn standing(&self, serial_number: &SerialNumber) -> Option<Standing> {
        self.certificate_row(serial_number)
            .and_then(|row| self.certificate_rows.get(row as usize))
            .map(|row| row.standing)
    }

    pub(super) fn principals(&self) -> &BTreeMap<(Role, PrincipalName), PrincipalFacts> {
        &self.principals
    }

    fn stand(&mut self, serial_number: &SerialNumber, standing: Standing, changed: u32) {
        if let Some(row) = self.certificate_row(serial_number) {
            self.set_standing(row, changed, |_| standing);
        }
    }

    fn set_standing(&mut self, row: u32, changed: u32, to: impl FnOnce(Standing) -> Standing) {
        if let Some(row) = self.certificate_rows.get_mut(row as usize) {
            let standing = to(row.standing);
            if standing != row.standing {
                (row.standing, row.changed) = (standing, changed);
            }
        }
    }

    /// The certificates of a device from `newest` back, without the first, which is its birth certificate.
    fn operational_from(&self, newest: u32) -> Vec<u32> {
        let mut rows = Vec::new();
        let mut row = newest;
        while let Some(facts) = self.certificate_rows.get(row as usize).filter(|facts| facts.previous != NONE)
        {
            rows.push(row);
            row = facts.previous;
        }
        rows
    }

    fn certificate_row(&self, serial_number: &SerialNumber) -> Option<u32> {
        let hash = self.serial_number_hash(serial_number);
        let sure =
            |row: &u32| self.certificate_rows.get(*row as usize).is_some_and(|row| row.check == hash.check());
        self.serial_numbers.find(hash).find(sure)
    }

    fn device_row(&self, device: DeviceName<'_>) -> Option<u32> {
        let hash = self.device_hash(device);
        let sure =
            |row: &u32| self.device_rows.get(*row as usize).is_some_and(|row| row.check == hash.check());
        self.devices.find(hash).find(sure)
    }

    fn known_device(&mut self, device: DeviceName<'_>) -> Option<&mut DeviceRow> {
        let row = self.device_row(device)?;
        self.device_rows.get_mut(row as usize)
    }

    fn count(&mut self, work_order: WorkOrderId, change: impl FnOnce(&mut WorkOrderCounts)) {
        if let Some(order) = self.work_order_mut(work_order) {
            change(&mut order.counts);
        }
    }

    fn work_order_mut(&mut self, id: WorkOrderId) -> Option<&mut WorkOrderFacts> {
        self.work_orders.get_mut(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    fn device_hash(&self, device: DeviceName<'_>) -> Hash {
        Hash(self.key.hash_one(device))
    }

    fn serial_number_hash(&self, serial_number: &SerialNumber) -> Hash {
        Hash(self.key.hash_one(serial_number))
    }

    fn key_hash(&self, key: &KeyFingerprint) -> Hash {
        Hash(self.key.hash_one(key))
    }

    fn request_hash(&self, caller: Caller<'_>, request: &RequestId) -> Hash {
        Hash(self.key.hash_one((caller, request)))
    }
}

/// Entry numbers in the index have 32 bits; [`super::ENTRIES_MAX`] keeps them there.
fn small(number: EntryNumber) -> u32 {
    u32::try_from(number.0).unwrap_or(u32::MAX)
}

const NONE: u32 = u32::MAX;
