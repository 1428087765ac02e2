//! Selections: a scan of the index and the ledger, in pages. The projection has no part in it.

use std::sync::Arc;
use std::time::SystemTime;

use identity::{DeviceId, Principal, SerialNumber};
use ledger::{
    AlarmKind, Candidate, CertificateFacts, DeviceFacts, Entry, EntryNumber, Event, Holder, RotationFacts,
    Selection, View,
};
use ledger_log::format;

use super::Shared;
use super::index::{Kind, second};
use crate::selection::lineage;
use crate::{Cursor, Page, Result, Selected, SelectedDevice, SelectionPage, page};

impl Shared {
    pub(super) fn select(&self, selection: &Selection, from: u64, limit: usize) -> Result<SelectionPage> {
        match selection {
            Selection::Certificate(serial_number) => {
                let facts = self.view(|rows| rows.certificate(serial_number))?;
                self.whole(facts.into_iter().collect())
            }
            Selection::Key(key) => {
                let facts = self.view(|rows| rows.key(key))?;
                self.whole(facts.into_iter().collect())
            }
            Selection::Lineage(serial_number) => {
                let lineage = self.view(|rows| lineage(rows, serial_number))?;
                self.whole(lineage)
            }
            Selection::Device(device) => {
                let entries = self.index.read().entries_of(device);
                let mut certificates = Vec::new();
                if let Some(born) = entries.last() {
                    let born = self.entries.at(*born)?;
                    self.all_of(device, &born, &mut certificates)?;
                }
                Ok(SelectionPage { certificates, next: None })
            }
            Selection::WorkOrder(_) | Selection::Product(_) | Selection::Station(_) => {
                self.select_devices(selection, from, limit)
            }
            Selection::Issued { from: start, until } => self.select_issued(*start..*until, from, limit),
        }
    }

    /// All certificates of the devices whose first birth matches, in the order of the births.
    fn select_devices(&self, selection: &Selection, from: u64, limit: usize) -> Result<SelectionPage> {
        let (births, next) = self.rows_of(from, |kind| kind == Kind::Birth);
        let mut reader = self.entries.in_order();
        let mut certificates = Vec::new();
        for (row, number, previous) in births {
            if certificates.len() >= limit {
                return Ok(SelectionPage { certificates, next: Some(u64::from(row)) });
            }
            // A later birth is a rework: its device came with the first one.
            if previous {
                continue;
            }
            let entry = reader.entry(number)?;
            if let Event::BirthIssued { work_order, device, .. } = &entry.event
                && selection.covers_device(device, *work_order, entry.principal.as_ref())
            {
                self.all_of(device, &entry, &mut certificates)?;
            }
        }
        Ok(SelectionPage { certificates, next })
    }

    /// Certificates of devices by when they were recorded.
    fn select_issued(
        &self,
        time: std::ops::Range<SystemTime>,
        from: u64,
        limit: usize,
    ) -> Result<SelectionPage> {
        let (rows, next) = self.rows_of(from, |kind| kind != Kind::Other);
        let mut reader = self.entries.in_order();
        let mut certificates = Vec::new();
        for (row, number, _) in rows {
            if certificates.len() >= limit {
                return Ok(SelectionPage { certificates, next: Some(u64::from(row)) });
            }
            let entry = reader.entry(number)?;
            if time.contains(&entry.at) {
                certificates.extend(self.selected(&entry, entry.number));
            }
        }
        Ok(SelectionPage { certificates, next })
    }

    /// Rows of a kind, their entries and whether another certificate of the device came before; and where the
    /// next page starts.
    fn rows_of(&self, from: u64, wanted: impl Fn(Kind) -> bool) -> (Vec<(u32, u32, bool)>, Option<u64>) {
        let index = self.index.read();
        let mut rows = Vec::new();
        for (number, row) in index.certificates.from(u32::try_from(from).unwrap_or(u32::MAX)) {
            if rows.len() >= SCANNED_ROWS_MAX {
                return (rows, Some(u64::from(number)));
            }
            if wanted(row.kind()) {
                rows.push((number, row.entry, row.has_previous()));
            }
        }
        (rows, None)
    }

