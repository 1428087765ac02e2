//! The embedded store: ledger files, an exact index in memory, a projection in sled (ADR 0004). Only the
//! ledger files must be right for nothing to be lost; the other two are derived from them.

mod buckets;
mod clean_shutdown;
mod committer;
mod entry_cache;
mod files;
mod frame;
mod group_commit;
mod index;
mod last_seen;
mod listings;
mod projection;
mod projector;
mod reader;
mod revocations;
mod room;
mod segment;
mod select;
mod settings;
mod start;
mod times;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, DeviceId, IssuerName, Principal, PrincipalName, Role, SerialNumber};
use ledger::{
    AlarmKind, CertificateFacts, CertificateStatus, Command, Entry, EntryNumber, Intent, JobFacts, JobId,
    PreflightDecision, PrincipalFacts, RotationFacts, Selection, View, WorkOrderId,
};
use parking_lot::{Mutex, RwLock};

use self::files::Files;
use self::group_commit::GroupCommit;
use self::index::{Index, Rows};
use self::last_seen::{End, LastSeen};
use self::projector::Projection;
use self::revocations::CauseCache;
use self::room::Room;
use super::{
    AlarmRecord, CertificateRecord, ChangePosition, Cursor, DeviceFilter, DeviceRecord, Page, Preflight,
    PrincipalRecord, Recorded, Revocation, RevocationChange, RevokedPage, SelectionPage, ShardState,
    StatusRecord, Store, StoreError, StoreMetrics, Unaccounted, Verdict, WorkOrderRecord, page,
};

pub use self::settings::{EmbeddedSettings, SEGMENT_BYTES_DEFAULT};

/// A torn tail that was found when the store was opened, and is cut when the next entry is recorded: bytes of a batch that was never
/// acknowledged, unless the ledger lost its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes lie there.
    pub bytes: u64,
}

/// The embedded store. Dropping it without [`Store::close`] loses nothing; the next start only has more to do.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// `None` once closed.
    group_commit: Mutex<Option<Arc<GroupCommit>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// Writes down when devices were last seen.
    writer: Mutex<Option<JoinHandle<()>>>,
    torn_tail: Option<TornTail>,
}

/// What the committer, the projector and the readers share. The index is changed by the committer alone.
struct Shared {
    files: Files,
    index: RwLock<Index>,
    head: AtomicU64,
    projection: Projection,
    last_seen: LastSeen,
    /// For status, which is asked of many that one entry revoked.
    cause_cache: Mutex<CauseCache>,
    counters: Counters,
    room: Room,
}

#[derive(Default)]
struct Counters {
    entries: AtomicU64,
    conflicts: AtomicU64,
    batches: AtomicU64,
    sync_total_us: AtomicU64,
    sync_max_us: AtomicU64,
    full: AtomicU64,
    stopped: AtomicBool,
}

impl EmbeddedStore {
    /// The torn tail that was found when the store was opened.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn_tail.as_ref()
    }

    /// The entry with this number; `None`: the ledger is not that long.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entry(&self, number: EntryNumber) -> Result<Option<Arc<Entry>>, StoreError> {
        if number.0 > self.shared.files_head() {
            return Ok(None);
        }
        self.shared.files.read(number)
    }

    fn group_commit(&self) -> Option<Arc<GroupCommit>> {
        self.group_commit.lock().clone()
    }

    /// Blocking work on its own thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .unwrap_or(Err(StoreError::Bug { what: "a thread that read the ledger panicked" }))
    }
}

impl Shared {
    fn files_head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    fn rows<'a>(&'a self, index: &'a Index) -> Rows<'a> {
        Rows { index, files: &self.files }
    }

    fn entry(&self, number: EntryNumber) -> Result<Arc<Entry>, StoreError> {
        self.files.read(number)?.ok_or_else(|| self.files.damaged(number, reader::ABSENT))
    }

