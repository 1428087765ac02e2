//! What the index and the ledger say of revocation: CRLs, status, the feed. The projection has no part in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{IssuerName, SerialNumber};
use ledger::EntryNumber;

use super::Shared;
use super::index::{CertificateRow, Certificates};
use crate::revocations::changes_of;
use crate::{
    ChangePosition, Result, Revocation, RevocationChange, RevokedEntry, RevokedPage, ShardState, StatusRecord,
};

impl Shared {
    pub(super) fn certificates<T>(&self, look: impl FnOnce(&Certificates) -> T) -> T {
        look(&self.index.read().certificates)
    }

    pub(super) fn status_record(&self, serial_number: &SerialNumber) -> Result<Option<StatusRecord>> {
        let row = {
            let index = self.index.read();
            let row = index.certificate_row(serial_number)?;
            row.map_or(Ok(None), |row| index.certificates.get(row))?
        };
        let Some(row) = row else { return Ok(None) };
        let status = row.status();
        let revocation = match row.is_revoked_or_held() {
            true => {
                // Thousands were revoked by one entry: it is read for the first who asks.
                let mut cause_cache = self.cause_cache.lock();
                Some(cause_cache.of(self, row.changed, row.is_held())?.of(*serial_number))
            }
            false => None,
        };
        Ok(Some(StatusRecord { issuer: row.issuer(), shard: row.shard(), status, revocation }))
    }

    pub(super) fn revocation_changes(
        &self,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<RevocationChange>> {
        // Every one of these changed at least one certificate.
        let entries = self
            .certificates(|certificates| certificates.changes_from(after.entry, limit.saturating_add(1)))?;
        let mut changes = Vec::new();
        for number in entries {
            let entry = self.entries.at(number)?;
            for (position, (serial_number, status)) in (0..).zip(changes_of(&entry)) {
                let position = ChangePosition { entry: entry.number, index: position };
                if position <= after {
                    continue;
                }
                if changes.len() >= limit {
                    return Ok(changes);
                }
                let facts = self.view(|rows| ledger::View::certificate(rows, &serial_number))?;
                let facts =
                    facts.ok_or_else(|| self.entries.damaged(entry.number, super::entries::ABSENT))?;
                changes.push(RevocationChange {
                    position,
                    at: entry.at,
                    serial_number,
                    issuer: facts.issuer,
                    shard: facts.shard,
                    device: facts.holder.device().cloned(),
                    status,
                });
            }
        }
        Ok(changes)
    }

    pub(super) fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> Result<RevokedPage> {
        let (rows, next) = self.revoked_rows(issuer, shard, from, limit)?;
        let mut reader = self.entries.in_order();
        let mut cause_cache = CauseCache::default();
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let issued = reader.entry(row.entry)?;
            let Some(certificate) = issued.event.certificate() else { continue };
            if certificate.validity.not_after() < expired_before {
                continue;
            }
            let serial_number = certificate.serial_number;
            let revocation = cause_cache.of(self, row.changed, row.is_held())?.of(serial_number);
            entries.push(RevokedEntry { serial_number, revocation });
        }
        Ok(RevokedPage { entries, next })
    }

    /// The rows of certificates that are revoked or on hold, and where the next page starts.
    fn revoked_rows(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<CertificateRow>, Option<u64>)> {
        let (first, end) = match shard {
            Some(shard) => self
                .certificates(|certificates| certificates.shard(issuer, shard))
                .map_or((0, 0), |shard| (shard.first, shard.end)),
            None => (0, u32::MAX),
        };
        let mut next = first.max(u32::try_from(from).unwrap_or(u32::MAX));
        let mut rows = Vec::new();
        while next < end {
            let piece = self.certificates(|certificates| certificates.piece(next))?;
            let Some((last, _)) = piece.last() else { break };
            next = last + 1;
            for (number, row) in piece.into_iter().take_while(|(number, _)| *number < end) {
                let listed = row.is_revoked_or_held() && row.issuer() == issuer;
                if !listed || shard.is_some_and(|shard| row.shard() != Some(shard)) {
                    continue;
                }
                if rows.len() >= limit {
                    return Ok((rows, Some(u64::from(number))));
                }
                rows.push(row);
            }
        }
        Ok((rows, None))
    }

    pub(super) fn shard_state(&self, issuer: IssuerName, shard: u32) -> ShardState {
        let state = self.certificates(|certificates| certificates.shard(issuer, shard));
        state.map_or_else(ShardState::default, |state| ShardState {
            revoked_or_held: u64::from(state.revoked_or_held),
            changed: EntryNumber(u64::from(state.changed)),
            not_after: UNIX_EPOCH.checked_add(Duration::from_secs(state.not_after_s)),
        })
    }
}

/// The entries that revoked or held what is asked for: mostly a few, each for many certificates.
#[derive(Default)]
pub(super) struct CauseCache(HashMap<(u32, bool), Arc<Cause>>);

/// What an entry says of those that it revoked or held.
struct Cause {
    revocation: Revocation,
    /// Dates that were kept.
    since: HashMap<SerialNumber, SystemTime>,
}

impl CauseCache {
    fn of(&mut self, shared: &Shared, changed: u32, held: bool) -> Result<Arc<Cause>> {
        if let Some(cause) = self.0.get(&(changed, held)) {
            return Ok(Arc::clone(cause));
        }
        if self.0.len() >= CAUSES_MAX {
            self.0.clear();
        }
        let entry = shared.entries.at(changed)?;
        let cause = match entry.event.revoked().filter(|_| !held) {
            Some(revoked) => {
                let kept =
                    revoked.certificates.iter().filter_map(|one| Some((one.serial_number, one.since?)));
                Cause { revocation: Revocation::by(&entry, &revoked, None), since: kept.collect() }
            }
            None => Cause { revocation: Revocation::hold(&entry), since: HashMap::new() },
        };
        let cause = Arc::new(cause);
        self.0.insert((changed, held), Arc::clone(&cause));
        Ok(cause)
    }
}

impl Cause {
    fn of(&self, serial_number: SerialNumber) -> Revocation {
        let at = self.since.get(&serial_number).copied().unwrap_or(self.revocation.at);
        Revocation { at, ..self.revocation }
    }
}

/// Entries that are remembered while a page is made.
const CAUSES_MAX: usize = 256;
