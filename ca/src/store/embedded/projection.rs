//! What the rows of the projection look like. One sled tree, so that a batch and its cursor are one atomic write.
//!
//! | key | value | for |
//! |---|---|---|
//! | `d`, work order, device serial | state, whether somebody accounted for it | listings of devices, unaccounted units |
//! | `e`, last second, entry | nothing | what expires; never those without a well-defined expiration |
//! | `c` | entry reached, number of rows, sum over their keys | the cursor |

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use identity::{DeviceId, DeviceSerial, no_well_defined_expiration};

use crate::ledger::{DeviceState, Entry, EntryNumber, Event, WorkOrderId};

/// Rows to be written, in the order of their keys.
pub(super) type NewRows = BTreeMap<Vec<u8>, Vec<u8>>;

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

/// Adds the rows of an entry. `now` is the device's row as the index has it, which may be ahead of this entry: then a later entry writes the
/// same row once more.
pub(super) fn project(
    entry: &Entry,
    now: impl Fn(&DeviceId) -> Option<(WorkOrderId, DeviceRow)>,
    rows: &mut NewRows,
    progress: &mut Progress,
) {
    if let Some(certificate) = entry.event.certificate()
        && certificate.validity.not_after() < no_well_defined_expiration()
    {
        let since_epoch = certificate.validity.not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
        let key = expiry_key(since_epoch.as_secs(), entry.number);
        progress.add(&key);
        rows.insert(key, Vec::new());
    }
    match &entry.event {
        Event::BirthIssued { work_order, device, .. } => {
            let key = device_key(*work_order, &device.serial);
            progress.add(&key);
            rows.insert(key, DeviceRow { state: DeviceState::Issued, accounted: false }.to_bytes());
        }
        Event::UnitConfirmed { device, .. }
        | Event::UnitScrapped { device, .. }
        | Event::InstallConfirmed { device, .. } => {
            if let Some((work_order, row)) = now(device) {
                rows.insert(device_key(work_order, &device.serial), row.to_bytes());
            }
        }
        _ => {}
    }
    progress.reached = entry.number.0;
}

impl Progress {
    pub(super) fn add(&mut self, key: &[u8]) {
        self.rows += 1;
        // A sum does not depend on the order, and each key is new exactly once.
        let hash = u64::from(crc32c::crc32c(key)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
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

impl DeviceRow {
    fn to_bytes(self) -> Vec<u8> {
        let state = match self.state {
            DeviceState::Issued => 1,
            DeviceState::Provisioned => 2,
            DeviceState::Enrolled => 3,
            DeviceState::Scrapped => 4,
        };
        vec![state, u8::from(self.accounted)]
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [state, accounted] = *bytes else { return None };
        let state = match state {
            1 => DeviceState::Issued,
            2 => DeviceState::Provisioned,
            3 => DeviceState::Enrolled,
            4 => DeviceState::Scrapped,
            _ => return None,
        };
        Some(Self { state, accounted: accounted != 0 })
    }
}

/// The keys of an order's devices start with this.
pub(super) fn order_prefix(work_order: WorkOrderId) -> Vec<u8> {
    [&b"d"[..], &work_order.0.to_be_bytes()].concat()
}

/// The key of a device.
pub(super) fn device_key(work_order: WorkOrderId, serial: &DeviceSerial) -> Vec<u8> {
    [&order_prefix(work_order)[..], serial.as_str().as_bytes()].concat()
}

/// The serial in a device's key.
pub(super) fn serial_of(key: &[u8]) -> Option<DeviceSerial> {
    str::from_utf8(key.get(9..)?).ok()?.parse().ok()
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

/// The key of the cursor.
pub(super) const CURSOR_KEY: &[u8] = b"c";
