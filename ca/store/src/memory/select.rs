//! Selections, the plain way: every certificate is looked at.

use std::time::SystemTime;

use identity::{DeviceId, IssuerName, Principal, SerialNumber};
use ledger::{
    Candidate, CertificateFacts, CertificateStatus, DeviceFacts, EntryNumber, Event, Holder, RotationFacts,
    Selection, View,
};

use super::{State, sure};
use crate::selection::lineage;
use crate::{DeviceRecord, Selected, SelectedDevice, SelectionPage};

impl State {
    pub(super) fn device(&self, facts: &DeviceFacts) -> Option<DeviceRecord> {
        let mut record = DeviceRecord::of(facts)?;
        record.last_seen =
            self.seen.get(&facts.id).map_or(record.last_seen, |seen| record.last_seen.max(*seen));
        Some(record)
    }

    /// Devices in the order of their first births.
    pub(super) fn births(&self) -> Vec<DeviceId> {
        let mut births = Vec::new();
        for entry in &self.entries {
            if let Event::BirthIssued { device, .. } = &entry.event
                && !births.contains(device)
            {
                births.push(device.clone());
            }
        }
        births
    }

    /// Those of a list that are revoked or on hold, in the order in which they were issued.
    pub(super) fn revoked_or_held(&self, issuer: IssuerName, shard: Option<u32>) -> Vec<&CertificateFacts> {
        let mut listed: Vec<_> = self
            .overlay
            .certificates_here()
            .filter(|facts| matches!(facts.status, CertificateStatus::Revoked | CertificateStatus::Held))
            .filter(|facts| facts.issuer == issuer && (shard.is_none() || facts.shard == shard))
            .collect();
        listed.sort_by_key(|facts| facts.entry);
        listed
    }

    pub(super) fn select(&self, selection: &Selection, from: u64, limit: usize) -> SelectionPage {
        let births = self.births();
        match selection {
            Selection::Certificate(number) => {
                self.whole(sure(self.overlay.certificate(number)).into_iter().collect())
            }
            Selection::Key(key) => self.whole(sure(self.overlay.key(key)).into_iter().collect()),
            Selection::Lineage(number) => self.whole(sure(lineage(&self.overlay, number))),
            Selection::Issued { from: start, until } => {
                let rows = self.entries.iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
                let mut certificates = Vec::new();
                for entry in rows.filter(|entry| (*start..*until).contains(&entry.at)) {
                    if certificates.len() >= limit {
                        return SelectionPage { certificates, next: Some(entry.number.0 - 1) };
                    }
                    let device =
                        matches!(entry.event.holder(), Some(Holder::Principal(Principal::Device(_))));
                    if let Some(certificate) = entry.event.certificate().filter(|_| device) {
                        certificates.extend(self.selected(&certificate.serial_number, entry.number, &births));
                    }
                }
                SelectionPage { certificates, next: None }
            }
            _ => {
                let mut certificates = Vec::new();
                for (place, id) in births.iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX))
                {
                    if certificates.len() >= limit {
                        return SelectionPage { certificates, next: Some(place as u64) };
                    }
                    let Some(facts) = sure(self.overlay.device(id)) else { continue };
                    if selection.covers_device(id, facts.work_order, facts.station.as_ref()) {
                        let born = self.birth_of(&facts);
                        let all = sure(self.overlay.certificates(id));
                        let all = all.iter();
                        certificates.extend(all.filter_map(|number| self.selected(number, born, &births)));
                    }
                }
                SelectionPage { certificates, next: None }
            }
        }
    }

    fn birth_of(&self, facts: &DeviceFacts) -> EntryNumber {
        let all = sure(self.overlay.certificates(&facts.id));
        let first = all.first().and_then(|number| sure(self.overlay.certificate(number)));
        first.map_or_else(Default::default, |first| first.entry)
    }

    fn whole(&self, facts: Vec<CertificateFacts>) -> SelectionPage {
        let births = self.births();
        let since = facts.iter().map(|facts| facts.entry).min().unwrap_or_default();
        let selected = facts.iter().filter_map(|facts| self.selected(&facts.serial_number, since, &births));
        SelectionPage { certificates: selected.collect(), next: None }
    }

    fn selected(&self, number: &SerialNumber, since: EntryNumber, births: &[DeviceId]) -> Option<Selected> {
        let facts = sure(self.overlay.certificate(number))?;
        let device = match &facts.holder {
            Holder::Principal(Principal::Device(id)) => {
                let place = births.iter().position(|born| born == id)?;
                let last_seen = self.device(&sure(self.overlay.device(id))?)?.last_seen;
                Some(SelectedDevice { id: id.clone(), place: place as u32, last_seen })
            }
            Holder::Principal(Principal::Named { .. }) => None,
            Holder::Issuer(_) => return None,
        };
        Some(Selected { serial_number: *number, status: facts.status, since, device })
    }

    pub(super) fn rotations(&self, now: SystemTime) -> Vec<RotationFacts> {
        let active = self.overlay.rotations_here().iter().filter(|rotation| rotation.until > now);
        active.cloned().collect()
    }

    pub(super) fn rotation_due(&self, number: &SerialNumber, now: SystemTime) -> Option<RotationFacts> {
        let facts = sure(self.overlay.certificate(number))?;
        let Holder::Principal(Principal::Device(device)) = &facts.holder else { return None };
        let device = sure(self.overlay.device(device))?;
        let mut ancestors = Vec::new();
        let mut parent = facts.parent;
        while let Some(number) = parent {
            ancestors.push(number);
            parent = sure(self.overlay.certificate(&number)).and_then(|facts| facts.parent);
        }
        let candidate = Candidate {
            device: &device.id,
            work_order: device.work_order,
            station: device.station.as_ref(),
            serial_number: *number,
            key: facts.key,
            issued_at: self.entry(facts.entry)?.at,
            ancestors: &ancestors,
        };
        let mut active = self.rotations(now).into_iter();
        active.find(|rotation| facts.entry < rotation.entry && rotation.selection.covers(&candidate))
    }
}
