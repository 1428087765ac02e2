//! The rows of the certificates, twenty bytes each, and what is counted over them: for CRLs, in
//! memory, whatever sled does.

use std::collections::{BTreeMap, BTreeSet};

use identity::{IssuerName, ProfileName};
use ledger::{CertificateStatus, EntryNumber};

use ledger_log::format::CertificateSummary;

/// All certificates, in the order of their entries.
#[derive(Default)]
pub(crate) struct Certificates {
    rows: Vec<CertificateRow>,
    /// What lies where: certificates of a shard are neighbours.
    shards: BTreeMap<(IssuerName, u32), ShardRow>,
    issued: [u64; IssuerName::ALL.len()],
    /// Entries that revoked, held or released, in their order.
    changes: Vec<u32>,
    /// When superseded certificates are to be revoked, milliseconds since 1970; and the same by row.
    due: BTreeSet<(u64, u32)>,
    ends: BTreeMap<u32, u64>,
}

#[derive(Clone, Copy)]
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
#[derive(Clone, Copy, Default)]
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
    pub(super) fn push(
        &mut self,
        certificate: &CertificateSummary,
        check: u32,
        previous: u32,
        entry: u32,
    ) -> u32 {
        let row = self.rows.len() as u32;
        let shard = certificate.shard.map_or(NO_SHARD, |shard| shard.min(NO_SHARD - 1));
        let kind = match certificate.profile {
            ProfileName::Idevid => Kind::Birth,
            ProfileName::Ldevid => Kind::Operational,
            _ => Kind::Other,
        };
        let word = (shard << SHARD_SHIFT)
            | ((issuer_place(certificate.issuer) as u32) << ISSUER_SHIFT)
            | ((kind as u32) << KIND_SHIFT);
        self.rows.push(CertificateRow { check, entry, previous, changed: 0, word });
        if let Some(issued) = self.issued.get_mut(issuer_place(certificate.issuer)) {
            *issued += 1;
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
        (self.rows.len() as u32).checked_sub(1).unwrap_or(NONE)
    }

    pub(crate) fn get(&self, row: u32) -> Option<CertificateRow> {
        self.rows.get(row as usize).copied()
    }

    /// The rows of a device from its newest back.
    pub(crate) fn of_device(&self, newest: u32) -> impl Iterator<Item = CertificateRow> {
        std::iter::successors(self.get(newest), |row| self.get(row.previous))
    }

    /// Rows from one on, with their numbers.
    pub(crate) fn from(&self, row: u32) -> impl Iterator<Item = (u32, CertificateRow)> {
        let rows = self.rows.get(row as usize..).unwrap_or_default();
        (row..).zip(rows.iter().copied())
    }

    /// A certificate is used, or superseded without being due.
    pub(super) fn set_status(&mut self, row: u32, status: CertificateStatus, changed: u32) {
        if let Some(facts) = self.rows.get_mut(row as usize)
            && ![status, CertificateStatus::Revoked].contains(&facts.without_hold())
        {
            facts.set_without_hold(status);
            facts.changed = changed;
        }
    }

    /// Supersedes the live operational certificates of a device, from `newest` back, except for `but`. The
    /// one that was in use is due at `ends`.
    pub(super) fn supersede(&mut self, newest: u32, but: Option<u32>, changed: u32, ends: Option<u64>) {
        let mut row = newest;
        while let Some(facts) = self.rows.get_mut(row as usize) {
            let (this, was) = (row, facts.without_hold());
            row = facts.previous;
            if !facts.is_live() || facts.is_held() || facts.kind() != Kind::Operational || but == Some(this) {
                continue;
            }
            facts.set_without_hold(CertificateStatus::Superseded);
            facts.changed = changed;
            if let (CertificateStatus::InUse, Some(ends)) = (was, ends) {
                self.due.insert((ends, this));
                self.ends.insert(this, ends);
            }
        }
    }

    pub(super) fn revoke(&mut self, row: u32, changed: u32) {
        let Some(facts) = self.rows.get_mut(row as usize) else { return };
        if facts.without_hold() == CertificateStatus::Revoked {
            return;
        }
        let was_held = facts.is_held();
        facts.set_without_hold(CertificateStatus::Revoked);
        facts.set_held(false);
        facts.changed = changed;
        let facts = *facts;
        if let Some(ends) = self.ends.remove(&row) {
            self.due.remove(&(ends, row));
        }
        self.in_shard(facts, changed, |count| count + u32::from(!was_held));
    }

    pub(super) fn set_held(&mut self, row: u32, held: bool, changed: u32) {
        let Some(facts) = self.rows.get_mut(row as usize) else { return };
        if facts.without_hold() == CertificateStatus::Revoked || facts.is_held() == held {
            return;
        }
        facts.set_held(held);
        facts.changed = changed;
        let facts = *facts;
        self.in_shard(facts, changed, |count| if held { count + 1 } else { count.saturating_sub(1) });
    }

    fn in_shard(&mut self, facts: CertificateRow, changed: u32, count: impl FnOnce(u32) -> u32) {
        if let Some(shard) = facts.shard()
            && let Some(known) = self.shards.get_mut(&(facts.issuer(), shard))
        {
            (known.revoked_or_held, known.changed) = (count(known.revoked_or_held), changed);
        }
    }

    pub(super) fn log(&mut self, entry: u32) {
        self.changes.push(entry);
    }

    /// The last entry that revoked, held or released; 0: none did.
    pub(crate) fn last_change(&self) -> EntryNumber {
        EntryNumber(self.changes.last().map_or(0, |entry| u64::from(*entry)))
    }

    /// Entries that revoked, held or released, from `first` on.
    pub(crate) fn changes_from(&self, first: EntryNumber) -> &[u32] {
        let start = self.changes.partition_point(|entry| u64::from(*entry) < first.0);
        self.changes.get(start..).unwrap_or_default()
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

    /// Superseded certificates that are to be revoked before this millisecond, soonest first.
    pub(crate) fn due(&self, before_ms: u64) -> impl Iterator<Item = u32> {
        let due = self.due.range(..(before_ms, 0)).map(|(_, row)| *row);
        due.filter(|row| self.get(*row).is_some_and(|facts| !facts.is_held()))
    }

    pub(super) fn ends(&self, row: u32) -> Option<u64> {
        self.ends.get(&row).copied()
    }
}

impl CertificateRow {
    pub(crate) fn status(self) -> CertificateStatus {
        if self.is_held() { CertificateStatus::Held } else { self.without_hold() }
    }

    /// Whether it is not the first of its device.
    pub(crate) fn has_previous(self) -> bool {
        self.previous != NONE
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

const STATUS_MASK: u32 = 0b11;
const HELD_BIT: u32 = 1 << 2;
const KIND_SHIFT: u32 = 3;
const ISSUER_SHIFT: u32 = 5;
const SHARD_SHIFT: u32 = 8;

/// Of a certificate that is in no shard. Sixteen million shards are more than there are certificates for.
const NO_SHARD: u32 = 0x00ff_ffff;
