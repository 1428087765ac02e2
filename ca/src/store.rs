//! Where the ledger lives: the contract, and what its answers are made of. One suite (`ca/tests/store.rs`) judges every store.

mod embedded;
mod error;
mod faulty;
mod memory;
mod page;
mod record;
mod records;

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, Principal, PrincipalName, Role, SerialNumber};
use issuance::IssuerName;

use crate::ledger::{Command, Conflict, EntryNumber, Intent, Standing, WorkOrderId};

pub use embedded::{EmbeddedSettings, EmbeddedStore, TornTail};
pub use error::{OpenError, StoreError};
pub use faulty::{Fault, FaultyStore};
pub use memory::MemoryStore;
pub use records::{
    CertificateRecord, Cursor, DeviceFilter, DeviceRecord, Foresight, Page, PrincipalRecord, Recorded,
    Released, Revocation, Unaccounted, Vitals, WorkOrderRecord,
};

/// What became of one command: on record, or refused with nothing changed.
pub type Verdict = Result<Recorded, Conflict>;

/// The ledger and what is derived from it. Cheap to share (`Arc`), and any number of callers may race: commands are decided one after the
/// other, in one order, which is the order of their entry numbers.
///
/// Futures may be dropped at any time. A `commit` that was dropped may have happened all the same; ask again with the same
/// request id, and the answer is the same.
pub trait Store: Send + Sync + 'static {
    /// Decides the commands in their order and puts those that are accepted on record.
    ///
    /// When it returns `Ok` there is one verdict for each command, and every entry named by a verdict, also by a replayed one,
    /// survives a power cut. Later commands see the effect of earlier ones, of this call and of every call that returned before.
    /// Each command happens wholly or not at all; the commands of one call are not one transaction: a crash may keep the first few.
    ///
    /// # Errors
    /// When it returns `Err` no verdict is known. After [`StoreError::Full`] nothing of this call happened. After any other, some of it may
    /// have: ask again with the same request ids once the store is back.
    fn commit(&self, commands: Vec<Command>)
    -> impl Future<Output = Result<Vec<Verdict>, StoreError>> + Send;

    /// Says what `commit` would answer, before anything is signed. It saves signatures and promises nothing: the answer
    /// [`Foresight::Clear`] can still end in a conflict. [`Foresight::Answered`] is final and durable.
    fn foresee(&self, intent: &Intent) -> impl Future<Output = Result<Foresight, StoreError>> + Send;

    /// What the certificate is worth, as of the last commit that returned; `None`: it is not on record. From memory, in microseconds: it is
    /// asked for every RPC.
    fn standing(
        &self,
        serial_number: &SerialNumber,
    ) -> impl Future<Output = Result<Option<Standing>, StoreError>> + Send;

    /// The certificate with this serial number, as of the last commit that returned.
    fn certificate(
        &self,
        serial_number: &SerialNumber,
    ) -> impl Future<Output = Result<Option<CertificateRecord>, StoreError>> + Send;

    /// The certificates of a device or another principal, oldest first, at most `limit`; the newest are kept when there are more.
    fn certificates_of(
        &self,
        holder: &Principal,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CertificateRecord>, StoreError>> + Send;

    /// The device, as of the last commit that returned.
    fn device(
        &self,
        device: &DeviceId,
    ) -> impl Future<Output = Result<Option<DeviceRecord>, StoreError>> + Send;

    /// The work order and its counts, as of the last commit that returned.
    fn work_order(
        &self,
        work_order: WorkOrderId,
    ) -> impl Future<Output = Result<Option<WorkOrderRecord>, StoreError>> + Send;

    /// Work orders, newest first.
    fn work_orders(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<WorkOrderRecord>, StoreError>> + Send;

    /// The principal, if it ever had a credential.
    fn principal(
        &self,
        role: Role,
        name: &PrincipalName,
    ) -> impl Future<Output = Result<Option<PrincipalRecord>, StoreError>> + Send;

    /// Principals that are not devices, by role and name.
    fn principals(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<PrincipalRecord>, StoreError>> + Send;

    /// The certificate of an issuer.
    fn issuer(
        &self,
        issuer: IssuerName,
    ) -> impl Future<Output = Result<Option<CertificateRecord>, StoreError>> + Send;

    /// Units of the order that have a certificate and were neither confirmed nor scrapped: how many, and at most `limit` of them by
    /// serial. A listing: it waits for the projection.
    fn unaccounted(
        &self,
        work_order: WorkOrderId,
        limit: usize,
    ) -> impl Future<Output = Result<Unaccounted, StoreError>> + Send;

    /// Devices in order of their ids. A listing: it shows every commit that returned before the call, or fails with
    /// [`StoreError::ListingsUnavailable`] after a bounded wait. A page may be shorter than `limit` and still have a next one.
    fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<DeviceRecord>, StoreError>> + Send;

    /// Certificates whose last second is before `before`, soonest first, whatever their standing; never those without a well-defined
    /// expiration. A listing, like [`Store::devices`].
    fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<CertificateRecord>, StoreError>> + Send;

    /// The number of the last entry that is durable; 0: the ledger is empty.
    fn head(&self) -> EntryNumber;

    /// Figures for metrics.
    fn vitals(&self) -> Vitals;

    /// Answers what was begun, refuses what comes after with [`StoreError::Stopped`], leaves everything as a clean start wants it.
    /// Idempotent.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Entries keep milliseconds.
fn whole_milliseconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
