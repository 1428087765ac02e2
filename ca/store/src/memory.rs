//! A store in memory that keeps the contract, but for durability: for tests.

mod select;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, DeviceId, IssuerName, Principal, PrincipalName, RequestId, Role, SerialNumber};
use ledger::{
    AlarmKind, CertificateFacts, CertificateStatus, Command, Decision, DeviceFacts, DeviceState, EmptyView,
    Entry, EntryNumber, Event, Holder, Intent, JobFacts, JobId, Overlay, PreflightDecision, RotationFacts,
    Selection, View, WorkOrderId,
};
use parking_lot::{Mutex, MutexGuard};

use super::revocations::changes_of;
use super::{
    AlarmRecord, CertificateRecord, ChangePosition, Cursor, DeviceFilter, DeviceRecord, Page, Preflight,
    PrincipalRecord, Recorded, Revocation, RevocationChange, RevokedEntry, RevokedPage, SelectionPage,
    ShardState, StatusRecord, Store, StoreError, StoreMetrics, Unaccounted, Verdict, WorkOrderRecord,
};

/// A store in memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    entries: Vec<Arc<Entry>>,
    overlay: Overlay<EmptyView>,
    seen: HashMap<DeviceId, SystemTime>,
    conflicts: u64,
    closed: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            entries: Vec::new(),
            overlay: Overlay::over(EmptyView),
            seen: HashMap::new(),
            conflicts: 0,
            closed: false,
        };
        Self { clock, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Store for MemoryStore {
    async fn commit(&self, commands: Vec<Command>) -> Result<Vec<Verdict>, StoreError> {
        let now = super::whole_milliseconds(self.clock.now());
        let mut state = self.state();
        if state.closed {
            return Err(StoreError::Stopped);
        }
        Ok(commands.into_iter().map(|command| state.commit(command, now)).collect())
    }

    async fn preflight(&self, intent: &Intent) -> Result<Preflight, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        Ok(match sure(ledger::preflight(&state.overlay, intent, now)) {
            Err(conflict) => Preflight::Refused(conflict),
            Ok(PreflightDecision::Clear) => Preflight::Clear,
            Ok(PreflightDecision::Alarm(conflict)) => Preflight::Alarm(conflict),
            Ok(PreflightDecision::Replay(number)) => match state.entry(number) {
                Some(entry) => Preflight::Answered(Recorded::replayed(entry)),
                None => Preflight::Clear,
            },
        })
    }

    async fn certificate_status(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateStatus>, StoreError> {
        Ok(sure(self.state().overlay.certificate(serial_number)).map(|facts| facts.status))
    }

    async fn certificate(
        &self,
        serial_number: &SerialNumber,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        Ok(self.state().certificate(serial_number))
    }

    async fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        let state = self.state();
        let serial_numbers = match holder {
            Principal::Device(device) => Some(sure(state.overlay.certificates(device))),
            Principal::Named { role, name } => {
                sure(state.overlay.principal(*role, name)).map(|facts| facts.certificates)
            }
        };
        let page = super::page::of_list(&serial_numbers.unwrap_or_default(), cursor, limit)?;
        let rows = page.rows.iter().filter_map(|serial_number| state.certificate(serial_number)).collect();
        Ok(Page { rows, next: page.next })
    }

    async fn device(&self, device: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        let state = self.state();
        Ok(sure(state.overlay.device(device)).and_then(|facts| state.device(&facts)))
    }

    async fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderRecord>, StoreError> {
        Ok(sure(self.state().overlay.work_order(work_order)).map(WorkOrderRecord::from))
    }

    async fn work_orders(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<WorkOrderRecord>, StoreError> {
        let state = self.state();
        super::page::work_orders(sure(state.overlay.work_orders()), cursor, limit, |id| {
            Ok(sure(state.overlay.work_order(id)).map(WorkOrderRecord::from))
        })
    }

    async fn principal(
        &self,
        role: Role,
        name: &PrincipalName,
    ) -> Result<Option<PrincipalRecord>, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        Ok(sure(state.overlay.principal(role, name)).and_then(|facts| state.principal(&facts, now)))
    }

    async fn principals(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PrincipalRecord>, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        super::page::principals(state.overlay.principals(), cursor, limit, |facts| {
            Ok(state.principal(facts, now))
        })
    }

    async fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateRecord>, StoreError> {
        let state = self.state();
        Ok(sure(state.overlay.issuer(issuer)).and_then(|facts| state.record(&facts)))
    }

    async fn unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted, StoreError> {
        let state = self.state();
        let open = |facts: &&DeviceFacts| {
            facts.work_order == work_order && !facts.flags.confirmed && !facts.flags.scrapped
        };
        let devices: Vec<_> =
            state.overlay.devices().values().filter(open).map(|facts| facts.id.clone()).collect();
        let count = devices.len() as u64;
        Ok(Unaccounted { count, devices: devices.into_iter().take(limit).collect() })
    }

    async fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceRecord>, StoreError> {
        let after = cursor.map(super::page::device_of).transpose()?;
        let state = self.state();
        let mut rows = state
            .overlay
            .devices()
            .values()
            .filter(|facts| after.as_ref().is_none_or(|after| facts.id > *after))
            .filter_map(|facts| state.device(facts))
            .filter(|record| filter.matches(record));
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let next = rows.next().and_then(|_| page.last().map(|last| super::page::after_device(&last.id)));
        Ok(Page { rows: page, next })
    }

    async fn certificates_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        let after = cursor.map(super::page::expiry_of).transpose()?;
        let state = self.state();
        let mut due: Vec<&CertificateFacts> = state
            .overlay
            .certificates_here()
            .filter(|facts| facts.not_after < before.min(identity::no_well_defined_expiration()))
            .filter(|facts| after.is_none_or(|after| super::page::expiry(facts) > after))
            .collect();
        due.sort_by_key(|facts| super::page::expiry(facts));
        let more = due.len() > limit;
        due.truncate(limit);
        let next = due.last().filter(|_| more).map(|facts| super::page::after_expiry(facts));
        Ok(Page { rows: due.into_iter().filter_map(|facts| state.record(facts)).collect(), next })
    }

    async fn certificates_recorded(
        &self,
        issuer: Option<IssuerName>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>, StoreError> {
        let state = self.state();
        super::page::recorded(issuer, cursor, limit, state.entries.len() as u64, |number| {
            let certificate = state.entry(number).and_then(|entry| entry.event.certificate().cloned());
            Ok(certificate.map(|certificate| (certificate.issuer, certificate.serial_number)))
        })?
        .try_map(|serial_number| Ok(state.certificate(&serial_number)))
    }

    async fn superseded_due(
        &self,
        before: SystemTime,
        limit: usize,
    ) -> Result<Vec<SerialNumber>, StoreError> {
        let state = self.state();
        let due = |facts: &&CertificateFacts| {
            facts.status == CertificateStatus::Superseded && facts.ends.is_some_and(|ends| ends < before)
        };
        let mut due: Vec<_> = state.overlay.certificates_here().filter(due).collect();
        due.sort_by_key(|facts| (facts.ends, facts.entry));
        Ok(due.into_iter().take(limit).map(|facts| facts.serial_number).collect())
    }

    async fn status_record(&self, serial_number: &SerialNumber) -> Result<Option<StatusRecord>, StoreError> {
        let record = self.state().certificate(serial_number);
        Ok(record.map(|record| StatusRecord {
            issuer: record.certificate().issuer,
            shard: record.certificate().shard,
            status: record.status(),
            revocation: record.revocation().copied(),
        }))
    }

    async fn revocation_changes(
        &self,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<RevocationChange>, StoreError> {
        let state = self.state();
        let mut changes = Vec::new();
        for entry in &state.entries {
            for (position, (serial_number, status)) in (0..).zip(changes_of(entry)) {
                let position = ChangePosition { entry: entry.number, index: position };
                let Some(facts) = sure(state.overlay.certificate(&serial_number)) else { continue };
                if position <= after || changes.len() >= limit {
                    continue;
                }
                changes.push(RevocationChange {
                    position,
                    at: entry.at,
                    serial_number,
                    issuer: facts.issuer,
                    shard: facts.shard,
                    device: match facts.holder {
                        Holder::Principal(Principal::Device(device)) => Some(device),
                        Holder::Principal(Principal::Named { .. }) | Holder::Issuer(_) => None,
                    },
                    status,
                });
            }
        }
        Ok(changes)
    }

    async fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> Result<RevokedPage, StoreError> {
        let state = self.state();
        let mut listed = state.revoked_or_held(issuer, shard);
        listed.retain(|facts| facts.entry.0 >= from && facts.not_after >= expired_before);
        let next = listed.get(limit).map(|facts| facts.entry.0);
        let line = |facts: &&CertificateFacts| {
            let revocation = *state.record(facts)?.revocation()?;
            let Revocation { at, reason, invalidity_date, entry: _ } = revocation;
            Some(RevokedEntry { serial_number: facts.serial_number, at, reason, invalidity_date })
        };
        Ok(RevokedPage { entries: listed.iter().take(limit).filter_map(line).collect(), next })
    }

    fn shard_state(&self, issuer: IssuerName, shard: u32) -> ShardState {
        let state = self.state();
        let of_shard = |facts: &&CertificateFacts| facts.issuer == issuer && facts.shard == Some(shard);
        let serial_numbers: HashSet<_> =
            state.overlay.certificates_here().filter(of_shard).map(|facts| facts.serial_number).collect();
        let touches =
            |entry: &Arc<Entry>| changes_of(entry).iter().any(|(one, _)| serial_numbers.contains(one));
        ShardState {
            revoked_or_held: state.revoked_or_held(issuer, Some(shard)).len() as u64,
            changed: state
                .entries
                .iter()
                .rfind(|entry| touches(entry))
                .map_or_else(Default::default, |entry| entry.number),
            not_after: state.overlay.certificates_here().filter(of_shard).map(|facts| facts.not_after).max(),
        }
    }

    fn shards(&self, issuer: IssuerName) -> u32 {
        let state = self.state();
        let own = state.overlay.certificates_here().filter(|facts| facts.issuer == issuer);
        own.filter_map(|facts| facts.shard).max().map_or(0, |shard| shard + 1)
    }

    fn issued_by(&self, issuer: IssuerName) -> u64 {
        self.state().overlay.certificates_here().filter(|facts| facts.issuer == issuer).count() as u64
    }

    async fn select(
        &self,
        selection: &Selection,
        from: u64,
        limit: usize,
    ) -> Result<SelectionPage, StoreError> {
        Ok(self.state().select(selection, from, limit))
    }

    async fn job(&self, job: JobId) -> Result<Option<JobFacts>, StoreError> {
        Ok(sure(self.state().overlay.job(job)))
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobFacts>, StoreError> {
        Ok(self.state().overlay.jobs_here().values().filter(|job| job.goes_on()).cloned().collect())
    }

    async fn rotations(&self, now: SystemTime) -> Result<Vec<RotationFacts>, StoreError> {
        Ok(self.state().rotations(now))
    }

    async fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> Result<Option<RotationFacts>, StoreError> {
        Ok(self.state().rotation_due(serial_number, now))
    }

    async fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<AlarmRecord>, StoreError> {
        let state = self.state();
        let found = super::page::alarms(state.overlay.alarms(), kind, cursor, limit)?;
        let rows = found.rows.into_iter().filter_map(|number| state.entry(number)).map(AlarmRecord::of);
        Ok(Page { rows: rows.collect(), next: found.next })
    }

    fn seen(&self, device: &DeviceId, now: SystemTime) {
        let now = UNIX_EPOCH + Duration::from_secs(super::format::milliseconds(now) / 1000);
        let mut state = self.state();
        let seen = state.seen.entry(device.clone()).or_insert(now);
        *seen = now.max(*seen);
    }

    async fn devices_not_seen_since(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceRecord>, StoreError> {
        let from = cursor.map(super::page::number_of).transpose()?.unwrap_or(0);
        let state = self.state();
        let births = state.births();
        let silent = births.iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX));
        let mut silent = silent.filter_map(|(place, id)| {
            let record = sure(state.overlay.device(id)).and_then(|facts| state.device(&facts))?;
            let gone =
                matches!(record.state, DeviceState::Scrapped | DeviceState::Retired | DeviceState::Revoked);
            (!gone && record.last_seen < before).then_some((place, record))
        });
        let rows = silent.by_ref().take(limit).map(|(_, record)| record).collect();
        let next = silent.next().map(|(place, _)| super::page::at_number(place as u64));
        Ok(Page { rows, next })
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError> {
        let place = number.0.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        let state = self.state();
        Ok(place.and_then(|place| state.entries.get(place)).map(|entry| super::format::digest(entry)))
    }

    fn head(&self) -> EntryNumber {
        EntryNumber(self.state().entries.len() as u64)
    }

    fn last_entry_at(&self) -> Option<SystemTime> {
        self.state().entries.last().map(|entry| entry.at)
    }

    async fn recorded_ahead(
        &self,
        now: SystemTime,
        limit: usize,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        let state = self.state();
        let (mut earliest, mut found) = (now, Vec::new());
        for entry in state.entries.iter().rev() {
            let ahead = entry.at.duration_since(earliest).is_ok_and(|by| by > Duration::from_secs(300));
            earliest = earliest.min(entry.at);
            let certificate = entry.event.certificate().filter(|_| ahead);
            let record = certificate.and_then(|certificate| state.certificate(&certificate.serial_number));
            found.extend(record.filter(|record| record.status() != CertificateStatus::Revoked));
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    fn metrics(&self) -> StoreMetrics {
        let state = self.state();
        let head = state.entries.len() as u64;
        StoreMetrics {
            head,
            entries: head,
            conflicts: state.conflicts,
            projected: head,
            stopped: state.closed,
            ..StoreMetrics::default()
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.state().closed = true;
        Ok(())
    }
}

impl State {
    fn commit(&mut self, command: Command, now: SystemTime) -> Verdict {
        let decision =
            sure(ledger::decide(&self.overlay, &command, now)).inspect_err(|_| self.conflicts += 1)?;
        match decision {
            Decision::Record(event) => {
                let request = command.request;
                Ok(Recorded::fresh(self.record_event(&command, *event, request, now)))
            }
            // The request was not answered by it.
            Decision::Alarm(event, conflict) => {
                self.record_event(&command, *event, None, now);
                self.conflicts += 1;
                Err(conflict)
            }
            // Decided from entries that are all here.
            Decision::Replay(number) => match self.entry(number) {
                Some(entry) => Ok(Recorded::replayed(entry)),
                None => Err(ledger::Conflict::RequestReused),
            },
        }
    }

    fn record_event(
        &mut self,
        command: &Command,
        event: Event,
        request: Option<RequestId>,
        now: SystemTime,
    ) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            number: EntryNumber(self.entries.len() as u64 + 1),
            at: now,
            principal: command.principal.clone(),
            request,
            content: command.content,
            remark: command.remark.clone(),
            event,
        });
        sure(self.overlay.apply(&entry));
        self.entries.push(Arc::clone(&entry));
        entry
    }

    fn entry(&self, number: EntryNumber) -> Option<Arc<Entry>> {
        let place = usize::try_from(number.0.checked_sub(1)?).ok()?;
        self.entries.get(place).cloned()
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Option<CertificateRecord> {
        sure(self.overlay.certificate(serial_number)).and_then(|facts| self.record(&facts))
    }

    fn record(&self, facts: &CertificateFacts) -> Option<CertificateRecord> {
        let changed = facts.changed.and_then(|changed| self.entry(changed));
        let revocation = changed.as_deref().and_then(|entry| Revocation::of(entry, facts));
        let record = CertificateRecord::from_entry(self.entry(facts.entry)?, facts.status, revocation)?;
        Some(match changed {
            Some(changed) => record.changed_by(&changed),
            None => record,
        })
    }

    fn principal(&self, facts: &ledger::PrincipalFacts, now: SystemTime) -> Option<PrincipalRecord> {
        let certificates: Vec<_> =
            facts.certificates.iter().filter_map(|serial_number| self.certificate(serial_number)).collect();
        PrincipalRecord::of(facts, certificates, now)
    }
}

/// A view in memory has no faults.
fn sure<T>(result: Result<T, Infallible>) -> T {
    let Ok(value) = result;
    value
}
