//! The three contracts, answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use identity::{
    DeviceId, IssuerName, KeyFingerprint, Principal, PrincipalName, Product, RequestId, Role, SerialNumber,
};
use ledger::{
    AlarmKind, CertificateStatus, Command, DeviceFacts, Entry, EntryNumber, Intent, JobFacts, JobId,
    PreflightDecision, ProductFacts, ReservationFacts, ReservationId, ReservedUnit, RotationFacts, Selection,
    View, WorkOrderFacts, WorkOrderId,
};
use ledger_log::format;
use ledger_log::tree::Hash;
use tokio::sync::watch;

use super::index::Rows;
use super::last_seen::End;
use super::{LogStore, PROJECTION_CLOSE_MAX};
use crate::{
    CertificateRecord, ChangePosition, Cursor, DeviceFilter, Ledger, Listings, Page, Preflight,
    PrincipalRecord, ProductRecord, Recorded, ReservationFilter, Result, RevocationChange, RevokedPage,
    SelectionPage, ShardState, Status, StatusRecord, StoreError, StoreMetrics, Survey, Unaccounted, Verdict,
    page, selection,
};

#[async_trait]
impl Ledger for LogStore {
    async fn commit(&self, commands: Vec<Command>) -> Result<Vec<Verdict>> {
        self.group_commit().ok_or(StoreError::Stopped)?.ask(commands).await
    }

    async fn preflight(&self, intent: &Intent) -> Result<Preflight> {
        let now = self.clock.now();
        Ok(match self.shared.view(|rows| ledger::preflight(rows, intent, now))? {
            Err(conflict) => Preflight::Refused(conflict),
            Ok(PreflightDecision::Clear) => Preflight::Clear,
            Ok(PreflightDecision::Alarm { conflict, pauses }) => Preflight::Alarm { conflict, pauses },
            Ok(PreflightDecision::Replay(entry)) => {
                Preflight::Answered(Recorded { entry: self.shared.entries.get(entry)?, replayed: true })
            }
        })
    }

    async fn answered(
        &self,
        principal: &Principal,
        request: &RequestId,
        content: &[u8; 32],
    ) -> Result<Option<Verdict>> {
        let now = self.clock.now();
        let answered = |rows: &Rows<'_>| ledger::answered(rows, Some(principal), request, content, now);
        Ok(match self.shared.view(answered)? {
            Ok(None) => None,
            Ok(Some(entry)) => Some(Ok(Recorded { entry: self.shared.entries.get(entry)?, replayed: true })),
            Err(conflict) => Some(Err(conflict)),
        })
    }

    fn root(&self, size: EntryNumber) -> Result<Option<Hash>> {
        Ok(self.shared.entries.log().root(size)?)
    }

    fn metrics(&self) -> StoreMetrics {
        let counters = &self.shared.counters;
        let (projected, projection_lag, projection_rebuilding, projection_rebuilds) =
            self.shared.projection.metrics();
        let (checkpoint, checkpoints) = self.shared.keeper.metrics();
        StoreMetrics {
            head: self.shared.head().0,
            entries: counters.entries.load(Ordering::Relaxed),
            conflicts: counters.conflicts.load(Ordering::Relaxed),
            stopped: counters.stopped.load(Ordering::Relaxed),
            log: self.shared.entries.log().metrics(),
            projected,
            projection_lag,
            projection_rebuilding,
            projection_rebuilds,
            checkpoint,
            checkpoints,
            queued: self.group_commit().map_or(0, |group_commit| group_commit.waiting()),
        }
    }

    async fn close(&self) -> Result<()> {
        drop(self.group_commit.lock().take());
        let committer = self.committer.lock().take();
        let Some(committer) = committer else { return Ok(()) };
        let (writer, keeper) = (self.writer.lock().take(), self.keeper.lock().take());
        self.blocking(move |shared| {
            let joined = committer.join().map_err(|_| StoreError::Stopped);
            shared.last_seen.end(End::Clean);
            shared.keeper.end(End::Clean);
            writer.map(JoinHandle::join);
            keeper.map(JoinHandle::join);
            shared.projection.stop();
            if !shared.projection.wait_for_end(PROJECTION_CLOSE_MAX) {
                tracing::warn!(
                    "the projection did not close in time; it will be built again at the next start"
                );
            }
            joined
        })
        .await?;
        if let Err(error) = self.shared.entries.log().close().await {
            tracing::warn!(error = %error, "the ledger is whole, but where it ends could not be noted");
        }
        Ok(())
    }
}

