//! Devices: a row each, in the order of their first births, and the chain of their certificates.

use std::sync::atomic::{AtomicU32, Ordering};

use identity::DeviceId;
use ledger::{DeviceChange, DeviceFlags, WorkOrderId};
use ledger_log::format::{CertificateSummary, DeviceName};

use super::Index;
use super::certificates::{CertificateRow, NONE};
use super::tags::Hash;

pub(super) struct DeviceRow {
    check: u32,
    /// Its newest certificate; the others follow through `previous`.
    pub(super) newest: u32,
    /// The entry that last changed the flags; 0: none did.
    pub(super) changed: u32,
    /// When it was last seen, seconds since 1970. Readers move it forward.
    pub(super) seen: AtomicU32,
    pub(super) flags: DeviceFlags,
}

impl Index {
    /// The device that owns the certificate entered last has a birth certificate: its first, or, if it has a
    /// position, that of a rework. Returns its position.
    pub(super) fn bear(
        &mut self,
        hash: Hash,
        position: Option<u32>,
        work_order: WorkOrderId,
        number: u32,
    ) -> u32 {
        let was_confirmed = self.device_mut(position).map(|row| {
            let was_confirmed = row.flags.confirmed;
            row.flags.reborn();
            row.changed = number;
            was_confirmed
        });
        let position = position.unwrap_or_else(|| {
            let position = self.device_rows.len() as u32;
            self.devices.insert(hash, position);
            self.device_rows.push(DeviceRow {
                check: hash.check(),
                newest: self.certificates.last(),
                changed: 0,
                seen: AtomicU32::new(0),
                flags: DeviceFlags::default(),
            });
            position
        });
        self.count(work_order, |counts| counts.count_birth(was_confirmed));
        position
    }

    pub(super) fn change(&mut self, position: Option<u32>, change: DeviceChange, number: u32) {
        if let Some(row) = self.device_mut(position) {
            row.flags.change(change);
            row.changed = number;
        }
    }

    pub(super) fn supersede(
        &mut self,
        position: Option<u32>,
        but: Option<u32>,
        number: u32,
        in_use_ends: Option<u64>,
    ) {
        if let Some(newest) = self.device_mut(position).map(|row| row.newest) {
            self.certificates.supersede(newest, but, number, in_use_ends);
        }
    }

    pub(in crate::state) fn first_entry_of(&self, device: DeviceName<'_>) -> Option<u32> {
        let newest = self.device_rows.get(self.device_row(device)? as usize)?.newest;
        self.certificates.of_device(newest).last().map(|row| row.entry)
    }

    /// Enters a certificate of the device at this position; `None`: it is not born yet.
    pub(super) fn enter_certificate_of(
        &mut self,
        position: Option<u32>,
        certificate: &CertificateSummary,
        number: u32,
    ) {
        let previous = self.device_mut(position).map_or(NONE, |row| row.newest);
        let newest = self.enter_certificate(certificate, previous, number);
        if let Some(row) = self.device_mut(position) {
            row.newest = newest;
        }
    }

    pub(super) fn device_row(&self, device: DeviceName<'_>) -> Option<u32> {
        self.device_at(self.hash(device))
    }

    pub(super) fn device_at(&self, hash: Hash) -> Option<u32> {
        let sure =
            |row: &u32| self.device_rows.get(*row as usize).is_some_and(|row| row.check == hash.check());
        self.devices.find(hash).find(sure)
    }

    /// Whether a device was born; from memory alone: 64 keyed bits take another device for it.
    pub(super) fn is_born(&self, device: DeviceName<'_>) -> bool {
        self.device_row(device).is_some()
    }

    pub(super) fn device_mut(&mut self, position: Option<u32>) -> Option<&mut DeviceRow> {
        self.device_rows.get_mut(position? as usize)
    }

    /// The entries of all certificates of a device, newest first.
    pub(in crate::state) fn entries_of(&self, device: &DeviceId) -> Vec<u32> {
        let newest = self.device(device).map_or(NONE, |(_, row)| row.newest);
        self.certificates.of_device(newest).map(|row| row.entry).collect()
    }

    /// A device's position in the order of first births, and when it was last seen.
    pub(in crate::state) fn position_of(&self, device: &DeviceId) -> Option<(u32, u32)> {
        self.device(device).map(|(position, row)| (position, row.seen.load(Ordering::Relaxed)))
    }

    pub(in crate::state) fn see(&self, device: &DeviceId, second: u32) {
        if let Some((_, row)) = self.device(device) {
            row.see(second);
        }
    }

    /// The newest certificates' entries of living devices that were last seen before a second, and where the
    /// next page starts.
    pub(in crate::state) fn silent(&self, from: u64, before: u64, limit: usize) -> (Vec<u32>, Option<u64>) {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for (position, row) in self.device_rows.iter().enumerate().skip(from) {
            let silent = u64::from(row.seen.load(Ordering::Relaxed)) < before;
            if !silent || row.flags.scrapped || row.flags.retired || !self.has_live_certificate(row) {
                continue;
            }
            if entries.len() >= limit {
                return (entries, Some(position as u64));
            }
            entries.extend(self.certificates.get(row.newest).map(|newest| newest.entry));
        }
        (entries, None)
    }

    /// Whether the device has a certificate that is issued or in use, on hold or not; without one it is
    /// revoked.
    fn has_live_certificate(&self, device: &DeviceRow) -> bool {
        self.certificates.of_device(device.newest).any(CertificateRow::is_live)
    }

    pub(in crate::state) fn seen(&self) -> Vec<u32> {
        self.device_rows.iter().map(|row| row.seen.load(Ordering::Relaxed)).collect()
    }

    /// What was written down of that; what is on record since is never moved back.
    pub(in crate::state) fn restore_seen(&self, seconds: &[u32]) {
        for (row, second) in self.device_rows.iter().zip(seconds) {
            row.see(*second);
        }
    }

    fn device(&self, device: &DeviceId) -> Option<(u32, &DeviceRow)> {
        let position = self.device_row(device.into())?;
        Some((position, self.device_rows.get(position as usize)?))
    }
}

impl DeviceRow {
    pub(super) fn see(&self, second: u32) {
        self.seen.fetch_max(second, Ordering::Relaxed);
    }
}
