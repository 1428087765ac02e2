//! The rows of the certificates, twenty bytes each, and what is counted over them: for CRLs, whatever sled
//! does. The newest rows are in memory, and those of others that changed since they were written to disk.

use std::collections::{BTreeMap, BTreeSet};

use identity::{IssuerName, ProfileName};
use ledger::{CertificateStatus, EntryNumber};

use ledger_log::format::CertificateSummary;

use super::changed::ChangedRows;
use super::disk::{Column, Expiries, Expiry, Record, numbers};
use crate::Result;

/// All certificates, in the order of their entries.
#[derive(Default)]
pub(crate) struct Certificates {
    pub(super) rows: Column<CertificateRow>,
    /// Rows that changed since they were set aside to be written.
    pub(super) changed: ChangedRows,
    /// What lies where: certificates of a shard are neighbours.
    pub(super) shards: BTreeMap<(IssuerName, u32), ShardRow>,
    pub(super) issued: [u64; IssuerName::ALL.len()],
    /// Entries that revoked, held or released, in their order.
    pub(super) changes: Column<u32>,
    last_change: u32,
    pub(super) expiries: Expiries,
    /// When superseded certificates are to be revoked, milliseconds since 1970; and the same by row.
    due: BTreeSet<(u64, u32)>,
    ends: BTreeMap<u32, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CertificateRow {
    pub(super) check: u32,
    /// The entry that recorded it. 32 bits last for four thousand million entries: four hundred a device at
    /// ten million devices.
    pub(crate) entry: u32,
    /// The device's certificate before it; [`NONE`]: it is the first, or not a device's.
    pub(crate) previous: u32,
    /// The entry that last changed its status; 0: none did.
    pub(crate) changed: u32,
    /// Shard (24 bits), issuer (2), kind (2), whether it is held (1), status but for the hold (2).
    word: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Birth,
    Operational,
    Other,
}

/// A shard of an issuer's CRLs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ShardRow {
    /// Its first row and the one behind its last; rows of other shards may lie between.
    pub(crate) first: u32,
    pub(crate) end: u32,
    /// Certificates revoked or on hold.
    pub(crate) revoked_or_held: u32,
    /// The entry that last changed that.
    pub(crate) changed: u32,
    /// The last second of its certificate that lasts longest.
    pub(crate) not_after_s: u64,
}

impl Certificates {
    /// Those of a checkpoint.
    pub(super) fn of(
        rows: Column<CertificateRow>,
        changes: Column<u32>,
        expiries: Expiries,
        changed: ChangedRows,
        due: &[(u64, u32)],
    ) -> Result<Self> {
        let last_change = changes.last()?.unwrap_or(0);
        let (due, ends) = (due.iter().copied().collect(), due.iter().map(|(ms, row)| (*row, *ms)).collect());
        Ok(Self { rows, changed, changes, expiries, last_change, due, ends, ..Self::default() })
    }

    pub(super) fn push(
        &mut self,
        certificate: &CertificateSummary,
        check: u32,
        previous: u32,
        entry: u32,
    ) -> u32 {
        let shard = certificate.shard.map_or(NO_SHARD, |shard| shard.min(NO_SHARD - 1));
        let kind = match certificate.profile {
            ProfileName::Idevid => Kind::Birth,
            ProfileName::Ldevid => Kind::Operational,
            _ => Kind::Other,
        };
        let word = (shard << SHARD_SHIFT)
            | ((issuer_place(certificate.issuer) as u32) << ISSUER_SHIFT)
            | ((kind as u32) << KIND_SHIFT);
        let row = self.rows.push(CertificateRow { check, entry, previous, changed: 0, word });
        if let Some(issued) = self.issued.get_mut(issuer_place(certificate.issuer)) {
            *issued += 1;
        }
        if certificate.not_after_s < NEVER_S {
            self.expiries.insert((certificate.not_after_s, entry));
        }
        if shard != NO_SHARD {
            let first = ShardRow { first: row, ..ShardRow::default() };
            let known = self.shards.entry((certificate.issuer, shard)).or_insert(first);
            known.end = row + 1;
            known.not_after_s = known.not_after_s.max(certificate.not_after_s);
        }
        row
    }

    pub(super) fn last(&self) -> u32 {
        self.rows.len().checked_sub(1).unwrap_or(NONE)
    }

    pub(crate) fn get(&self, row: u32) -> Result<Option<CertificateRow>> {
        if row < self.rows.recent_first()
            && let Some(changed) = self.changed.get(row)
        {
            return Ok(Some(changed));
        }
        self.rows.get(row)
    }

    /// The rows of a device from its newest back, with their numbers.
    pub(crate) fn of_device(&self, newest: u32) -> impl Iterator<Item = Result<(u32, CertificateRow)>> {
        let mut next = newest;
        std::iter::from_fn(move || match self.get(next) {
            Ok(row) => row.map(|row| {
                let number = std::mem::replace(&mut next, row.previous);
                Ok((number, row))
            }),
            Err(error) => {
                next = NONE;
                Some(Err(error))
            }
        })
    }

