//! A store in memory that keeps the contract, but for durability: for tests.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use identity::{Clock, DeviceId, Principal, PrincipalName, RequestId, Role, SerialNumber};
use issuance::IssuerName;

use super::{
    CertificateRecord, Cursor, DeviceFilter, DeviceRecord, Foresight, Page, PrincipalRecord, Recorded,
    Revocation, Store, StoreError, Unaccounted, Verdict, Vitals, WorkOrderRecord,
};
use crate::ledger::{
    self, Books, CertificateFacts, Command, Decision, DeviceFacts, Entry, EntryNumber, Event, Intent,
    Nothing, Standing, View, WorkOrderId,
};

/// A store in memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    entries: Vec<Arc<Entry>>,
    books: Books<Nothing>,
    conflicts: u64,
    closed: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State { entries: Vec::new(), books: Books::over(Nothing), conflicts: 0, closed: false };
        Self { clock, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    async fn foresee(&self, intent: &Intent) -> Result<Foresight, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        Ok(match sure(ledger::foresee(&state.books, intent, now)) {
            Err(conflict) => Foresight::Refused(conflict),
            Ok(None) => Foresight::Clear,
            Ok(Some(number)) => match state.entry(number) {
                Some(entry) => Foresight::Answered(Recorded::replayed(entry)),
                None => Foresight::Clear,
            },
        })
    }

    async fn standing(&self, serial_number: &SerialNumber) -> Result<Option<Standing>, StoreError> {
        Ok(sure(self.state().books.certificate(serial_number)).map(|facts| facts.standing))
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
        limit: usize,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        let state = self.state();
        let serial_numbers = match holder {
            Principal::Device(device) => sure(state.books.device(device)).map(|facts| facts.certificates),
            Principal::Named { role, name } => {
                sure(state.books.principal(*role, name)).map(|facts| facts.certificates)
            }
        };
        let mut serial_numbers = serial_numbers.unwrap_or_default();
        serial_numbers.drain(..serial_numbers.len().saturating_sub(limit));
        Ok(serial_numbers.iter().filter_map(|serial_number| state.certificate(serial_number)).collect())
    }

    async fn device(&self, device: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        Ok(sure(self.state().books.device(device)).and_then(|facts| DeviceRecord::of(&facts)))
    }

    async fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderRecord>, StoreError> {
        Ok(sure(self.state().books.work_order(work_order)).map(WorkOrderRecord::from))
    }

    async fn work_orders(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<WorkOrderRecord>, StoreError> {
        let state = self.state();
        super::page::work_orders(sure(state.books.work_orders()), cursor, limit, |id| {
            Ok(sure(state.books.work_order(id)).map(WorkOrderRecord::from))
        })
    }

    async fn principal(
        &self,
        role: Role,
        name: &PrincipalName,
    ) -> Result<Option<PrincipalRecord>, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        Ok(sure(state.books.principal(role, name)).and_then(|facts| state.principal(&facts, now)))
    }

    async fn principals(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PrincipalRecord>, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        super::page::principals(state.books.principals(), cursor, limit, |facts| {
            Ok(state.principal(facts, now))
        })
    }

    async fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateRecord>, StoreError> {
        let state = self.state();
        Ok(sure(state.books.issuer(issuer)).and_then(|facts| state.record(&facts)))
    }

    async fn unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted, StoreError> {
        let state = self.state();
        let open =
            |facts: &&DeviceFacts| facts.work_order == work_order && !facts.confirmed && !facts.scrapped;
        let devices: Vec<_> =
            state.books.devices().values().filter(open).map(|facts| facts.id.clone()).collect();
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
            .books
            .devices()
            .values()
            .filter(|facts| after.as_ref().is_none_or(|after| facts.id > *after))
            .filter_map(DeviceRecord::of)
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
            .books
            .certificates()
            .filter(|facts| facts.not_after < before.min(identity::no_well_defined_expiration()))
            .filter(|facts| after.is_none_or(|after| super::page::expiry(facts) > after))
            .collect();
        due.sort_by_key(|facts| super::page::expiry(facts));
        let more = due.len() > limit;
        due.truncate(limit);
        let next = due.last().filter(|_| more).map(|facts| super::page::after_expiry(facts));
        Ok(Page { rows: due.into_iter().filter_map(|facts| state.record(facts)).collect(), next })
    }

    fn head(&self) -> EntryNumber {
        EntryNumber(self.state().entries.len() as u64)
    }

    fn vitals(&self) -> Vitals {
        let state = self.state();
        let head = state.entries.len() as u64;
        Vitals {
            head,
            entries: head,
            conflicts: state.conflicts,
            projected: head,
            stopped: state.closed,
            ..Vitals::default()
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
            sure(ledger::decide(&self.books, &command, now)).inspect_err(|_| self.conflicts += 1)?;
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
            event,
        });
        sure(self.books.enter(&entry));
        self.entries.push(Arc::clone(&entry));
        entry
    }

    fn entry(&self, number: EntryNumber) -> Option<Arc<Entry>> {
        let place = usize::try_from(number.0.checked_sub(1)?).ok()?;
        self.entries.get(place).cloned()
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Option<CertificateRecord> {
        sure(self.books.certificate(serial_number)).and_then(|facts| self.record(&facts))
    }

    fn record(&self, facts: &CertificateFacts) -> Option<CertificateRecord> {
        let changed = facts.changed.and_then(|changed| self.entry(changed));
        let revocation = changed.as_deref().and_then(|entry| Revocation::of(entry, facts));
        CertificateRecord::from_entry(self.entry(facts.entry)?, facts.standing, revocation)
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