    /// Looks at the rows as of one moment.
    fn view<T>(&self, look: impl FnOnce(&Rows<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let index = self.index.read();
        look(&self.rows(&index))
    }

    fn certificate_record(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        match self.view(|rows| rows.certificate(serial_number))? {
            Some(facts) => self.record(&facts),
            None => Ok(None),
        }
    }

    fn record(&self, facts: &CertificateFacts) -> Result<Option<CertificateRecord>, StoreError> {
        let revocation = match (facts.status, facts.changed) {
            (CertificateStatus::Revoked | CertificateStatus::Held, Some(changed)) => {
                Revocation::of(self.entry(changed)?.as_ref(), facts)
            }
            _ => None,
        };
        let record = CertificateRecord::from_entry(self.entry(facts.entry)?, facts.status, revocation);
        match (record, facts.changed) {
            (Some(record), Some(changed))
                if matches!(facts.status, CertificateStatus::Superseded | CertificateStatus::Revoked) =>
            {
                Ok(Some(record.changed_by(self.entry(changed)?.as_ref())))
            }
            (record, _) => Ok(record),
        }
    }

    fn principal(
        &self,
        facts: &PrincipalFacts,
        now: SystemTime,
    ) -> Result<Option<PrincipalRecord>, StoreError> {
        let mut credentials = Vec::with_capacity(facts.certificates.len());
        for serial_number in &facts.certificates {
            credentials.extend(self.certificate_record(serial_number)?);
        }
        Ok(PrincipalRecord::of(facts, credentials, now))
    }
}

impl Store for EmbeddedStore {
    async fn commit(&self, commands: Vec<Command>) -> Result<Vec<Verdict>, StoreError> {
        self.group_commit().ok_or(StoreError::Stopped)?.ask(commands).await
    }

    async fn preflight(&self, intent: &Intent) -> Result<Preflight, StoreError> {
        let now = self.clock.now();
        Ok(match self.shared.view(|rows| ledger::preflight(rows, intent, now))? {
            Err(conflict) => Preflight::Refused(conflict),
            Ok(PreflightDecision::Clear) => Preflight::Clear,
            Ok(PreflightDecision::Alarm(conflict)) => Preflight::Alarm(conflict),
            Ok(PreflightDecision::Replay(entry)) => {
                Preflight::Answered(Recorded::replayed(self.shared.entry(entry)?))
            }
        })
    }

    async fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>, StoreError> {
        self.shared.view(|rows| Ok(rows.index.certificate_status(serial_number)))
    }

    async fn certificate(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        self.shared.certificate_record(serial_number)
    }

    async fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        let (holder, cursor) = (holder.clone(), cursor.cloned());
        self.blocking(move |shared| shared.certificates_of(&holder, cursor.as_ref(), limit)).await
    }

    async fn device(&self, device: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        Ok(self.shared.view(|rows| rows.device(device))?.as_ref().and_then(DeviceRecord::of))
    }

    async fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderRecord>, StoreError> {
        Ok(self.shared.view(|rows| rows.work_order(work_order))?.map(WorkOrderRecord::from))
    }

    async fn work_orders(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<WorkOrderRecord>, StoreError> {
        self.shared.view(|rows| {
            page::work_orders(rows.work_orders()?, cursor, limit, |id| {
                Ok(rows.work_order(id)?.map(WorkOrderRecord::from))
            })
        })
    }

    async fn principal(
        &self,
        role: Role,
        name: &PrincipalName,
    ) -> Result<Option<PrincipalRecord>, StoreError> {
        match self.shared.view(|rows| rows.principal(role, name))? {
            Some(facts) => self.shared.principal(&facts, self.clock.now()),
            None => Ok(None),
        }
    }

    async fn principals(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PrincipalRecord>, StoreError> {
        let now = self.clock.now();
        let known = self.shared.view(|rows| {
            page::principals(rows.index.principals(), cursor, limit, |facts| Ok(Some(facts.clone())))
        })?;
        let mut rows = Vec::with_capacity(known.rows.len());
        for facts in &known.rows {
            rows.extend(self.shared.principal(facts, now)?);
        }
        Ok(Page { rows, next: known.next })
    }

    async fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateRecord>, StoreError> {
        match self.shared.view(|rows| rows.issuer(issuer))? {
            Some(facts) => self.shared.record(&facts),
            None => Ok(None),
        }
    }

    async fn unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted, StoreError> {
        self.blocking(move |shared| shared.list_unaccounted(work_order, limit)).await
    }

    async fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceRecord>, StoreError> {
        let (filter, cursor) = (filter.clone(), cursor.cloned());
        self.blocking(move |shared| shared.list_devices(&filter, cursor.as_ref(), limit)).await
    }

    async fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| shared.list_expiring(before, cursor.as_ref(), limit)).await
    }

