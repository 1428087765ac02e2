//! The rows that entries changed, and those of the base where they changed nothing.

use std::time::SystemTime;

use identity::{
    DeviceId, DeviceSerial, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, RequestId, Role,
    SerialNumber,
};

use super::Overlay;
use crate::{
    AlarmPair, CertificateFacts, CertificateStatus, DeviceFacts, EntryNumber, JobFacts, JobId,
    PrincipalFacts, ProductFacts, RequestFacts, ReservationFacts, ReservationId, ReservedUnit, Trace, View,
    WorkOrderFacts, WorkOrderId, WorkOrderState,
};

impl<B: View> View for Overlay<B> {
    type Fault = B::Fault;

    fn request(
        &self,
        principal: Option<&Principal>,
        request: &RequestId,
    ) -> Result<Option<RequestFacts>, Self::Fault> {
        if !self.requests.is_empty()
            && let Some(facts) = self.requests.get(&(principal.cloned(), *request))
        {
            return Ok(Some(facts.clone()));
        }
        self.base.request(principal, request)
    }

    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>, Self::Fault> {
        here_or(self.devices.get(device), || self.base.device(device))
    }

    fn is_born(&self, device: &DeviceId) -> Result<bool, Self::Fault> {
        if self.devices.contains_key(device) { Ok(true) } else { self.base.is_born(device) }
    }

    fn certificates(&self, device: &DeviceId) -> Result<Vec<SerialNumber>, Self::Fault> {
        let mut certificates = self.base.certificates(device)?;
        certificates.extend(self.histories.get(device).into_iter().flatten());
        Ok(certificates)
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>, Self::Fault> {
        here_or(self.certificates.get(serial_number), || self.base.certificate(serial_number))
    }

    fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>, Self::Fault> {
        match self.certificates.get(serial_number) {
            Some(facts) => Ok(Some(facts.status)),
            None => self.base.certificate_status(serial_number),
        }
    }

    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.keys.get(key) {
            Some(serial_number) => self.certificate(serial_number),
            None => self.base.key(key),
        }
    }

    fn trace(&self, trace: &Trace<'_>) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.traces.find(trace) {
            Some(serial_number) => self.certificate(&serial_number),
            None => self.base.trace(trace),
        }
    }

    fn product(&self, product: &Product) -> Result<Option<ProductFacts>, Self::Fault> {
        here_or(self.products.get(product), || self.base.product(product))
    }

    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>, Self::Fault> {
        here_or(self.work_orders.get(&work_order), || self.base.work_order(work_order))
    }

    fn work_orders(&self) -> Result<u64, Self::Fault> {
        let here = self.work_orders.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.work_orders()?.max(here))
    }

    fn incomplete_orders(&self) -> Result<Vec<WorkOrderId>, Self::Fault> {
        let mut orders = self.base.incomplete_orders()?;
        orders.extend(self.work_orders.keys());
        orders.sort();
        orders.dedup();
        let mut incomplete = Vec::with_capacity(orders.len());
        for id in orders {
            let order = self.work_order(id)?;
            if order.is_some_and(|order| order.state == WorkOrderState::Incomplete) {
                incomplete.push(id);
            }
        }
        Ok(incomplete)
    }

    fn given_up(&self, device: &DeviceId) -> Result<Option<EntryNumber>, Self::Fault> {
        match self.reservations.given_up.get(device) {
            Some(entry) => Ok(Some(*entry)),
            None => self.base.given_up(device),
        }
    }

    fn reservation(&self, reservation: ReservationId) -> Result<Option<ReservationFacts>, Self::Fault> {
        here_or(self.reservations.facts.get(&reservation), || self.base.reservation(reservation))
    }

    fn reservations(&self) -> Result<u64, Self::Fault> {
        let here = self.reservations.facts.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.reservations()?.max(here))
    }

    fn reserved_unit(&self, device: &DeviceId) -> Result<Option<ReservedUnit>, Self::Fault> {
        match self.reservations.unit(device) {
            Some(unit) => Ok(unit),
            None => self.base.reserved_unit(device),
        }
    }

    fn units_out(&self, reservation: ReservationId) -> Result<Vec<DeviceSerial>, Self::Fault> {
        self.units_out_here(reservation)
    }

    fn units_out_for(&self, station: &PrincipalName) -> Result<u64, Self::Fault> {
        match self.reservations.out.get(station) {
            Some(units) => Ok(*units),
            None => self.base.units_out_for(station),
        }
    }

    fn passed(&self, work_order: WorkOrderId) -> Result<Option<DeviceSerial>, Self::Fault> {
        here_or(self.reservations.passed.get(&work_order), || self.base.passed(work_order))
    }

    fn returned(
        &self,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Result<Option<DeviceSerial>, Self::Fault> {
        self.next_returned(work_order, after)
    }

    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>, Self::Fault> {
        here_or(self.principals.get(&(role, name.clone())), || self.base.principal(role, name))
    }

    fn principals_of(&self, role: Role) -> Result<Vec<PrincipalName>, Self::Fault> {
        let mut names = self.base.principals_of(role)?;
        names.extend(self.principals.keys().filter(|(of, _)| *of == role).map(|(_, name)| name.clone()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.issuers.get(&issuer) {
            Some(serial_number) => self.certificate(serial_number),
            None => self.base.issuer(issuer),
        }
    }

    fn alarm(&self, pair: &AlarmPair) -> Result<bool, Self::Fault> {
        if self.pairs.contains(pair) { Ok(true) } else { self.base.alarm(pair) }
    }

    fn alarms_since(&self, since: SystemTime, enough: usize) -> Result<usize, Self::Fault> {
        let here = self.alarms.iter().rev().take(enough).take_while(|alarm| alarm.at >= since).count();
        if here >= enough {
            return Ok(here);
        }
        Ok(here + self.base.alarms_since(since, enough - here)?)
    }

    fn job(&self, job: JobId) -> Result<Option<JobFacts>, Self::Fault> {
        here_or(self.jobs.get(&job), || self.base.job(job))
    }

    fn jobs(&self) -> Result<u64, Self::Fault> {
        let here = self.jobs.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.jobs()?.max(here))
    }

    fn rotations(&self, now: SystemTime) -> Result<usize, Self::Fault> {
        let here = self.rotations.iter().filter(|rotation| rotation.terms.until > now).count();
        Ok(here + self.base.rotations(now)?)
    }
}

fn here_or<T: Clone, F>(
    here: Option<&T>,
    base: impl FnOnce() -> Result<Option<T>, F>,
) -> Result<Option<T>, F> {
    here.map_or_else(base, |facts| Ok(Some(facts.clone())))
}
