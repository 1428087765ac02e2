//! Where the ledger lives: the contract, and what its answers are made of. One suite
//! (`ca/store/tests/store.rs`) judges every store.

mod embedded;
mod error;
mod faulty;
mod format;
mod job;
mod memory;
mod page;
mod revocations;
mod rows;
mod selection;

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, IssuerName, Principal, PrincipalName, Role, SerialNumber};
use ledger::{
    AlarmKind, CertificateStatus, Command, Conflict, EntryNumber, Intent, JobFacts, JobId, RotationFacts,
    Selection, WorkOrderId,
};

pub use embedded::{EmbeddedSettings, EmbeddedStore, SEGMENT_BYTES_DEFAULT, TornTail};
pub use error::{OpenError, StoreError};
pub use faulty::{Fault, FaultyStore};
pub use job::carry_out;
pub use memory::MemoryStore;
pub use revocations::{
    ChangePosition, ChangedStatus, RevocationChange, RevokedEntry, RevokedPage, ShardState, StatusRecord,
};
pub use rows::{
    AlarmRecord, CertificateRecord, Cursor, DeviceFilter, DeviceRecord, Page, Preflight, PrincipalRecord,
    Recorded, Released, Revocation, StoreMetrics, Unaccounted, WorkOrderRecord,
};
pub use selection::{ProductSurvey, Selected, SelectedDevice, SelectionPage, Survey};

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
    /// [`Preflight::Clear`] can still end in a conflict. [`Preflight::Answered`] is final and durable.
    fn preflight(&self, intent: &Intent) -> impl Future<Output = Result<Preflight, StoreError>> + Send;

    /// What the certificate is worth, as of the last commit that returned; `None`: it is not on record. From memory, in microseconds: it is
    /// asked for every RPC.
    fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> impl Future<Output = Result<Option<CertificateStatus>, StoreError>> + Send;

    /// The certificate with this serial number, as of the last commit that returned.
    fn certificate(
        &self,
        serial_number: &SerialNumber,
    ) -> impl Future<Output = Result<Option<CertificateRecord>, StoreError>> + Send;

    /// The certificates of a device or another principal, oldest first, in pages.
    fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<CertificateRecord>, StoreError>> + Send;

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

    /// Certificates whose last second is before `before`, soonest first, whatever their status; never those without a well-defined
    /// expiration. A listing, like [`Store::devices`].
    fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<CertificateRecord>, StoreError>> + Send;

    /// All certificates on record, or all of one issuer, in the order in which they were recorded. From the ledger, never from the
    /// projection. A page may be shorter than `limit` and still have a next one.
    fn certificates_recorded(
        &self,
        issuer: Option<IssuerName>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<CertificateRecord>, StoreError>> + Send;

    /// Superseded certificates that are to be revoked before `before`, soonest first: see
    /// [`AfterRenewal::Grace`](ledger::AfterRenewal::Grace). From memory but for their serial numbers.
    fn superseded_due(
        &self,
        before: SystemTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<SerialNumber>, StoreError>> + Send;

    /// The status of a certificate of anybody; `None`: it is not on record. From memory, and for one that is revoked or on hold a read of the ledger.
    fn status_record(
        &self,
        serial_number: &SerialNumber,
    ) -> impl Future<Output = Result<Option<StatusRecord>, StoreError>> + Send;

    /// What became revoked, held or released behind `after`, in order, none left out and none twice. Fewer than `limit`: that was all.
    /// Never waits for a listing.
    fn revocation_changes(
        &self,
        after: ChangePosition,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RevocationChange>, StoreError>> + Send;

    /// What a revocation list says: the certificates of one shard (`None`: all of the issuer) that are revoked or on hold, but for those
    /// that expired before `expired_before` (R-CRL-11). The first page is from 0. A page is as of one moment; the next is as of another.
    /// Never waits for a listing.
    fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<RevokedPage, StoreError>> + Send;

    /// The state of a shard, as of the last commit that returned. From memory.
    fn shard_state(&self, issuer: IssuerName, shard: u32) -> ShardState;

    /// How many shards an issuer has: their numbers are 0 to below this. From memory.
    fn shards(&self, issuer: IssuerName) -> u32;

    /// How many certificates the issuer ever signed. From memory.
    fn issued_by(&self, issuer: IssuerName) -> u64;

    /// Certificates of a selection, revoked ones included, from a place on; the first page is from 0. In bounded memory, and a million in
    /// seconds. Never waits for a listing.
    fn select(
        &self,
        selection: &Selection,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<SelectionPage, StoreError>> + Send;

    /// What a revocation of the selection would do now.
    fn survey(&self, selection: &Selection) -> impl Future<Output = Result<Survey, StoreError>> + Send
    where
        Self: Sized,
    {
        selection::survey(self, selection)
    }

    /// A mass revocation and how far it is.
    fn job(&self, job: JobId) -> impl Future<Output = Result<Option<JobFacts>, StoreError>> + Send;

    /// Mass revocations that go on, oldest first: after a start, [`carry_out`] each.
    fn unfinished_jobs(&self) -> impl Future<Output = Result<Vec<JobFacts>, StoreError>> + Send;

    /// Rotation requests that are not forgotten at `now`, oldest first.
    fn rotations(
        &self,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<RotationFacts>, StoreError>> + Send;

    /// The oldest rotation request, not forgotten at `now`, that means this certificate: that covers it and is younger than it. From memory
    /// while there is none.
    fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> impl Future<Output = Result<Option<RotationFacts>, StoreError>> + Send;

    /// Alarms, newest first; `None`: of every kind.
    fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<AlarmRecord>, StoreError>> + Send;

    /// The device was seen. Kept in memory and written down once in a while: for reports, never for a decision. An unknown device is
    /// ignored.
    fn seen(&self, device: &DeviceId, now: SystemTime);

    /// Devices, neither scrapped nor retired nor revoked, that were last seen before `before`, in the order of their births.
    fn devices_not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<DeviceRecord>, StoreError>> + Send;

    /// SHA-256 over the entry as it is recorded: two ledgers with the same one had the same entry there. `None`: the ledger is not that long.
    fn entry_digest(
        &self,
        number: EntryNumber,
    ) -> impl Future<Output = Result<Option<[u8; 32]>, StoreError>> + Send;

    /// The number of the last entry that is durable; 0: the ledger is empty.
    fn head(&self) -> EntryNumber;

    /// The time of the last entry, to the second; `None`: the ledger is empty. From memory.
    fn last_entry_at(&self) -> Option<SystemTime>;

    /// The certificates that were recorded while the clock was ahead: at a later time than the clock, which shows `now` and is right, or than
    /// an entry that follows. Without those that are revoked; newest first, at most `limit`.
    fn recorded_ahead(
        &self,
        now: SystemTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CertificateRecord>, StoreError>> + Send;

    /// Figures for metrics.
    fn metrics(&self) -> StoreMetrics;

    /// Answers what was begun, refuses what comes after with [`StoreError::Stopped`], leaves everything as a clean start wants it.
    /// Idempotent.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Entries keep milliseconds.
fn whole_milliseconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
