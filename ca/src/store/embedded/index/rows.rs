//! The index and the ledger together: exact rows.

use identity::{DeviceId, KeyFingerprint, Principal, PrincipalName, RequestId, Role, SerialNumber};
use issuance::IssuerName;

use super::super::files::Files;
use super::{CertificateRow, Index, NONE};
use crate::ledger::{
    CertificateFacts, DeviceFacts, Entry, EntryNumber, Event, Holder, PrincipalFacts, RequestFacts, Standing,
    View, WorkOrderFacts, WorkOrderId,
};
use crate::store::StoreError;

/// The rows of an index, read back from its ledger.
#[derive(Clone, Copy)]
pub(in crate::store::embedded) struct Rows<'a> {
    pub(in crate::store::embedded) index: &'a Index,
    pub(in crate::store::embedded) files: &'a Files,
}

impl Rows<'_> {
    /// Why and when: the entry that last changed a certificate's standing.
    pub(in crate::store::embedded) fn entry(&self, number: EntryNumber) -> Result<Entry, StoreError> {
        self.files.read(number)?.ok_or(StoreError::Stopped)
    }

    fn row(&self, row: u32) -> Option<CertificateRow> {
        self.index.certificate_rows.get(row as usize).copied()
    }

    /// The certificate of a row that `sure` recognises.
    fn certificate_where(
        &self,
        candidates: impl Iterator<Item = u32>,
        sure: impl Fn(&Entry) -> bool,
    ) -> Result<Option<CertificateFacts>, StoreError> {
        for row in candidates.filter_map(|row| self.row(row)) {
            let entry = self.entry(EntryNumber(u64::from(row.entry)))?;
            if sure(&entry) {
                return Ok(facts(&entry, row));
            }
        }
        Ok(None)
    }
}

impl View for Rows<'_> {
    type Fault = StoreError;

    fn request(
        &self,
        principal: Option<&Principal>,
        request: &RequestId,
    ) -> Result<Option<RequestFacts>, StoreError> {
        for number in self.index.requests.find(self.index.request_hash(principal.into(), request)) {
            let entry = self.entry(EntryNumber(u64::from(number)))?;
            if entry.principal.as_ref() == principal && entry.request.as_ref() == Some(request) {
                let certificate = entry.event.certificate().map(|certificate| certificate.serial_number);
                return Ok(Some(RequestFacts { entry: entry.number, content: entry.content, certificate }));
            }
        }
        Ok(None)
    }

    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>, StoreError> {
        for place in self.index.devices.find(self.index.device_hash(device.into())) {
            let Some(row) = self.index.device_rows.get(place as usize) else { continue };
            let mut certificates = Vec::new();
            let mut operational = None;
            let mut next = row.newest;
            while let Some(certificate) = self.row(next) {
                let entry = self.entry(EntryNumber(u64::from(certificate.entry)))?;
                if entry.event.holder() != Some(Holder::Principal(Principal::Device(device.clone()))) {
                    break;
                }
                let Some(signed) = entry.event.certificate() else { break };
                certificates.push(signed.serial_number);
                if certificate.previous != NONE && certificate.standing == Standing::InUse {
                    operational = Some(signed.serial_number);
                }
                next = certificate.previous;
                if let Event::BirthIssued { work_order, .. } = entry.event {
                    certificates.reverse();
                    return Ok(Some(DeviceFacts {
                        id: device.clone(),
                        work_order,
                        station: entry.principal,
                        born_at: entry.at,
                        certificates,
                        operational,
                        confirmed: row.confirmed,
                        scrapped: row.scrapped,
                        changed: some(row.changed),
                    }));
                }
            }
        }
        Ok(None)
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>, StoreError> {
        let hash = self.index.serial_number_hash(serial_number);
        let candidates = self.index.serial_numbers.find(hash);
        self.certificate_where(
            candidates.filter(|row| self.row(*row).is_some_and(|row| row.check == hash.check())),
            |entry| {
                entry
                    .event
                    .certificate()
                    .is_some_and(|certificate| certificate.serial_number == *serial_number)
            },
        )
    }

    fn standing(&self, serial_number: &SerialNumber) -> Result<Option<Standing>, StoreError> {
        Ok(self.index.standing(serial_number))
    }

    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>, StoreError> {
        self.certificate_where(self.index.keys.find(self.index.key_hash(key)), |entry| {
            entry.event.certificate().is_some_and(|certificate| certificate.key == *key)
        })
    }

    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>, StoreError> {
        let place = work_order.0.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        Ok(place.and_then(|place| self.index.work_orders.get(place)).cloned())
    }

    fn work_orders(&self) -> Result<u64, StoreError> {
        Ok(self.index.work_orders.len() as u64)
    }

    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>, StoreError> {
        Ok(self.index.principals.get(&(role, name.clone())).cloned())
    }

    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>, StoreError> {
        self.certificate_where(self.index.issuers.get(&issuer).copied().into_iter(), |_| true)
    }
}

fn facts(entry: &Entry, row: CertificateRow) -> Option<CertificateFacts> {
    let certificate = entry.event.certificate()?;
    Some(CertificateFacts {
        entry: entry.number,
        serial_number: certificate.serial_number,
        holder: entry.event.holder()?,
        profile: certificate.profile,
        key: certificate.key,
        not_after: certificate.validity.not_after(),
        standing: row.standing,
        changed: some(row.changed),
    })
}

fn some(number: u32) -> Option<EntryNumber> {
    (number != 0).then_some(EntryNumber(u64::from(number)))
}