    fn all_of(&self, device: &DeviceId, born: &Entry, certificates: &mut Vec<Selected>) -> Result<()> {
        let entries = self.index.read().entries_of(device);
        for number in entries.into_iter().rev().map(|number| EntryNumber(u64::from(number))) {
            // Most devices of a young fleet have one certificate, which was just read.
            if number == born.number {
                certificates.extend(self.selected(born, born.number));
            } else {
                certificates.extend(self.selected(self.entries.get(number)?.as_ref(), born.number));
            }
        }
        Ok(())
    }

    /// The certificate that the entry recorded, as it is now.
    fn selected(&self, entry: &Entry, since: EntryNumber) -> Option<Selected> {
        let serial_number = entry.event.certificate()?.serial_number;
        let index = self.index.read();
        let status = index.certificate_status(&serial_number)?;
        let device = match entry.event.holder()? {
            Holder::Principal(Principal::Device(id)) => {
                let (position, seen) = index.position_of(&id)?;
                Some(SelectedDevice { id, position, last_seen: second(seen) })
            }
            Holder::Principal(Principal::Named { .. }) => None,
            Holder::Issuer(_) => return None,
        };
        Some(Selected { serial_number, status, since, device })
    }

    fn whole(&self, facts: Vec<CertificateFacts>) -> Result<SelectionPage> {
        let mut certificates = Vec::with_capacity(facts.len());
        // All of one device: it belongs to the selection since the oldest does.
        let since = facts.iter().map(|facts| facts.entry).min().unwrap_or_default();
        for facts in facts {
            certificates.extend(self.selected(self.entries.get(facts.entry)?.as_ref(), since));
        }
        Ok(SelectionPage { certificates, next: None })
    }

    pub(super) fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> Result<Option<RotationFacts>> {
        let active = self.active_rotations(now);
        if active.is_empty() {
            return Ok(None);
        }
        let found = self.view(|rows| {
            let Some(facts) = rows.certificate(serial_number)? else { return Ok(None) };
            let Some(device) = facts.holder.device() else { return Ok(None) };
            Ok(rows.device(device)?.map(|device| (facts, device)))
        })?;
        let Some((facts, device)) = found else { return Ok(None) };
        let issued_at = self.entries.get(facts.entry)?.at;
        let mut ancestors = Vec::new();
        let mut parent = facts.parent;
        while let Some(number) = parent {
            ancestors.push(number);
            parent = self.view(|rows| rows.certificate(&number))?.and_then(|facts| facts.parent);
        }
        let candidate = Candidate {
            device: &device.id,
            work_order: device.work_order,
            station: device.station.as_ref(),
            serial_number: *serial_number,
            key: facts.key,
            issued_at,
            ancestors: &ancestors,
        };
        let means = |rotation: &RotationFacts| {
            facts.entry < rotation.entry && rotation.terms.selection.covers(&candidate)
        };
        Ok(active.into_iter().find(means))
    }

    pub(super) fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Arc<Entry>>> {
        let found = {
            let index = self.index.read();
            page::alarms(&index.jobs.alarms, kind, cursor, limit)?
        };
        found.try_map(|number| self.entries.get(number).map(Some))
    }

    pub(super) fn not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>> {
        let from = cursor.map(page::number_of).transpose()?.unwrap_or(0);
        let before = format::milliseconds(before).div_ceil(1000);
        let index = self.index.read();
        let (rows, next) = index.silent(from, before, limit);
        drop(index);
        Page { rows, next: next.map(page::at_number) }.try_map(|number| {
            let holder = self.entries.at(number)?.event.holder();
            let device = holder.as_ref().and_then(Holder::device);
            device.map_or(Ok(None), |device| self.view(|rows| rows.device(device)))
        })
    }
}

/// Rows that one page looks at: some megabytes of ledger.
const SCANNED_ROWS_MAX: usize = 4_096;
