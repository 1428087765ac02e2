//! The exact index. What lives is in memory; what the ledger keeps for ever (serial numbers, keys, request
//! ids, traces, rows of certificates) is on disk but for its newest part. It is derived from the ledger: a
//! start reads the last checkpoint of it and the entries behind that.
//!
//! A table finds the numbers of rows by a keyed hash; a row has more bits of the hash, which tell a row that
//! is known to exist from all others, or the entry is read to be sure.

mod administration;
mod callers;
mod certificates;
mod checkpoint;
mod devices;
mod disk;
mod fast_replay;
mod hashes;
mod jobs;
mod reservations;
mod rows;
mod snapshot;
mod state_file;
mod times;
mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use identity::{IssuerName, Principal, RequestId, SerialNumber};
use ledger::{
    CertificateStatus, Effect, Entry, EntryNumber, Holder, StatusChange, WorkOrderCounts, WorkOrderId,
    effects,
};
use ledger_log::format::{self, Caller, CertificateSummary, EntryRecord};

use crate::Result;
use administration::Administration;
use callers::{Birth, Callers};
use certificates::NONE;
pub(super) use certificates::{CertificateRow, Certificates, Kind};
pub(super) use checkpoint::{Checkpoint, LogMark};
use devices::Devices;
use disk::{Column, Table};
pub(super) use disk::{IndexDirectory, WriteError};
use hashes::HashKey;
pub(super) use rows::{Rows, second};
use times::Times;

/// What is known after the last entry that was entered.
pub(super) struct Index {
    pub(super) directory: Arc<IndexDirectory>,
    key: HashKey,
    devices: Devices,
    callers: Callers,
    serial_numbers: Table,
    keys: Table,
    /// Rows of birth certificates.
    traces: Table,
    /// Entries that answered.
    requests: Table,
    pub(super) certificates: Certificates,
    pub(super) administration: Administration,
    /// The entries that a start reads again for the administration, in their order.
    administrative: Column<u32>,
    issuers: BTreeMap<IssuerName, u32>,
    pub(super) times: Times,
}

impl Index {
    /// The index of an empty ledger, which will lie in this directory.
    pub(super) fn new(directory: Arc<IndexDirectory>, key: [u8; 16]) -> Self {
        Self {
            directory,
            key: HashKey(key),
            devices: Devices::default(),
            callers: Callers::default(),
            serial_numbers: Table::default(),
            keys: Table::default(),
            traces: Table::default(),
            requests: Table::default(),
            certificates: Certificates::default(),
            administration: Administration::default(),
            administrative: Column::default(),
            issuers: BTreeMap::new(),
            times: Times::default(),
        }
    }

    /// Applies the effects of an entry. The entries are trusted: `decide` made them.
    pub(super) fn apply(&mut self, entry: &Entry) -> Result<()> {
        let number = small(entry.number);
        self.times.enter(entry.number, format::milliseconds(entry.at));
        let (mut published, mut administrative) = (false, false);
        for effect in effects(entry) {
            published |= matches!(
                effect,
                Effect::StatusChanged {
                    change: StatusChange::Revoked | StatusChange::Held | StatusChange::Released,
                    ..
                }
            );
            match self.administration.apply(entry, effect) {
                Some(effect) => administrative |= self.apply_effect(entry, number, effect)?,
                None => administrative = true,
            }
        }
        if published {
            self.certificates.log(number);
        }
        if administrative {
            self.administrative.push(number);
        }
        Ok(())
    }

