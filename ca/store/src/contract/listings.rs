//! What people and jobs ask for: single rows and pages of rows.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use identity::{DeviceId, IssuerName, Principal, PrincipalName, Product, Role};
use ledger::{
    AlarmKind, DeviceFacts, DeviceState, Entry, EntryNumber, JobFacts, JobId, ProductFacts, ReservationFacts,
    ReservationId, ReservedUnit, RotationFacts, Selection, WorkOrderFacts, WorkOrderId,
};

use crate::{CertificateRecord, Cursor, Page, PrincipalRecord, ProductRecord, Result, SelectionPage, Survey};

/// Rows of the ledger. Single rows are read at once; pages may block a thread of the runtime's pool.
///
/// Every page has at most `limit` rows and a cursor for the next one; a cursor is good for the same question
/// only, also after a restart, and any other fails with `StoreError::CursorUnknown`. Rows that are added
/// while pages are read may be left out.
///
/// What is called a *projected listing* waits until it shows every commit that returned before the call, or
/// fails with `StoreError::ListingsUnavailable` after a bounded time. All others read the index and the log
/// and wait for nothing.
#[async_trait]
pub trait Listings: Send + Sync + 'static {
    /// The device as of now; `None`: it has no birth certificate.
    async fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>>;

    /// A product as of now; `None`: no work order was ever made for it.
    async fn product(&self, product: &Product) -> Result<Option<ProductRecord>>;

    /// The products that a work order was ever made for, in order of their names.
    async fn products(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<ProductRecord>>;

    /// The products that are paused, in order of their names. From memory.
    fn paused_products(&self) -> Vec<ProductFacts>;

    /// Devices in order of their ids. A projected listing. A page may be shorter than `limit` and still have
    /// a next one.
    async fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>>;

    /// Devices, neither scrapped nor retired nor revoked, that were last seen before `before`, in the order
    /// of their births.
    async fn devices_not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>>;

    /// The certificates of a device or another principal, oldest first.
    async fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>>;

    /// Certificates whose last second is before `before`, soonest first, whatever their status; never those
    /// without a well-defined expiration. A projected listing.
    async fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>>;

    /// All certificates on record, or all of one issuer, in the order in which they were recorded. A page may
    /// be shorter than `limit` and still have a next one.
    async fn certificates_recorded(
        &self,
        issuer: Option<IssuerName>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>>;

    /// The certificates that were recorded while the clock was ahead: at a later time than the clock, which
    /// shows `now` and is right, or than an entry that follows. Without those that are revoked; newest first,
    /// at most `limit`.
    async fn recorded_ahead(&self, now: SystemTime, limit: usize) -> Result<Vec<CertificateRecord>>;

    /// The work order and its counts as of now.
    async fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>>;

    /// Work orders, newest first.
    async fn work_orders(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<WorkOrderFacts>>;

    /// The reservation and what became of its units as of now.
    async fn reservation(&self, reservation: ReservationId) -> Result<Option<ReservationFacts>>;

    /// The reservation that a unit is out for, or was when it was withdrawn or refused, as of now. From
    /// memory.
    async fn reserved_unit(&self, device: &DeviceId) -> Result<Option<ReservedUnit>>;
    /// Whether the serial number of a device was given up before it had a certificate.
    async fn is_given_up(&self, device: &DeviceId) -> Result<bool>;

    /// Reservations, newest first. A page may be shorter than `limit` and still have a next one.
    async fn reservations(
        &self,
        filter: &ReservationFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ReservationFacts>>;

    /// Units of the order that have a certificate and were neither confirmed nor scrapped: how many, and at
    /// most `limit` of them by serial. A projected listing.
    async fn unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted>;

    /// The principal as of now; `None`: it never had a credential.
    async fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalRecord>>;

    /// Principals that are not devices, by role and name.
    async fn principals(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<PrincipalRecord>>;

    /// The entries that raised alarms, newest first; `None`: of every kind.
    async fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Arc<Entry>>>;

    /// Certificates of a selection, revoked ones included, from a position on; the first page is from 0. In
    /// bounded memory, and a million in seconds.
    async fn select(&self, selection: &Selection, from: u64, limit: usize) -> Result<SelectionPage>;

    /// The entries from `first` on, in their order, as they are recorded: at least one and at most `limit`,
    /// as many as are read in one piece. Empty: the ledger is not that long, or `limit` is 0.
    async fn entries(&self, first: EntryNumber, limit: u64) -> Result<Vec<Entry>>;

    /// What a revocation of the selection would do as of now.
    async fn survey(&self, selection: &Selection) -> Result<Survey>;

    /// A mass revocation and how far it is; `None`: there is none with this id.
    async fn job(&self, job: JobId) -> Result<Option<JobFacts>>;

    /// Mass revocations that go on, oldest first: see [`carry_out`](crate::carry_out).
    async fn unfinished_jobs(&self) -> Result<Vec<JobFacts>>;

    /// Rotation requests that are not forgotten at `now`, oldest first.
    async fn rotations(&self, now: SystemTime) -> Result<Vec<RotationFacts>>;
}

/// Units that nobody accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unaccounted {
    /// How many there are in all.
    pub count: u64,
    /// Some of them, by serial.
    pub devices: Vec<DeviceId>,
}

/// Which reservations to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReservationFilter {
    /// Of this order; `None`: of all.
    pub work_order: Option<WorkOrderId>,
    /// Only those that have units out.
    pub only_out: bool,
}

impl ReservationFilter {
    pub(crate) fn matches(&self, reservation: &ReservationFacts) -> bool {
        self.work_order.is_none_or(|work_order| reservation.work_order == work_order)
            && (!self.only_out || reservation.out() > 0)
    }
}

/// Which devices to list. Everything that is `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Of this product.
    pub product: Option<Product>,
    /// Made under this order.
    pub work_order: Option<WorkOrderId>,
    /// In this state.
    pub state: Option<DeviceState>,
    /// Whose `product/serial` contains this, upper and lower case alike.
    pub text: Option<String>,
}

impl DeviceFilter {
    /// Whether the device is one of those.
    pub fn matches(&self, device: &DeviceFacts) -> bool {
        self.product.as_ref().is_none_or(|product| device.id.product == *product)
            && self.work_order.is_none_or(|work_order| device.work_order == work_order)
            && self.state.is_none_or(|state| device.state() == state)
            && self.matches_text(&device.id)
    }

    pub(crate) fn matches_text(&self, device: &DeviceId) -> bool {
        self.text
            .as_ref()
            .is_none_or(|text| device.to_string().to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
    }
}
