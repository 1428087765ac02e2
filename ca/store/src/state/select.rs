//! Selections: a scan of the index and the ledger, in pages. The projection has no part in it.

use std::time::SystemTime;

use identity::{DeviceId, Principal, SerialNumber};
use ledger::{
    Candidate, CertificateFacts, DeviceFacts, Entry, EntryNumber, Event, Holder, RotationFacts, Selection,
    View,
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
                let entries = self.index.read().entries_of(device)?;
                let mut certificates = Vec::new();
                if let Some(born) = entries.last() {
                    let born = self.entries.at(*born)?;
                    self.all_of(device, &born, &mut certificates)?;
                }
                Ok(SelectionPage { certificates, next: None })
            }
            Selection::WorkOrder(_) | Selection::Product(_) | Selection::Station(_) => {
                let born = self.index.read().born_from(from, SCANNED_ROWS_MAX + 1)?;
                self.take(born, limit, |entry, found| match &entry.event {
                    Event::BirthIssued { work_order, device, .. }
                        if selection.covers_device(device, *work_order, entry.principal.as_ref()) =>
                    {
                        self.all_of(device, entry, found)
                    }
                    _ => Ok(()),
                })
            }
            Selection::Issued { from: start, until } => {
                let rows = self.device_certificates_from(from)?;
                self.take(rows, limit, |entry, found| {
                    if (*start..*until).contains(&entry.at) {
                        found.extend(self.selected(entry, entry.number)?);
                    }
                    Ok(())
                })
            }
        }
    }

    /// The rows of certificates of devices from one on, and their entries: one more than a page looks at.
    fn device_certificates_from(&self, from: u64) -> Result<Vec<(u32, u32)>> {
        let mut next = u32::try_from(from).unwrap_or(u32::MAX);
        let mut rows = Vec::new();
        while rows.len() <= SCANNED_ROWS_MAX {
            let piece = self.certificates(|certificates| certificates.piece(next))?;
            let Some((last, _)) = piece.last() else { break };
            next = last + 1;
            let of_devices = piece.into_iter().filter(|(_, row)| row.kind() != Kind::Other);
            rows.extend(of_devices.map(|(number, row)| (number, row.entry)));
        }
        rows.truncate(SCANNED_ROWS_MAX + 1);
        Ok(rows)
    }

    /// Reads entries, in their order, and lets `add` take certificates from each. With each comes where a
    /// page would start that begins with it.
    fn take(
        &self,
        entries: Vec<(u32, u32)>,
        limit: usize,
        add: impl Fn(&Entry, &mut Vec<Selected>) -> Result<()>,
    ) -> Result<SelectionPage> {
        let mut reader = self.entries.in_order();
        let mut certificates = Vec::new();
        for (scanned, (place, entry)) in entries.into_iter().enumerate() {
            if certificates.len() >= limit || scanned == SCANNED_ROWS_MAX {
                return Ok(SelectionPage { certificates, next: Some(u64::from(place)) });
            }
            add(&reader.entry(entry)?, &mut certificates)?;
        }
        Ok(SelectionPage { certificates, next: None })
    }

    fn all_of(&self, device: &DeviceId, born: &Entry, certificates: &mut Vec<Selected>) -> Result<()> {
        let entries = self.index.read().entries_of(device)?;
        for number in entries.into_iter().rev().map(|number| EntryNumber(u64::from(number))) {
            // Most devices of a young fleet have one certificate, which was just read.
            if number == born.number {
                certificates.extend(self.selected(born, born.number)?);
            } else {
                certificates.extend(self.selected(self.entries.get(number)?.as_ref(), born.number)?);
            }
        }
        Ok(())
    }

    /// The certificate that the entry recorded, as it is now.
    fn selected(&self, entry: &Entry, since: EntryNumber) -> Result<Option<Selected>> {
        let Some(certificate) = entry.event.certificate() else { return Ok(None) };
        let serial_number = certificate.serial_number;
        let index = self.index.read();
        let Some(status) = index.certificate_status(&serial_number)? else { return Ok(None) };
        let device = match entry.event.holder() {
            Some(Holder::Principal(Principal::Device(id))) => {
                let Some((position, seen)) = index.position_of(&id) else { return Ok(None) };
                Some(SelectedDevice { id, position, last_seen: second(seen) })
            }
            Some(Holder::Principal(Principal::Named { .. }) | Holder::DocumentSigner) => None,
            Some(Holder::Issuer(_)) | None => return Ok(None),
        };
        Ok(Some(Selected { serial_number, status, since, device }))
    }

    fn whole(&self, facts: Vec<CertificateFacts>) -> Result<SelectionPage> {
        let mut certificates = Vec::with_capacity(facts.len());
        // All of one device: it belongs to the selection since the oldest does.
        let since = facts.iter().map(|facts| facts.entry).min().unwrap_or_default();
        for facts in facts {
            certificates.extend(self.selected(self.entries.get(facts.entry)?.as_ref(), since)?);
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

    pub(super) fn not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>> {
        let from = cursor.map(page::number_of).transpose()?.unwrap_or(0);
        let before = format::milliseconds(before).div_ceil(1000);
        let (rows, next) = self.index.read().silent(from, before, limit)?;
        Page { rows, next: next.map(page::at_number) }.try_map(|number| {
            let holder = self.entries.at(number)?.event.holder();
            let device = holder.as_ref().and_then(Holder::device);
            device.map_or(Ok(None), |device| self.view(|rows| rows.device(device)))
        })
    }
}

/// Rows that one page looks at: some megabytes of ledger.
const SCANNED_ROWS_MAX: usize = 4_096;
