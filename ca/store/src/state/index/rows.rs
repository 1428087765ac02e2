//! The index and the ledger together: exact rows.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{
    DeviceId, DeviceSerial, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, RequestId, Role,
    SerialNumber,
};
use ledger::{
    AlarmPair, CertificateFacts, CertificateStatus, DeviceFacts, Entry, EntryNumber, Event, HoldFacts,
    JobFacts, JobId, PrincipalFacts, ProductFacts, RequestFacts, ReservationFacts, ReservationId,
    ReservedUnit, Trace, View, WorkOrderFacts, WorkOrderId,
};

use super::super::entries::Entries;
use super::Index;
use super::certificates::CertificateRow;
use crate::{Result, StoreError};

/// The rows of an index, read back from its ledger.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) index: &'a Index,
    pub(crate) entries: &'a Entries,
}

impl Rows<'_> {
    /// The device at this position. Of its certificates only those are read that are live.
    fn device_at(&self, device: &DeviceId, position: u32) -> Result<Option<DeviceFacts>> {
        let Some(row) = self.index.devices.row(position) else { return Ok(None) };
        let (mut live, mut operational) = (Vec::new(), None);
        for (number, certificate) in self.index.live_certificates(position)? {
            if number == row.birth {
                live.push(row.serial_number);
                continue;
            }
            let entry = self.entries.at(certificate.entry)?;
            let (Event::BirthIssued { device: holder, certificate: signed, .. }
            | Event::OperationalIssued { device: holder, certificate: signed, .. }) = &entry.event
            else {
                return Ok(None);
            };
            if holder != device {
                return Ok(None);
            }
            live.push(signed.serial_number);
            if certificate.is_operational_in_use() {
                operational = Some(signed.serial_number);
            }
        }
        Ok(Some(DeviceFacts {
            id: device.clone(),
            work_order: WorkOrderId(row.work_order.into()),
            station: self.index.callers.at(row.station),
            born_at: UNIX_EPOCH + Duration::from_millis(row.born_at_ms),
            birth: row.serial_number,
            live,
            operational,
            flags: row.flags,
            changed: some(row.changed),
            seen_at: second(row.seen.load(Ordering::Relaxed)),
        }))
    }

    /// What is known of the certificate that this entry recorded in this row.
    pub(crate) fn facts(
        &self,
        entry: &Entry,
        number: u32,
        row: CertificateRow,
    ) -> Result<Option<CertificateFacts>> {
        let hold = match row.is_held() {
            true => {
                let since = self.entries.at(row.changed)?.at;
                Some(HoldFacts { since, was: row.without_hold() })
            }
            false => None,
        };
        let ends = self.index.certificates.ends(number);
        let ends = ends.and_then(|ends| UNIX_EPOCH.checked_add(Duration::from_millis(ends)));
        let (Some(certificate), Some(holder)) = (entry.event.certificate(), entry.event.holder()) else {
            return Ok(None);
        };
        Ok(Some(CertificateFacts {
            entry: entry.number,
            serial_number: certificate.serial_number,
            holder,
            issuer: certificate.issuer,
            profile: certificate.profile,
            key: certificate.key,
            not_after: certificate.validity.not_after(),
            shard: certificate.shard,
            parent: match &entry.event {
                Event::OperationalIssued { parent, .. } => Some(*parent),
                _ => None,
            },
            status: row.status(),
            hold,
            ends,
            changed: some(row.changed),
        }))
    }

    /// The certificate of a row that `sure` recognises.
    fn certificate_where(
        &self,
        candidates: impl IntoIterator<Item = u32>,
        sure: impl Fn(&Entry) -> bool,
    ) -> Result<Option<CertificateFacts>> {
        for number in candidates {
            let Some(row) = self.index.certificates.get(number)? else { continue };
            let entry = self.entries.at(row.entry)?;
            if sure(&entry) {
                return self.facts(&entry, number, row);
            }
        }
        Ok(None)
    }
}