#[async_trait]
impl Status for LogStore {
    fn follow(&self) -> watch::Receiver<EntryNumber> {
        self.shared.head.subscribe()
    }

    fn status_changes(&self) -> watch::Receiver<EntryNumber> {
        self.shared.status_changed.subscribe()
    }

    async fn last_entry_at(&self) -> Result<Option<SystemTime>> {
        let last = self.shared.index.read().times.last_at();
        Ok(last.map(|at| UNIX_EPOCH + Duration::from_secs(format::milliseconds(at) / 1000)))
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>> {
        let payload = self.shared.entries.log().read(number, 1)?.into_iter().next();
        Ok(payload.and_then(|payload| digest(&SHA256, &payload).as_ref().try_into().ok()))
    }

    async fn certificate_status(&self, serial_number: &SerialNumber) -> Result<Option<CertificateStatus>> {
        self.shared.view(|rows| rows.index.certificate_status(serial_number))
    }

    async fn status_record(&self, serial_number: &SerialNumber) -> Result<Option<StatusRecord>> {
        self.shared.status_record(serial_number)
    }

    async fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateRecord>> {
        self.shared.certificate_record(serial_number)
    }

    async fn certificate_of_key(&self, key: &KeyFingerprint) -> Result<Option<CertificateRecord>> {
        match self.shared.view(|rows| rows.key(key))? {
            Some(facts) => self.shared.record(&facts),
            None => Ok(None),
        }
    }

    async fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateRecord>> {
        match self.shared.view(|rows| rows.issuer(issuer))? {
            Some(facts) => self.shared.record(&facts),
            None => Ok(None),
        }
    }

    async fn issued_by(&self, issuer: IssuerName) -> Result<u64> {
        Ok(self.shared.certificates(|certificates| certificates.issued_by(issuer)))
    }

    async fn shards(&self, issuer: IssuerName) -> Result<u32> {
        Ok(self.shared.certificates(|certificates| certificates.shards(issuer)))
    }

    async fn shard_state(&self, issuer: IssuerName, shard: u32) -> Result<ShardState> {
        Ok(self.shared.shard_state(issuer, shard))
    }

    async fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> Result<RevokedPage> {
        self.blocking(move |shared| shared.revoked_in(issuer, shard, expired_before, from, limit)).await
    }

    async fn revocation_changes(&self, after: ChangePosition, limit: usize) -> Result<Vec<RevocationChange>> {
        self.blocking(move |shared| shared.revocation_changes(after, limit)).await
    }

    async fn superseded_due(&self, before: SystemTime, limit: usize) -> Result<Vec<SerialNumber>> {
        self.blocking(move |shared| {
            let due =
                shared.certificates(|certificates| certificates.due(format::milliseconds(before), limit))?;
            let entries = due.into_iter().map(|row| shared.entries.at(row.entry));
            let serial_number = |entry: &Entry| entry.event.certificate().map(|issued| issued.serial_number);
            entries.filter_map(|entry| entry.map(|entry| serial_number(&entry)).transpose()).collect()
        })
        .await
    }

    async fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> Result<Option<RotationFacts>> {
        self.shared.rotation_due(serial_number, now)
    }

    fn seen(&self, device: &DeviceId, now: SystemTime) {
        let second = format::milliseconds(now) / 1000;
        self.shared.index.read().see(device, u32::try_from(second).unwrap_or(u32::MAX));
    }
}

#[async_trait]
impl Listings for LogStore {
    async fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>> {
        let (holder, cursor) = (holder.clone(), cursor.cloned());
        self.blocking(move |shared| shared.certificates_of(&holder, cursor.as_ref(), limit)).await
    }

    async fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>> {
        self.shared.view(|rows| rows.device(device))
    }

    async fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>> {
        self.shared.view(|rows| rows.work_order(work_order))
    }

    async fn product(&self, product: &Product) -> Result<Option<ProductRecord>> {
        let facts = self.shared.view(|rows| rows.product(product))?;
        facts.map(|facts| self.shared.product_record(facts)).transpose()
    }