    /// Rows from one on, as many as are read in one piece, with their numbers: none behind the end.
    pub(crate) fn piece(&self, row: u32) -> Result<Vec<(u32, CertificateRow)>> {
        let rows = (row..).zip(self.rows.piece(row)?);
        Ok(rows
            .map(|(number, row)| match self.changed.get(number) {
                Some(changed) if number < self.rows.recent_first() => (number, changed),
                _ => (number, row),
            })
            .collect())
    }

    /// The first certificate that an entry from this one on recorded.
    pub(crate) fn first_from(&self, entry: u64) -> Result<u32> {
        self.rows.partition_point(|row| u64::from(row.entry) < entry)
    }

    /// Changes a row unless it is revoked; returns what it was and what it is if it changed.
    fn change(
        &mut self,
        row: u32,
        entry: u32,
        change: impl FnOnce(&mut CertificateRow),
    ) -> Result<Option<(CertificateRow, CertificateRow)>> {
        let Some(was) = self.get(row)? else { return Ok(None) };
        let mut is = was;
        if was.without_hold() != CertificateStatus::Revoked {
            change(&mut is);
        }
        if is == was {
            return Ok(None);
        }
        is.changed = entry;
        match self.rows.recent_mut(row) {
            Some(recent) => *recent = is,
            None => self.changed.insert(row, is),
        }
        Ok(Some((was, is)))
    }

    /// A certificate is used.
    pub(super) fn use_it(&mut self, row: u32, entry: u32) -> Result<()> {
        self.change(row, entry, |facts| facts.set_without_hold(CertificateStatus::InUse)).map(drop)
    }

    /// Supersedes the live operational certificates among these, except for `but`. The one that was in use is
    /// due at `ends`.
    pub(super) fn supersede(
        &mut self,
        live: impl IntoIterator<Item = u32>,
        but: Option<u32>,
        entry: u32,
        ends: Option<u64>,
    ) -> Result<()> {
        for row in live.into_iter().filter(|row| Some(*row) != but) {
            let superseded = self.change(row, entry, |facts| {
                if facts.is_live() && !facts.is_held() && facts.kind() == Kind::Operational {
                    facts.set_without_hold(CertificateStatus::Superseded);
                }
            })?;
            if let (Some((was, _)), Some(ends)) = (superseded, ends)
                && was.without_hold() == CertificateStatus::InUse
            {
                self.due.insert((ends, row));
                self.ends.insert(row, ends);
            }
        }
        Ok(())
    }

    pub(super) fn revoke(&mut self, row: u32, entry: u32) -> Result<()> {
        let revoked = self.change(row, entry, |facts| {
            facts.set_without_hold(CertificateStatus::Revoked);
            facts.set_held(false);
        })?;
        let Some((was, is)) = revoked else { return Ok(()) };
        if let Some(ends) = self.ends.remove(&row) {
            self.due.remove(&(ends, row));
        }
        self.in_shard(is, entry, |count| count + u32::from(!was.is_held()));
        Ok(())
    }

    pub(super) fn set_held(&mut self, row: u32, held: bool, entry: u32) -> Result<()> {
        if let Some((_, is)) = self.change(row, entry, |facts| facts.set_held(held))? {
            self.in_shard(is, entry, |count| if held { count + 1 } else { count.saturating_sub(1) });
        }
        Ok(())
    }

    fn in_shard(&mut self, facts: CertificateRow, changed: u32, count: impl FnOnce(u32) -> u32) {
        if let Some(shard) = facts.shard()
            && let Some(known) = self.shards.get_mut(&(facts.issuer(), shard))
        {
            (known.revoked_or_held, known.changed) = (count(known.revoked_or_held), changed);
        }
    }

    pub(super) fn log(&mut self, entry: u32) {
        self.last_change = entry;
        self.changes.push(entry);
    }

    /// The last entry that revoked, held or released; 0: none did.
    pub(crate) fn last_change(&self) -> EntryNumber {
        EntryNumber(u64::from(self.last_change))
    }

    /// Entries that revoked, held or released, from `first` on: at most so many.
    pub(crate) fn changes_from(&self, first: EntryNumber, limit: usize) -> Result<Vec<u32>> {
        let mut next = self.changes.partition_point(|entry| u64::from(entry) < first.0)?;
        let mut changes = Vec::new();
        while changes.len() < limit {
            let piece = self.changes.piece(next)?;
            if piece.is_empty() {
                break;
            }
            next += piece.len() as u32;
            changes.extend(piece);
        }
        changes.truncate(limit);
        Ok(changes)
    }

    pub(crate) fn shard(&self, issuer: IssuerName, shard: u32) -> Option<ShardRow> {
        self.shards.get(&(issuer, shard)).copied()
    }

    /// How many shards the issuer has; their numbers are 0 to below this.
    pub(crate) fn shards(&self, issuer: IssuerName) -> u32 {
        let last = self.shards.range((issuer, 0)..=(issuer, u32::MAX)).next_back();
        last.map_or(0, |((_, shard), _)| shard + 1)
    }