impl View for Rows<'_> {
    type Fault = StoreError;

    fn request(&self, principal: Option<&Principal>, request: &RequestId) -> Result<Option<RequestFacts>> {
        for number in self.index.requests.find(self.index.key.request(principal.into(), request))? {
            let entry = self.entries.at(number)?;
            if entry.principal.as_ref() == principal && entry.request.as_ref() == Some(request) {
                let certificate = entry.event.certificate().map(|certificate| certificate.serial_number);
                return Ok(Some(RequestFacts { entry: entry.number, content: entry.content, certificate }));
            }
        }
        Ok(None)
    }

    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>> {
        let position = self.index.device_row(device.into());
        position.map_or(Ok(None), |position| self.device_at(device, position))
    }

    fn is_born(&self, device: &DeviceId) -> Result<bool> {
        Ok(self.index.is_born(device.into()))
    }

    fn certificates(&self, device: &DeviceId) -> Result<Vec<SerialNumber>> {
        let mut certificates = Vec::new();
        for number in self.index.entries_of(device)?.into_iter().rev() {
            let entry = self.entries.at(number)?;
            certificates.extend(entry.event.certificate().map(|certificate| certificate.serial_number));
        }
        Ok(certificates)
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>> {
        let row = self.index.certificate_row(serial_number)?;
        self.certificate_where(row, |entry| {
            entry.event.certificate().is_some_and(|certificate| certificate.serial_number == *serial_number)
        })
    }

    fn certificate_status(&self, serial_number: &SerialNumber) -> Result<Option<CertificateStatus>> {
        self.index.certificate_status(serial_number)
    }

    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>> {
        self.certificate_where(self.index.keys.find(self.index.key.key(key))?, |entry| {
            entry.event.certificate().is_some_and(|certificate| certificate.key == *key)
        })
    }

    fn trace(&self, trace: &Trace<'_>) -> Result<Option<CertificateFacts>> {
        self.certificate_where(self.index.traces.find(self.index.key.trace(trace))?, |entry| {
            matches!(&entry.event, Event::BirthIssued { device, traces, .. } if trace.is_of(device, traces))
        })
    }

    fn product(&self, product: &Product) -> Result<Option<ProductFacts>> {
        Ok(self.index.administration.products.get(product).cloned())
    }

    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>> {
        Ok(self.index.administration.work_order(work_order).cloned())
    }

    fn work_orders(&self) -> Result<u64> {
        Ok(self.index.administration.orders())
    }

    fn incomplete_orders(&self) -> Result<Vec<WorkOrderId>> {
        Ok(self.index.administration.incomplete_orders.iter().copied().collect())
    }

    fn given_up(&self, device: &DeviceId) -> Result<Option<EntryNumber>> {
        Ok(self.index.administration.reservations.given_up(device))
    }

    fn reservation(&self, reservation: ReservationId) -> Result<Option<ReservationFacts>> {
        Ok(self.index.administration.reservations.get(reservation).cloned())
    }

    fn reservations(&self) -> Result<u64> {
        Ok(self.index.administration.reservations.count())
    }

    fn reserved_unit(&self, device: &DeviceId) -> Result<Option<ReservedUnit>> {
        Ok(self.index.administration.reservations.unit(device))
    }

    fn units_out(&self, reservation: ReservationId) -> Result<Vec<DeviceSerial>> {
        Ok(self.index.administration.reservations.units_out(reservation))
    }

    fn units_out_for(&self, station: &PrincipalName) -> Result<u64> {
        Ok(self.index.administration.reservations.units_out_for(station))
    }

    fn passed(&self, work_order: WorkOrderId) -> Result<Option<DeviceSerial>> {
        Ok(self.index.administration.reservations.passed(work_order))
    }

    fn returned(
        &self,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Result<Option<DeviceSerial>> {
        Ok(self.index.administration.reservations.returned(work_order, after))
    }

    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>> {
        Ok(self.index.administration.principals.get(&(role, name.clone())).cloned())
    }

    fn principals_of(&self, role: Role) -> Result<Vec<PrincipalName>> {
        let principals = self.index.administration.principals.keys().filter(|(of, _)| *of == role);
        Ok(principals.map(|(_, name)| name.clone()).collect())
    }

    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>> {
        self.certificate_where(self.index.issuers.get(&issuer).copied(), |_| true)
    }

    fn alarm(&self, pair: &AlarmPair) -> Result<bool> {
        Ok(self.index.administration.jobs.knows(pair))
    }

    fn alarms_since(&self, since: SystemTime, enough: usize) -> Result<usize> {
        let alarms = self.index.administration.jobs.alarms.iter().rev().take(enough);
        Ok(alarms.take_while(|alarm| alarm.at >= since).count())
    }

    fn job(&self, job: JobId) -> Result<Option<JobFacts>> {
        Ok(self.index.administration.jobs.jobs.get(&job).cloned())
    }

    fn jobs(&self) -> Result<u64> {
        Ok(self.index.administration.jobs.jobs.len() as u64)
    }

    fn rotations(&self, now: SystemTime) -> Result<usize> {
        Ok(self
            .index
            .administration
            .jobs
            .rotations
            .iter()
            .filter(|rotation| rotation.terms.until > now)
            .count())
    }
}

/// Seconds since 1970.
pub(crate) fn second(second: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(second))
}

fn some(number: u32) -> Option<EntryNumber> {
    (number != 0).then_some(EntryNumber(u64::from(number)))
}
