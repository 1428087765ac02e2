//! What the rows of the projection look like. One sled tree, so that a batch and its cursor are one atomic
//! write.
//!
//! | key | value | for |
//! |---|---|---|
//! | `d`, order, serial | last characters, states, accounted for | listings of devices, unaccounted units |
//! | `e`, last second, entry | nothing | listings of expiring certificates |
//! | `c3` | entry, counts, sum over the keys | the cursor |
//!
//! A row `d` has the devices of an order whose serials differ in the last character only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

use identity::{DeviceId, SerialNumber, no_well_defined_expiration};
use ledger::{DeviceState, Effect, Entry, EntryNumber, StatusChange, WorkOrderId, effects};

use super::buckets::{self, DeviceBucket};
use ledger_log::format::{DeviceName, EntrySummary, SummaryEvent};

/// What is to be written, in the order of the keys.
#[derive(Default)]
pub(super) struct NewRows {
    /// Onto buckets that may be there.
    pub(super) buckets: BTreeMap<Vec<u8>, DeviceBucket>,
    /// Keys of certificates that expire.
    pub(super) expiring: Vec<Vec<u8>>,
}

impl NewRows {
    fn put(&mut self, (bucket, last): (Vec<u8>, u8), row: DeviceRow) {
        self.buckets.entry(bucket).or_default().insert(last, row);
    }
}

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

/// Adds the rows of an entry that is known in brief. `current_row` is the device's row as the index has it,
/// which may be ahead of this entry: then a later entry writes the same row once more. `first` is the entry
/// of the device's first certificate.
pub(super) fn project_summary(
    summary: &EntrySummary<'_>,
    first: impl Fn(DeviceName<'_>) -> Option<EntryNumber>,
    current_row: impl Fn(DeviceName<'_>) -> Option<(WorkOrderId, DeviceRow)>,
    rows: &mut NewRows,
    progress: &mut Progress,
) {
    match &summary.event {
        SummaryEvent::BirthIssued { work_order, certificate } => {
            born(summary.device, *work_order, summary.number, first, rows, progress);
            expires(certificate.not_after_s, summary.number, rows, progress);
        }
        SummaryEvent::OperationalIssued { certificate } => {
            expires(certificate.not_after_s, summary.number, rows, progress);
        }
        SummaryEvent::UnitConfirmed { .. } | SummaryEvent::InstallConfirmed { .. } => {
            if let Some((work_order, row)) = current_row(summary.device) {
                rows.put(buckets::position(work_order, summary.device.serial), row);
            }
        }
    }
    progress.reached = summary.number.0;
}

/// Adds the rows of any entry: what its effects change. `holder` is the device that the certificate belongs
/// to; `None`: it is not a device's.
pub(super) fn project(
    entry: &Entry,
    first: impl Fn(DeviceName<'_>) -> Option<EntryNumber>,
    current_row: impl Fn(DeviceName<'_>) -> Option<(WorkOrderId, DeviceRow)>,
    holder: impl Fn(&SerialNumber) -> Option<DeviceId>,
    rows: &mut NewRows,
    progress: &mut Progress,
) {
    let (mut changed, mut revoked) = (BTreeSet::<DeviceName<'_>>::new(), BTreeSet::new());
    for effect in effects(entry) {
        match effect {
            Effect::CertificateIssued { certificate, .. } => {
                let last = certificate.validity.not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
                expires(last.as_secs(), entry.number, rows, progress);
            }
            Effect::DeviceBorn { device, work_order, .. } => {
                let device = DeviceName::from(device);
                born(device, work_order, entry.number, &first, rows, progress);
                changed.insert(device);
            }
            Effect::OthersSuperseded { device, .. } | Effect::DeviceChanged { device, .. } => {
                changed.insert(device.into());
            }
            // A device whose operational certificate is revoked is no longer enrolled; one that has no
            // certificate left is revoked.
            Effect::StatusChanged { serial_number, change: StatusChange::Revoked } => {
                revoked.extend(holder(&serial_number));
            }
            _ => {}
        }
    }
    for device in changed.into_iter().chain(revoked.iter().map(DeviceName::from)) {
        if let Some((work_order, row)) = current_row(device) {
            rows.put(buckets::position(work_order, device.serial), row);
        }
    }
    progress.reached = entry.number.0;
}

/// A device has its row from its first birth certificate on.
fn born(
    device: DeviceName<'_>,
    work_order: WorkOrderId,
    number: EntryNumber,
    first: impl Fn(DeviceName<'_>) -> Option<EntryNumber>,
    rows: &mut NewRows,
    progress: &mut Progress,
) {
    let position = buckets::position(work_order, device.serial);
    if first(device).is_none_or(|first| first == number) {
        progress.add(&position.0, &[position.1]);
    }
    rows.put(position, DeviceRow { state: DeviceState::Issued, accounted: false });
}

fn expires(second: u64, entry: EntryNumber, rows: &mut NewRows, progress: &mut Progress) {
    let never = no_well_defined_expiration().duration_since(UNIX_EPOCH).unwrap_or_default();
    if second < never.as_secs() {
        let key = expiry_key(second, entry);
        progress.add(&key, &[]);
        rows.expiring.push(key);
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

/// The key of a certificate that expires.
pub(super) fn expiry_key(second: u64, entry: EntryNumber) -> Vec<u8> {
    [&b"e"[..], &second.to_be_bytes(), &entry.0.to_be_bytes()].concat()
}

/// The last second and the entry in the key of a certificate that expires.
pub(super) fn expiry_of(key: &[u8]) -> Option<(u64, EntryNumber)> {
    match key.split_first()? {
        (b'e', rest) => match rest.as_chunks::<8>() {
            ([second, entry], []) => {
                Some((u64::from_be_bytes(*second), EntryNumber(u64::from_be_bytes(*entry))))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The key of the cursor. Its number is the version of all rows: a projection of another version is built
/// again.
pub(super) const CURSOR_KEY: &[u8] = b"c3";

/// The key of the cursor of version 2, in which a revoked device had the state that it had before. Its value
/// has the same form.
pub(super) const CURSOR_KEY_2: &[u8] = b"c2";