    async fn certificates_recorded(
        &self,
        issuer: Option<IssuerName>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| shared.list_recorded(issuer, cursor.as_ref(), limit)).await
    }

    async fn superseded_due(
        &self,
        before: SystemTime,
        limit: usize,
    ) -> Result<Vec<SerialNumber>, StoreError> {
        self.blocking(move |shared| shared.superseded_due(before, limit)).await
    }

    async fn status_record(&self, serial_number: &SerialNumber) -> Result<Option<StatusRecord>, StoreError> {
        self.shared.status_record(serial_number)
    }

    async fn revocation_changes(
        &self,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<RevocationChange>, StoreError> {
        self.blocking(move |shared| shared.revocation_changes(after, limit)).await
    }

    async fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> Result<RevokedPage, StoreError> {
        self.blocking(move |shared| shared.revoked_in(issuer, shard, expired_before, from, limit)).await
    }

    fn shard_state(&self, issuer: IssuerName, shard: u32) -> ShardState {
        self.shared.shard_state(issuer, shard)
    }

    fn shards(&self, issuer: IssuerName) -> u32 {
        self.shared.shards(issuer)
    }

    fn issued_by(&self, issuer: IssuerName) -> u64 {
        self.shared.issued_by(issuer)
    }

    async fn select(
        &self,
        selection: &Selection,
        from: u64,
        limit: usize,
    ) -> Result<SelectionPage, StoreError> {
        let selection = selection.clone();
        self.blocking(move |shared| shared.select(&selection, from, limit)).await
    }

    async fn job(&self, job: JobId) -> Result<Option<JobFacts>, StoreError> {
        self.shared.view(|rows| rows.job(job))
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobFacts>, StoreError> {
        self.shared
            .view(|rows| Ok(rows.index.jobs.jobs.values().filter(|job| job.goes_on()).cloned().collect()))
    }

    async fn rotations(&self, now: SystemTime) -> Result<Vec<RotationFacts>, StoreError> {
        Ok(self.shared.rotations(now))
    }

    async fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> Result<Option<RotationFacts>, StoreError> {
        self.shared.rotation_due(serial_number, now)
    }

    async fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<AlarmRecord>, StoreError> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| shared.alarms(kind, cursor.as_ref(), limit)).await
    }

    fn seen(&self, device: &DeviceId, now: SystemTime) {
        self.shared.see(device, now);
    }

    async fn devices_not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceRecord>, StoreError> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| shared.not_seen_since(before, cursor.as_ref(), limit)).await
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError> {
        self.blocking(move |shared| Ok(shared.files.read(number)?.map(|entry| super::format::digest(&entry))))
            .await
    }

    fn head(&self) -> EntryNumber {
        EntryNumber(self.shared.files_head())
    }

    fn last_entry_at(&self) -> Option<SystemTime> {
        let index = self.shared.index.read();
        index.times.last_s().map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
    }

    async fn recorded_ahead(
        &self,
        now: SystemTime,
        limit: usize,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        self.blocking(move |shared| shared.recorded_ahead(now, limit)).await
    }

    fn metrics(&self) -> StoreMetrics {
        let counters = &self.shared.counters;
        let (projected, projection_lag, projection_rebuilding, projection_rebuilds) =
            self.shared.projection.metrics();
        StoreMetrics {
            head: self.shared.files_head(),
            entries: counters.entries.load(Ordering::Relaxed),
            conflicts: counters.conflicts.load(Ordering::Relaxed),
            batches: counters.batches.load(Ordering::Relaxed),
            sync_total: Duration::from_micros(counters.sync_total_us.load(Ordering::Relaxed)),
            sync_max: Duration::from_micros(counters.sync_max_us.load(Ordering::Relaxed)),
            full: counters.full.load(Ordering::Relaxed),
            stopped: counters.stopped.load(Ordering::Relaxed),
            disk_full: self.shared.room.is_full(),
            ledger_bytes: self.shared.files.bytes(),
            projected,
            projection_lag,
            projection_rebuilding,
            projection_rebuilds,
            queued: self.group_commit().map_or(0, |group_commit| group_commit.waiting()),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        drop(self.group_commit.lock().take());
        let committer = self.committer.lock().take();
        let Some(committer) = committer else { return Ok(()) };
        let writer = self.writer.lock().take();
        self.blocking(move |shared| {
            let joined = committer.join().map_err(|_| StoreError::Stopped);
            shared.room.end();
            shared.last_seen.end(End::Clean);
            writer.map(JoinHandle::join);
            shared.projection.stop();
            if !shared.projection.wait_for_end(PROJECTION_CLOSE_MAX) {
                tracing::warn!(
                    "the projection did not close in time; it will be built again at the next start"
                );
            }
            shared.files.unlock();
            joined
        })
        .await
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.shared.projection.stop();
        self.shared.room.end();
        self.shared.last_seen.end(End::Dropped);
    }
}

/// Entries that one store can hold: their numbers have 32 bits in the index. Four hundred a device at ten million devices.
const ENTRIES_MAX: u64 = u32::MAX as u64 - 1;

/// How long a close waits for sled: a flush of what a second of commits leaves. After that the process ends without it.
const PROJECTION_CLOSE_MAX: Duration = Duration::from_secs(10);