    /// Applies an effect on devices and certificates; `true`: it changed the administration, too.
    fn apply_effect(&mut self, entry: &Entry, number: u32, effect: Effect<'_>) -> Result<bool> {
        match effect {
            Effect::RequestAnswered { caller, request } => {
                self.enter_request(caller.into(), Some(request), number);
            }
            Effect::CertificateIssued { certificate, holder, .. } => match holder {
                Holder::Principal(Principal::Device(device)) => {
                    let position = self.device_row((&device).into());
                    self.enter_certificate_of(position, &certificate.into(), number)?;
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
                self.change_status(self.certificate_row(&serial_number)?, change, number)?;
            }
            Effect::OthersSuperseded { device, but, in_use_ends } => {
                let (position, but) = (self.device_row(device.into()), self.certificate_row(&but)?);
                self.supersede(position, but, number, in_use_ends.map(format::milliseconds))?;
            }
            Effect::DeviceBorn { device, work_order, birth } => {
                let hash = self.key.device(device.into());
                let born = Birth {
                    serial_number: birth,
                    work_order,
                    caller: entry.principal.as_ref().into(),
                    at_ms: format::milliseconds(entry.at),
                };
                self.bear(hash, self.device_at(hash), &born, number);
                return Ok(self.administration.take_reserved(device.into(), work_order));
            }
            Effect::TracesLeft { device, traces, .. } => {
                self.enter_traces(device.product.as_str(), traces, self.certificates.last());
            }
            Effect::DeviceChanged { device, change } => {
                self.change(self.device_row(device.into()), change, number);
            }
            Effect::DeviceSeen(device) => {
                let second = u32::try_from(format::milliseconds(entry.at) / 1000).unwrap_or(u32::MAX);
                self.see(device, second);
            }
            Effect::UnitConfirmed(work_order) => {
                self.administration.count(work_order, WorkOrderCounts::count_confirmed);
            }
            Effect::UnitScrapped { work_order, device } => {
                let position = self.device_row(device.into());
                let row = position.and_then(|position| self.devices.row(position));
                let confirmed = row.is_some_and(|row| row.flags.confirmed);
                self.administration.count(work_order, |counts| counts.count_scrapped(confirmed));
            }
            // The administration has taken all others.
            _ => {}
        }
        Ok(false)
    }

    /// Applies an encoded entry; `false`: these bytes are not one.
    pub(super) fn replay(&mut self, number: EntryNumber, payload: Bytes) -> Result<bool> {
        let Some(record) = EntryRecord::read(payload) else { return Ok(false) };
        if let Some(summary) = record.summary(number) {
            self.apply_summary(&summary)?;
            return Ok(true);
        }
        let Some(entry) = record.entry(number) else { return Ok(false) };
        self.apply(&entry)?;
        Ok(true)
    }

    pub(super) fn head(&self) -> EntryNumber {
        self.times.last()
    }

    fn change_status(&mut self, row: Option<u32>, change: StatusChange, number: u32) -> Result<()> {
        let Some(row) = row else { return Ok(()) };
        match change {
            StatusChange::InUse => self.certificates.use_it(row, number),
            StatusChange::Revoked => self.certificates.revoke(row, number),
            StatusChange::Held => self.certificates.set_held(row, true, number),
            StatusChange::Released => self.certificates.set_held(row, false, number),
        }
    }

    fn enter_request(&mut self, caller: Caller<'_>, request: Option<RequestId>, number: u32) {
        if let Some(request) = request {
            self.requests.insert(self.key.request(caller, &request), number);
        }
    }

    fn enter_certificate(&mut self, certificate: &CertificateSummary, previous: u32, entry: u32) -> u32 {
        let hash = self.key.serial_number(&certificate.serial_number);
        let row = self.certificates.push(certificate, hash.check(), previous, entry);
        self.serial_numbers.insert(hash, row);
        self.keys.insert(self.key.key(&certificate.key), row);
        row
    }

    /// What the certificate is worth, without a look at the ledger.
    pub(super) fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>> {
        let Some(row) = self.certificate_row(serial_number)? else { return Ok(None) };
        Ok(self.certificates.get(row)?.map(CertificateRow::status))
    }

    /// The row of a certificate that is known to exist, or that 64 keyed bits cannot tell from one.
    pub(super) fn certificate_row(&self, serial_number: &SerialNumber) -> Result<Option<u32>> {
        let hash = self.key.serial_number(serial_number);
        for row in self.serial_numbers.find(hash)? {
            if self.certificates.get(row)?.is_some_and(|row| row.check == hash.check()) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// Entry numbers in the index have 32 bits; [`super::ENTRIES_MAX`] keeps them there.
fn small(number: EntryNumber) -> u32 {
    u32::try_from(number.0).unwrap_or(u32::MAX)
}

/// There are fewer orders than entries.
fn small_order(work_order: WorkOrderId) -> u32 {
    u32::try_from(work_order.0).unwrap_or(u32::MAX)
}
