//! A store that fails on command, in both ways: before anything happened, and after it had.

use std::time::SystemTime;

use identity::{DeviceId, IssuerName, Principal, PrincipalName, Role, SerialNumber};
use ledger::{
    AlarmKind, CertificateStatus, Command, EntryNumber, Intent, JobFacts, JobId, RotationFacts, Selection,
    WorkOrderId,
};
use parking_lot::Mutex;

use super::{
    AlarmRecord, CertificateRecord, ChangePosition, Cursor, DeviceFilter, DeviceRecord, Page, Preflight,
    PrincipalRecord, RevocationChange, RevokedPage, SelectionPage, ShardState, StatusRecord, Store,
    StoreError, StoreMetrics, Unaccounted, Verdict, WorkOrderRecord,
};

/// How a commit fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happened.
    Failed,
    /// It happened, and nobody was told.
    FailedButPersisted,
}

/// Wraps a store whose commits fail when asked to. Without a fault it keeps the contract of what it wraps. For tests.
pub struct FaultyStore<S> {
    inner: S,
    /// What the next commit does, and what it says.
    next: Mutex<Option<(Fault, StoreError)>>,
}

impl<S: Store> FaultyStore<S> {
    /// No fault yet.
    pub fn new(inner: S) -> Self {
        Self { inner, next: Mutex::new(None) }
    }

    /// Makes the next commit fail, and say `error`.
    pub fn fail_next(&self, fault: Fault, error: StoreError) {
        *self.next.lock() = Some((fault, error));
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: Store> Store for FaultyStore<S> {
    async fn commit(&self, commands: Vec<Command>) -> Result<Vec<Verdict>, StoreError> {
        let fault = self.next.lock().take();
        match fault {
            None => {
                // Lets others in between: no store is as quick as memory.
                tokio::task::yield_now().await;
                self.inner.commit(commands).await
            }
            Some((Fault::Failed, error)) => Err(error),
            Some((Fault::FailedButPersisted, error)) => {
                self.inner.commit(commands).await?;
                Err(error)
            }
        }
    }

    async fn preflight(&self, intent: &Intent) -> Result<Preflight, StoreError> {
        self.inner.preflight(intent).await
    }

    async fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>, StoreError> {
        self.inner.certificate_status(serial_number).await
    }

    async fn certificate(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        self.inner.certificate(serial_number).await
    }

    async fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        self.inner.certificates_of(holder, cursor, limit).await
    }
    async fn device(&self, device: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        self.inner.device(device).await
    }

    async fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderRecord>, StoreError> {
        self.inner.work_order(work_order).await
    }

    async fn work_orders(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<WorkOrderRecord>, StoreError> {
        self.inner.work_orders(cursor, limit).await
    }

    async fn principal(
        &self,
        role: Role,
        name: &PrincipalName,
    ) -> Result<Option<PrincipalRecord>, StoreError> {
        self.inner.principal(role, name).await
    }

    async fn principals(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PrincipalRecord>, StoreError> {
        self.inner.principals(cursor, limit).await
    }

    async fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateRecord>, StoreError> {
        self.inner.issuer(issuer).await
    }

    async fn unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted, StoreError> {
        self.inner.unaccounted(work_order, limit).await
    }

    async fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceRecord>, StoreError> {
        self.inner.devices(filter, cursor, limit).await
    }

    async fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        self.inner.certificates_expiring(before, cursor, limit).await
    }

    async fn certificates_recorded(
        &self,
        issuer: Option<IssuerName>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        self.inner.certificates_recorded(issuer, cursor, limit).await
    }

    async fn superseded_due(
        &self,
        before: SystemTime,
        limit: usize,
    ) -> Result<Vec<SerialNumber>, StoreError> {
        self.inner.superseded_due(before, limit).await
    }

    async fn status_record(&self, serial_number: &SerialNumber) -> Result<Option<StatusRecord>, StoreError> {
        self.inner.status_record(serial_number).await
    }

    async fn revocation_changes(
        &self,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<RevocationChange>, StoreError> {
        self.inner.revocation_changes(after, limit).await
    }

    async fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> Result<RevokedPage, StoreError> {
        self.inner.revoked_in(issuer, shard, expired_before, from, limit).await
    }

    fn shard_state(&self, issuer: IssuerName, shard: u32) -> ShardState {
        self.inner.shard_state(issuer, shard)
    }

    fn shards(&self, issuer: IssuerName) -> u32 {
        self.inner.shards(issuer)
    }

    fn issued_by(&self, issuer: IssuerName) -> u64 {
        self.inner.issued_by(issuer)
    }

    async fn select(
        &self,
        selection: &Selection,
        from: u64,
        limit: usize,
    ) -> Result<SelectionPage, StoreError> {
        self.inner.select(selection, from, limit).await
    }

    async fn job(&self, job: JobId) -> Result<Option<JobFacts>, StoreError> {
        self.inner.job(job).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobFacts>, StoreError> {
        self.inner.unfinished_jobs().await
    }

    async fn rotations(&self, now: SystemTime) -> Result<Vec<RotationFacts>, StoreError> {
        self.inner.rotations(now).await
    }

    async fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> Result<Option<RotationFacts>, StoreError> {
        self.inner.rotation_due(serial_number, now).await
    }

    async fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<AlarmRecord>, StoreError> {
        self.inner.alarms(kind, cursor, limit).await
    }

    fn seen(&self, device: &DeviceId, now: SystemTime) {
        self.inner.seen(device, now);
    }

    async fn devices_not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceRecord>, StoreError> {
        self.inner.devices_not_seen_since(before, cursor, limit).await
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError> {
        self.inner.entry_digest(number).await
    }

    fn head(&self) -> EntryNumber {
        self.inner.head()
    }

    fn last_entry_at(&self) -> Option<SystemTime> {
        self.inner.last_entry_at()
    }

    async fn recorded_ahead(
        &self,
        now: SystemTime,
        limit: usize,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        self.inner.recorded_ahead(now, limit).await
    }

    fn metrics(&self) -> StoreMetrics {
        self.inner.metrics()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
