//! The exact index: in memory, about 110 bytes a device, rebuilt from the ledger at every start.
//!
//! A table holds 32 bits of a keyed hash and a row's number; what a row is about is read back from the ledger, so an answer is exact. The hash is
//! keyed because outsiders choose device keys and request ids. Each certificate and device row holds 32 more bits of its hash: 64 keyed bits
//! are enough to find a row that is known to exist, and for the standing of a certificate, without a read.

mod certificates;
mod fleet;
mod rows;
mod tags;
mod times;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use identity::{DeviceId, IssuerName, KeyFingerprint, PrincipalName, RequestId, Role, SerialNumber};
use ledger::{
    Entry, EntryNumber, Event, PrincipalFacts, Standing, WorkOrderCounts, WorkOrderFacts, WorkOrderId,
    WorkOrderState,
};

use crate::record::{self, Brief, BriefRecord, Caller, CertificateInBrief, DeviceName, Happened};

use certificates::NONE;
pub(super) use certificates::{Certificates, Kind};
use fleet::Fleet;
pub(super) use rows::{Rows, second};
use tags::{Hash, Tags};
use times::Times;

/// What is known after the last entry that was entered.
pub(super) struct Index {
    key: RandomState,
    devices: Tags,
    serial_numbers: Tags,
    keys: Tags,
    requests: Tags,
    device_rows: Vec<DeviceRow>,
    pub(super) certificates: Certificates,
    pub(super) fleet: Fleet,
    work_orders: Vec<WorkOrderFacts>,
    principals: BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    issuers: BTreeMap<IssuerName, u32>,
    pub(super) times: Times,
}