    pub(crate) fn issued_by(&self, issuer: IssuerName) -> u64 {
        self.issued.get(issuer_place(issuer)).copied().unwrap_or_default()
    }

    /// Superseded certificates that are to be revoked before this millisecond, soonest first: at most so
    /// many.
    pub(crate) fn due(&self, before_ms: u64, limit: usize) -> Result<Vec<CertificateRow>> {
        let mut due = Vec::new();
        for (_, row) in self.due.range(..(before_ms, 0)) {
            if due.len() >= limit {
                break;
            }
            due.extend(self.get(*row)?.filter(|facts| !facts.is_held()));
        }
        Ok(due)
    }

    /// All that are to be revoked, and when.
    pub(super) fn all_due(&self) -> Vec<(u64, u32)> {
        self.due.iter().copied().collect()
    }

    /// Certificates that have a last second before one, from one on, soonest first: at most so many.
    pub(crate) fn expiring(&self, from: Expiry, before_s: u64, limit: usize) -> Result<Vec<Expiry>> {
        self.expiries.page(from, before_s, limit)
    }

    pub(super) fn ends(&self, row: u32) -> Option<u64> {
        self.ends.get(&row).copied()
    }
}

impl Record for CertificateRow {
    fn pack(records: &[Self], to: &mut Vec<u8>) {
        numbers::pack::<5, 1>(records.iter().map(|row| row.fields()), to);
    }

    fn unpack(bytes: &[u8]) -> impl Iterator<Item = Option<Self>> {
        numbers::unpack::<5, 1>(bytes).map(|fields| fields.map(Self::of))
    }
}

impl CertificateRow {
    /// The keyed hash first: it cannot be packed.
    pub(super) fn fields(self) -> [u32; 5] {
        [self.check, self.entry, self.previous, self.changed, self.word]
    }

    pub(super) fn of([check, entry, previous, changed, word]: [u32; 5]) -> Self {
        Self { check, entry, previous, changed, word }
    }

    pub(crate) fn status(self) -> CertificateStatus {
        if self.is_held() { CertificateStatus::Held } else { self.without_hold() }
    }

    /// What a release would make it.
    pub(crate) fn without_hold(self) -> CertificateStatus {
        match self.word & STATUS_MASK {
            0 => CertificateStatus::Issued,
            1 => CertificateStatus::InUse,
            2 => CertificateStatus::Superseded,
            _ => CertificateStatus::Revoked,
        }
    }

    /// Issued or in use, on hold or not.
    pub(crate) fn is_live(self) -> bool {
        matches!(self.without_hold(), CertificateStatus::Issued | CertificateStatus::InUse)
    }

    /// Whether it is its device's operational certificate in use, on hold or not.
    pub(super) fn is_operational_in_use(self) -> bool {
        self.kind() == Kind::Operational && self.without_hold() == CertificateStatus::InUse
    }

    pub(crate) fn is_held(self) -> bool {
        self.word & HELD_BIT != 0
    }

    pub(crate) fn is_revoked_or_held(self) -> bool {
        self.is_held() || self.without_hold() == CertificateStatus::Revoked
    }

    pub(crate) fn kind(self) -> Kind {
        match (self.word >> KIND_SHIFT) & 0b11 {
            0 => Kind::Birth,
            1 => Kind::Operational,
            _ => Kind::Other,
        }
    }

    pub(crate) fn issuer(self) -> IssuerName {
        let place = (self.word >> ISSUER_SHIFT) & 0b11;
        IssuerName::ALL.get(place as usize).copied().unwrap_or(IssuerName::Infrastructure)
    }

    pub(crate) fn shard(self) -> Option<u32> {
        Some(self.word >> SHARD_SHIFT).filter(|shard| *shard != NO_SHARD)
    }

    fn set_without_hold(&mut self, status: CertificateStatus) {
        let code = match status {
            CertificateStatus::Issued => 0,
            CertificateStatus::InUse => 1,
            CertificateStatus::Superseded => 2,
            CertificateStatus::Revoked => 3,
            // A hold lies over the others.
            CertificateStatus::Held => return self.set_held(true),
        };
        self.word = (self.word & !STATUS_MASK) | code;
    }

    fn set_held(&mut self, held: bool) {
        self.word = if held { self.word | HELD_BIT } else { self.word & !HELD_BIT };
    }
}

/// Its position in [`IssuerName::ALL`].
pub(crate) fn issuer_place(issuer: IssuerName) -> usize {
    IssuerName::ALL.iter().position(|known| *known == issuer).unwrap_or_default()
}

pub(super) const NONE: u32 = u32::MAX;

/// The second of [`identity::no_well_defined_expiration`]: whoever has it never expires.
const NEVER_S: u64 = 253_402_300_799;

const STATUS_MASK: u32 = 0b11;
const HELD_BIT: u32 = 1 << 2;
const KIND_SHIFT: u32 = 3;
const ISSUER_SHIFT: u32 = 5;
const SHARD_SHIFT: u32 = 8;

/// Of a certificate that is in no shard. Sixteen million shards are more than there are certificates for.
const NO_SHARD: u32 = 0x00ff_ffff;
