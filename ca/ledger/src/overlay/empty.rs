//! The view under the first entry.

use std::convert::Infallible;
use std::time::SystemTime;

use identity::{
    DeviceId, DeviceSerial, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, RequestId, Role,
    SerialNumber,
};

use crate::{
    AlarmPair, CertificateFacts, DeviceFacts, EntryNumber, JobFacts, JobId, PrincipalFacts, ProductFacts,
    RequestFacts, ReservationFacts, ReservationId, ReservedUnit, Trace, View, WorkOrderFacts, WorkOrderId,
};

/// The view of an empty ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyView;

impl View for EmptyView {
    type Fault = Infallible;

    fn request(&self, _: Option<&Principal>, _: &RequestId) -> Result<Option<RequestFacts>, Infallible> {
        Ok(None)
    }

    fn device(&self, _: &DeviceId) -> Result<Option<DeviceFacts>, Infallible> {
        Ok(None)
    }

    fn certificates(&self, _: &DeviceId) -> Result<Vec<SerialNumber>, Infallible> {
        Ok(Vec::new())
    }

    fn certificate(&self, _: &SerialNumber) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn key(&self, _: &KeyFingerprint) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn trace(&self, _: &Trace<'_>) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn product(&self, _: &Product) -> Result<Option<ProductFacts>, Infallible> {
        Ok(None)
    }

    fn work_order(&self, _: WorkOrderId) -> Result<Option<WorkOrderFacts>, Infallible> {
        Ok(None)
    }

    fn work_orders(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn incomplete_orders(&self) -> Result<Vec<WorkOrderId>, Infallible> {
        Ok(Vec::new())
    }

    fn given_up(&self, _: &DeviceId) -> Result<Option<EntryNumber>, Infallible> {
        Ok(None)
    }

    fn reservation(&self, _: ReservationId) -> Result<Option<ReservationFacts>, Infallible> {
        Ok(None)
    }

    fn reservations(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn reserved_unit(&self, _: &DeviceId) -> Result<Option<ReservedUnit>, Infallible> {
        Ok(None)
    }

    fn units_out(&self, _: ReservationId) -> Result<Vec<DeviceSerial>, Infallible> {
        Ok(Vec::new())
    }

    fn units_out_for(&self, _: &PrincipalName) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn passed(&self, _: WorkOrderId) -> Result<Option<DeviceSerial>, Infallible> {
        Ok(None)
    }

    fn returned(&self, _: WorkOrderId, _: Option<&DeviceSerial>) -> Result<Option<DeviceSerial>, Infallible> {
        Ok(None)
    }

    fn principal(&self, _: Role, _: &PrincipalName) -> Result<Option<PrincipalFacts>, Infallible> {
        Ok(None)
    }

    fn principals_of(&self, _: Role) -> Result<Vec<PrincipalName>, Infallible> {
        Ok(Vec::new())
    }

    fn issuer(&self, _: IssuerName) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn alarm(&self, _: &AlarmPair) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn alarms_since(&self, _: SystemTime, _: usize) -> Result<usize, Infallible> {
        Ok(0)
    }

    fn job(&self, _: JobId) -> Result<Option<JobFacts>, Infallible> {
        Ok(None)
    }

    fn jobs(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn rotations(&self, _: SystemTime) -> Result<usize, Infallible> {
        Ok(0)
    }
}