struct DeviceRow {
    check: u32,
    /// Its newest certificate; the others follow through `previous`.
    newest: u32,
    /// The entry that last changed one of the flags; 0: none did.
    changed: u32,
    /// When it was last seen, seconds since 1970. Readers move it forward.
    seen: AtomicU32,
    confirmed: bool,
    scrapped: bool,
    retired: bool,
    held: bool,
    rework: bool,
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
            certificates: Certificates::default(),
            fleet: Fleet::default(),
            work_orders: Vec::new(),
            principals: BTreeMap::new(),
            issuers: BTreeMap::new(),
            times: Times::default(),
        }
    }

    /// Enters what an entry does. The entries are trusted: `decide` made them.
    pub(super) fn enter(&mut self, entry: &Entry) {
        if let Some(brief) = Brief::of(entry) {
            return self.enter_brief(&brief);
        }
        let number = small(entry.number);
        self.times.enter(entry.number, record::milliseconds(entry.at) / 1000);
        self.enter_request(entry.principal.as_ref().into(), entry.request, number);
        self.enter_withdrawals(entry, number);
        match &entry.event {
            Event::IssuerInstalled { issuer, certificate } => {
                let row = self.enter_certificate(&certificate.into(), NONE, number);
                self.issuers.insert(*issuer, row);
            }
            Event::CredentialIssued { .. } | Event::PrincipalRevoked { .. } => self.enter_principal(entry),
            Event::WorkOrderCreated { .. }
            | Event::WorkOrderPaused { .. }
            | Event::WorkOrderResumed { .. }
            | Event::WorkOrderClosed { .. } => self.enter_work_order(entry),
            Event::ForkDetected { .. } | Event::DuplicateRefused { .. } => {
                self.fleet.enter_alarm(entry, &self.key);
                self.enter_device(entry, number);
            }
            Event::CertificatesRevoked { .. }
            | Event::RevocationBegun { .. }
            | Event::RevocationFinished { .. }
            | Event::RotationRequested { .. } => self.fleet.enter(entry),
            Event::TimeConfirmed { .. } => {}
            Event::BirthIssued { .. }
            | Event::OperationalIssued { .. }
            | Event::UnitConfirmed { .. }
            | Event::InstallConfirmed { .. }
            | Event::UnitScrapped { .. }
            | Event::DeviceHeld { .. }
            | Event::DeviceReleased { .. }
            | Event::DeviceRetired { .. }
            | Event::ReworkAllowed { .. } => self.enter_device(entry, number),
        }
    }

    /// What an entry does to a device that is not known in brief.
    fn enter_device(&mut self, entry: &Entry, number: u32) {
        let seen = u32::try_from(record::milliseconds(entry.at) / 1000).unwrap_or(u32::MAX);
        match &entry.event {
            Event::BirthIssued { work_order, device, certificate, .. } => {
                self.enter_rework(device.into(), *work_order, &certificate.into(), number, seen);
            }
            Event::InstallConfirmed { device, serial_number, parent_ends, .. } => {
                let Some(row) = self.known_device(device.into()) else { return };
                row.see(seen);
                let newest = row.newest;
                self.certificates.supersede(newest, number, parent_ends.map(record::milliseconds));
                self.stand(serial_number, Standing::InUse, number);
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
            Event::DeviceHeld { device, .. } | Event::ForkDetected { device, held: true, .. } => {
                self.change(device.into(), number, |row| row.held = true);
            }
            Event::DeviceReleased { device, .. } => {
                self.change(device.into(), number, |row| row.held = false)
            }
            Event::DeviceRetired { device, .. } => {
                self.change(device.into(), number, |row| row.retired = true)
            }
            Event::ReworkAllowed { device } => self.change(device.into(), number, |row| row.rework = true),
            _ => {}
        }
    }

    /// Another birth certificate of a unit that is known: the same unit, which has to be accounted for again.
    fn enter_rework(
        &mut self,
        device: DeviceName<'_>,
        work_order: WorkOrderId,
        certificate: &CertificateInBrief,
        number: u32,
        seen: u32,
    ) {
        let previous = self.known_device(device).map_or(NONE, |row| row.newest);
        let newest = self.enter_certificate(certificate, previous, number);
        let mut was_confirmed = false;
        if let Some(row) = self.known_device(device) {
            was_confirmed = row.confirmed;
            (row.newest, row.confirmed, row.rework, row.changed) = (newest, false, false, number);
            row.see(seen);
        }
        self.count(work_order, |counts| {
            counts.reworked += 1;
            counts.confirmed -= u64::from(was_confirmed && counts.confirmed > 0);
        });
    }

    /// The entry of the first certificate of a device.
    pub(super) fn first_entry_of(&self, device: DeviceName<'_>) -> Option<u32> {
        let mut next = self.device_rows.get(self.device_row(device)? as usize)?.newest;
        let mut first = None;
        while let Some(row) = self.certificates.get(next) {
            (first, next) = (Some(row.entry), row.previous);
        }
        first
    }

    fn change(&mut self, device: DeviceName<'_>, number: u32, change: impl FnOnce(&mut DeviceRow)) {
        if let Some(row) = self.known_device(device) {
            change(row);
            row.changed = number;
        }
    }

    fn enter_withdrawals(&mut self, entry: &Entry, number: u32) {
        let revoked = entry.event.withdrawal().map(|withdrawal| withdrawal.certificates).unwrap_or_default();
        for one in revoked {
            if let Some(row) = self.certificate_row(&one.serial_number) {
                self.certificates.revoke(row, number);
            }
        }
        for serial_number in entry.event.held() {
            if let Some(row) = self.certificate_row(serial_number) {
                self.certificates.set_held(row, true, number);
            }
        }
        for serial_number in entry.event.released() {
            if let Some(row) = self.certificate_row(serial_number) {
                self.certificates.set_held(row, false, number);
            }
        }
        if !revoked.is_empty() || !entry.event.held().is_empty() || !entry.event.released().is_empty() {
            self.certificates.log(number);
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
        self.times.enter(brief.number, brief.at_s);
        let seen = u32::try_from(brief.at_s).unwrap_or(u32::MAX);
        self.enter_request(brief.caller, brief.request, number);
        match &brief.happened {
            // All that it had was revoked before, so its rework revokes nothing and is known in brief, too.
            Happened::BirthIssued { work_order, certificate } if self.device_row(brief.device).is_some() => {
                self.enter_rework(brief.device, *work_order, certificate, number, seen);
            }
            Happened::BirthIssued { work_order, certificate } => {
                let newest = self.enter_certificate(certificate, NONE, number);
                let hash = self.device_hash(brief.device);
                self.devices.insert(hash, self.device_rows.len() as u32);
                let check = hash.check();
                self.device_rows.push(DeviceRow {
                    check,
                    newest,
                    changed: 0,
                    seen: AtomicU32::new(seen),
                    confirmed: false,
                    scrapped: false,
                    retired: false,
                    held: false,
                    rework: false,
                });
                self.count(*work_order, |counts| counts.issued += 1);
            }
            Happened::UnitConfirmed { work_order, serial_number } => {
                if let Some(row) = self.known_device(brief.device) {
                    (row.confirmed, row.changed) = (true, number);
                    row.see(seen);
                }
                self.stand(serial_number, Standing::InUse, number);
                self.count(*work_order, |counts| counts.confirmed += 1);
            }
            Happened::OperationalIssued { certificate } => {
                let previous = self.known_device(brief.device).map_or(NONE, |row| row.newest);
                let newest = self.enter_certificate(certificate, previous, number);
                if let Some(row) = self.known_device(brief.device) {
                    row.newest = newest;
                    row.see(seen);
                }
            }
            Happened::InstallConfirmed { serial_number } => {
                let Some(row) = self.known_device(brief.device) else { return };
                row.see(seen);
                let newest = row.newest;
                self.certificates.supersede(newest, number, None);
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
        let row = self.certificates.push(certificate, hash.check(), previous, entry);
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
                self.enter_certificate(&certificate.into(), NONE, small(entry.number));
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
        self.certificates.get(self.certificate_row(serial_number)?).map(|row| row.standing())
    }

    pub(super) fn principals(&self) -> &BTreeMap<(Role, PrincipalName), PrincipalFacts> {
        &self.principals
    }

    fn stand(&mut self, serial_number: &SerialNumber, standing: Standing, changed: u32) {
        if let Some(row) = self.certificate_row(serial_number) {
            self.certificates.stand(row, standing, changed);
        }
    }

    /// The row of a certificate that is known to exist, or that 64 keyed bits cannot tell from one.
    pub(super) fn certificate_row(&self, serial_number: &SerialNumber) -> Option<u32> {
        let hash = self.serial_number_hash(serial_number);
        let sure = |row: &u32| self.certificates.get(*row).is_some_and(|row| row.check == hash.check());
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

    /// The entries of all certificates of a device, newest first.
    pub(super) fn entries_of(&self, device: &DeviceId) -> Vec<u32> {
        let mut entries = Vec::new();
        let mut next = self.device(device).map_or(NONE, |(_, row)| row.newest);
        while let Some(row) = self.certificates.get(next) {
            entries.push(row.entry);
            next = row.previous;
        }
        entries
    }

    /// A device's place in the order of first births, and when it was last seen.
    pub(super) fn place_of(&self, device: &DeviceId) -> Option<(u32, u32)> {
        self.device(device).map(|(place, row)| (place, row.seen.load(Ordering::Relaxed)))
    }

    /// Moves forward when a device was last seen.
    pub(super) fn see(&self, device: &DeviceId, second: u32) {
        if let Some((_, row)) = self.device(device) {
            row.see(second);
        }
    }

    /// The newest certificates' entries of living devices that were last seen before a second, and where the next page starts.
    pub(super) fn silent(&self, from: u64, before: u64, limit: usize) -> (Vec<u32>, Option<u64>) {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for (place, row) in self.device_rows.iter().enumerate().skip(from) {
            let silent = u64::from(row.seen.load(Ordering::Relaxed)) < before;
            if !silent || row.scrapped || row.retired || !self.has_live_certificate(row) {
                continue;
            }
            if entries.len() >= limit {
                return (entries, Some(place as u64));
            }
            entries.extend(self.certificates.get(row.newest).map(|newest| newest.entry));
        }
        (entries, None)
    }

    /// Whether the device has a certificate that is issued or in use, on hold or not; without one it is revoked.
    fn has_live_certificate(&self, device: &DeviceRow) -> bool {
        let mut next = device.newest;
        while let Some(row) = self.certificates.get(next) {
            if matches!(row.beneath(), Standing::Issued | Standing::InUse) {
                return true;
            }
            next = row.previous;
        }
        false
    }

    /// When every device was last seen, by place.
    pub(super) fn seen(&self) -> Vec<u32> {
        self.device_rows.iter().map(|row| row.seen.load(Ordering::Relaxed)).collect()
    }

    /// What was written down of that; what is on record since is never moved back.
    pub(super) fn restore_seen(&self, seconds: &[u32]) {
        for (row, second) in self.device_rows.iter().zip(seconds) {
            row.see(*second);
        }
    }

    fn device(&self, device: &DeviceId) -> Option<(u32, &DeviceRow)> {
        let place = self.device_row(device.into())?;
        Some((place, self.device_rows.get(place as usize)?))
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

impl DeviceRow {
    /// Moves forward when it was last seen.
    fn see(&self, second: u32) {
        self.seen.fetch_max(second, Ordering::Relaxed);
    }
}
