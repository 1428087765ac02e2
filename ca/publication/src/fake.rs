//! A status source in memory, for the tests of this crate.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::SystemTime;

use identity::{IssuerName, RevocationReason, SerialNumber};
use issuance::{CrlEntry, OcspCertStatus};
use ledger::EntryNumber;
use store::StoreError;

use super::StatusSource;

/// Certificates and what became of them.
#[derive(Default)]
pub(super) struct FakeSource {
    state: Mutex<State>,
    other: bool,
}

#[derive(Default)]
struct State {
    head: u64,
    issued: BTreeMap<SerialNumber, (IssuerName, OcspCertStatus)>,
    crl_entries: BTreeMap<(IssuerName, u32), Vec<CrlEntry>>,
    changed: BTreeMap<(IssuerName, u32), u64>,
    shards: u32,
}

impl FakeSource {
    /// A ledger with so many entries.
    pub(super) fn at(head: u64) -> Self {
        Self { state: Mutex::new(State { head, shards: 1, ..State::default() }), other: false }
    }

    /// One with so many other entries.
    pub(super) fn other_at(head: u64) -> Self {
        Self { other: true, ..Self::at(head) }
    }

    pub(super) fn shards(self, shards: u32) -> Self {
        self.state.lock().shards = shards;
        self
    }

    pub(super) fn issue(&self, issuer: IssuerName, serial_number: SerialNumber) {
        let mut state = self.state.lock();
        state.head += 1;
        state.issued.insert(serial_number, (issuer, OcspCertStatus::Good));
    }

    pub(super) fn revoke(
        &self,
        issuer: IssuerName,
        shard: u32,
        serial_number: SerialNumber,
        at: SystemTime,
        reason: RevocationReason,
    ) {
        let mut state = self.state.lock();
        state.head += 1;
        let head = state.head;
        state.issued.insert(serial_number, (issuer, OcspCertStatus::Revoked { at, reason }));
        state.changed.insert((issuer, shard), head);
        let entry = CrlEntry { serial_number, revoked_at: at, reason, invalidity_date: None };
        state.crl_entries.entry((issuer, shard)).or_default().push(entry);
    }
}

#[async_trait::async_trait]
impl StatusSource for FakeSource {
    fn head(&self) -> EntryNumber {
        EntryNumber(self.state.lock().head)
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError> {
        Ok((number <= self.head())
            .then(|| [u8::try_from(number.0 % 251).unwrap() + u8::from(self.other); 32]))
    }

    async fn shards(&self, _: IssuerName) -> Result<u32, StoreError> {
        Ok(self.state.lock().shards)
    }

    async fn last_change(&self, issuer: IssuerName, shard: u32) -> Result<EntryNumber, StoreError> {
        Ok(EntryNumber(self.state.lock().changed.get(&(issuer, shard)).copied().unwrap_or_default()))
    }

    async fn crl_entries(
        &self,
        issuer: IssuerName,
        shard: u32,
        from: u64,
        limit: usize,
        _: SystemTime,
    ) -> Result<(Vec<CrlEntry>, Option<u64>), StoreError> {
        let state = self.state.lock();
        let all = state.crl_entries.get(&(issuer, shard)).map(Vec::as_slice).unwrap_or_default();
        let from = usize::try_from(from).unwrap();
        let page: Vec<CrlEntry> = all.iter().skip(from).take(limit).cloned().collect();
        let next = from + page.len();
        Ok((page, (next < all.len()).then_some(next as u64)))
    }

    async fn status(
        &self,
        issuer: IssuerName,
        serial_number: &SerialNumber,
    ) -> Result<OcspCertStatus, StoreError> {
        let state = self.state.lock();
        let found = state.issued.get(serial_number).filter(|(of, _)| *of == issuer);
        Ok(found.map_or(OcspCertStatus::Unknown, |(_, status)| *status))
    }
}
