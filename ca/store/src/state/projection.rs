//! What the rows of the projection look like. One sled tree, so that a batch and its cursor are one atomic
//! write.
//!
//! | key | value | for |
//! |---|---|---|
//! | `d`, order, serial | last characters, states, accounted for | listings of devices, unaccounted units |
//! | `c4` | entry, counts, sum over the keys | the cursor |
//!
//! A row `d` has the devices of an order whose serials differ in the last character only.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use identity::{DeviceId, SerialNumber};
use ledger::{DeviceState, Effect, Entry, EntryNumber, StatusChange, View, WorkOrderId, effects};
use ledger_log::format::{DeviceName, EntryRecord, EntrySummary, SummaryEvent};

use super::Shared;
use super::buckets::{self, DeviceBucket};
use super::entries::UNREADABLE;
use super::index::Kind;
use crate::Result;

/// How far the projection is and what it must hold: a projection that lost rows does not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    pub(super) reached: u64,
    pub(super) rows: u64,
    pub(super) keys: u64,
}

/// A device's row as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceRow {
    pub(super) state: DeviceState,
    /// Confirmed or scrapped.
    pub(super) accounted: bool,
}

/// The rows that entries add, in the order of their keys.
pub(super) struct NewRows<'a> {
    shared: &'a Shared,
    /// The last entry that was added, and what the projection must hold then.
    pub(super) progress: Progress,
    /// To be added to buckets that may be there.
    pub(super) buckets: BTreeMap<Vec<u8>, DeviceBucket>,
}

impl<'a> NewRows<'a> {
    pub(super) fn behind(shared: &'a Shared, progress: Progress) -> Self {
        Self { shared, progress, buckets: BTreeMap::new() }
    }

    /// Adds the rows of the next entry. A device's row is that of the index, which may be ahead of the entry:
    /// then a later entry writes the same row once more.
    pub(super) fn add(&mut self, payload: Bytes) -> Result<()> {
        let number = EntryNumber(self.progress.reached + 1);
        let unreadable = || self.shared.entries.damaged(number, UNREADABLE);
        let record = EntryRecord::read(payload).ok_or_else(unreadable)?;
        if let Some(summary) = record.summary(number) {
            self.add_summary(&summary)?;
        } else {
            let entry = record.entry(number).ok_or_else(unreadable)?;
            self.add_effects(&entry)?;
        }
        self.progress.reached = number.0;
        Ok(())
    }

    /// Adds the row of a device as it is now, once for each device, instead of all entries up to one.
    pub(super) fn add_device(&mut self, device: DeviceName<'_>) -> Result<()> {
        if let Some((bucket, last)) = self.put_current(device)? {
            self.progress.add(&bucket, &[last]);
        }
        Ok(())
    }

    fn add_summary(&mut self, summary: &EntrySummary<'_>) -> Result<()> {
        match &summary.event {
            SummaryEvent::BirthIssued { work_order, .. } => {
                self.bear(summary.device, *work_order, summary.number)?;
            }
            SummaryEvent::OperationalIssued { .. } => {}
            SummaryEvent::UnitConfirmed { .. } | SummaryEvent::InstallConfirmed { .. } => {
                self.put_current(summary.device)?;
            }
        }
        Ok(())
    }

    fn add_effects(&mut self, entry: &Entry) -> Result<()> {
        let (mut changed, mut revoked) = (BTreeSet::<DeviceName<'_>>::new(), BTreeSet::new());
        for effect in effects(entry) {
            match effect {
                Effect::DeviceBorn { device, work_order, .. } => {
                    self.bear(device.into(), work_order, entry.number)?;
                    changed.insert(device.into());
                }
                Effect::OthersSuperseded { device, .. } | Effect::DeviceChanged { device, .. } => {
                    changed.insert(device.into());
                }
                // A device whose operational certificate is revoked is no longer enrolled; one that has no
                // certificate left is revoked.
                Effect::StatusChanged { serial_number, change: StatusChange::Revoked } => {
                    revoked.extend(self.holder(&serial_number)?);
                }
                _ => {}
            }
        }
        let revoked = revoked.iter().map(DeviceName::from);
        changed.into_iter().chain(revoked).try_for_each(|one| self.put_current(one).map(drop))
    }

    /// A device has its row from its first birth certificate on.
    fn bear(&mut self, device: DeviceName<'_>, work_order: WorkOrderId, number: EntryNumber) -> Result<()> {
        let position = buckets::position(work_order, device.serial);
        let first = self.shared.index.read().first_entry_of(device)?;
        if first.is_none_or(|first| u64::from(first) == number.0) {
            self.progress.add(&position.0, &[position.1]);
        }
        self.put(position, DeviceRow { state: DeviceState::Issued, accounted: false });
        Ok(())
    }

    fn put(&mut self, (bucket, last): (Vec<u8>, u8), row: DeviceRow) {
        self.buckets.entry(bucket).or_default().insert(last, row);
    }

    /// Puts the row of a device as it is now, and returns where; `None`: there is no such device.
    fn put_current(&mut self, device: DeviceName<'_>) -> Result<Option<(Vec<u8>, u8)>> {
        let shown = self.shared.index.read().shown(device)?;
        Ok(shown.map(|(state, work_order, accounted)| {
            let position = buckets::position(work_order, device.serial);
            self.put(position.clone(), DeviceRow { state, accounted });
            position
        }))
    }

    /// The device that a certificate belongs to; `None`: it is not a device's.
    fn holder(&self, serial_number: &SerialNumber) -> Result<Option<DeviceId>> {
        let index = self.shared.index.read();
        let row = index.certificate_row(serial_number)?;
        let row = row.map_or(Ok(None), |row| index.certificates.get(row))?;
        if row.is_none_or(|row| row.kind() == Kind::Other) {
            return Ok(None);
        }
        let facts = self.shared.rows(&index).certificate(serial_number)?;
        Ok(facts.and_then(|facts| facts.holder.device().cloned()))
    }
}

impl Progress {
    /// Counts one more: a bucket's key and the position there, or a whole key.
    pub(super) fn add(&mut self, key: &[u8], position: &[u8]) {
        self.rows += 1;
        // A sum does not depend on the order, and each key is new exactly once.
        let hash = u64::from(crc32c::crc32c_append(crc32c::crc32c(key), position))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.keys = self.keys.wrapping_add(hash);
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.reached, self.rows, self.keys].map(u64::to_be_bytes).concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.as_chunks::<8>() {
            ([reached, rows, keys], []) => {
                let [reached, rows, keys] = [reached, rows, keys].map(|bytes| u64::from_be_bytes(*bytes));
                Some(Self { reached, rows, keys })
            }
            _ => None,
        }
    }
}

/// The key of the cursor. Its number is the version of all rows: a projection of another version is built
/// again.
pub(super) const CURSOR_KEY: &[u8] = b"c4";

/// The keys of the cursors of earlier versions. Their values have the same form.
pub(super) const EARLIER_CURSOR_KEYS: [&[u8]; 2] = [b"c3", b"c2"];