    async fn products(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<ProductRecord>> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| {
            let page = page::products(&shared.index.read().administration.products, cursor.as_ref(), limit)?;
            page.try_map(|facts| shared.product_record(facts).map(Some))
        })
        .await
    }

    fn paused_products(&self) -> Vec<ProductFacts> {
        let index = self.shared.index.read();
        index.administration.products.values().filter(|facts| facts.paused().is_some()).cloned().collect()
    }

    async fn work_orders(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<WorkOrderFacts>> {
        self.shared
            .view(|rows| page::work_orders(rows.work_orders()?, cursor, limit, |id| rows.work_order(id)))
    }

    async fn reservation(&self, reservation: ReservationId) -> Result<Option<ReservationFacts>> {
        self.shared.view(|rows| rows.reservation(reservation))
    }

    async fn reserved_unit(&self, device: &DeviceId) -> Result<Option<ReservedUnit>> {
        self.shared.view(|rows| rows.reserved_unit(device))
    }

    async fn is_given_up(&self, device: &DeviceId) -> Result<bool> {
        self.shared.view(|rows| Ok(rows.given_up(device)?.is_some()))
    }

    async fn reservations(
        &self,
        filter: &ReservationFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ReservationFacts>> {
        self.shared.view(|rows| {
            page::reservations(filter, rows.reservations()?, cursor, limit, |id| rows.reservation(id))
        })
    }

    async fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalRecord>> {
        match self.shared.view(|rows| rows.principal(role, name))? {
            Some(facts) => self.shared.principal(&facts, self.clock.now()),
            None => Ok(None),
        }
    }

    async fn principals(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<PrincipalRecord>> {
        let now = self.clock.now();
        let page = self
            .shared
            .view(|rows| page::principals(&rows.index.administration.principals, cursor, limit))?;
        page.try_map(|facts| self.shared.principal(&facts, now))
    }

    async fn unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted> {
        self.blocking(move |shared| shared.list_unaccounted(work_order, limit)).await
    }

    async fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>> {
        let (filter, cursor) = (filter.clone(), cursor.cloned());
        self.blocking(move |shared| shared.list_devices(&filter, cursor.as_ref(), limit)).await
    }

    async fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| shared.list_expiring(before, cursor.as_ref(), limit)).await
    }

    async fn certificates_recorded(
        &self,
        issuer: Option<IssuerName>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| {
            let page = page::recorded(issuer, cursor.as_ref(), limit, shared.head().0, |number| {
                let entry = shared.entries.get(number)?;
                Ok(entry.event.certificate().map(|issued| (issued.issuer, issued.serial_number)))
            })?;
            page.try_map(|serial_number| shared.certificate_record(&serial_number))
        })
        .await
    }

    async fn select(&self, selection: &Selection, from: u64, limit: usize) -> Result<SelectionPage> {
        let selection = selection.clone();
        self.blocking(move |shared| shared.select(&selection, from, limit)).await
    }

    async fn entries(&self, first: EntryNumber, limit: u64) -> Result<Vec<Entry>> {
        self.blocking(move |shared| shared.entries.decoded(first, limit)).await
    }

    async fn job(&self, job: JobId) -> Result<Option<JobFacts>> {
        self.shared.view(|rows| rows.job(job))
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobFacts>> {
        self.shared.view(|rows| {
            Ok(rows.index.administration.jobs.jobs.values().filter(|job| job.goes_on()).cloned().collect())
        })
    }

    async fn rotations(&self, now: SystemTime) -> Result<Vec<RotationFacts>> {
        Ok(self.shared.active_rotations(now))
    }

    async fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Arc<Entry>>> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| {
            let page =
                page::alarms(&shared.index.read().administration.jobs.alarms, kind, cursor.as_ref(), limit)?;
            page.try_map(|number| shared.entries.get(number).map(Some))
        })
        .await
    }

    async fn devices_not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>> {
        let cursor = cursor.cloned();
        self.blocking(move |shared| shared.not_seen_since(before, cursor.as_ref(), limit)).await
    }

    async fn recorded_ahead(&self, now: SystemTime, limit: usize) -> Result<Vec<CertificateRecord>> {
        self.blocking(move |shared| shared.recorded_ahead(now, limit)).await
    }

    async fn survey(&self, selection: &Selection) -> Result<Survey> {
        selection::survey(self, selection).await
    }
}
