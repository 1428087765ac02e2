//! Which CRLs are due: pure functions of what is published, what the ledger says, and the time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::IssuerName;
use ledger::EntryNumber;

use super::CRL_RENEWED_AFTER;
use super::crl::Crl;

/// Whether the CRL of a shard must be made: it lacks the last change of the shard, or its time has come.
pub(super) fn shard_is_due(published: Option<&Crl>, changed: EntryNumber, now: SystemTime) -> bool {
    !published.is_some_and(|crl| crl.meta.as_of == changed && is_current(crl, now))
}

/// Whether the full CRL of an issuer must be made, from parts with this [`parts_as_of`]. A changed one waits
/// until [`full_pause`] has passed since the last was made; `None`: none was made by this process.
pub(super) fn full_is_due(
    published: Option<&Crl>,
    parts: EntryNumber,
    since_made: Option<Duration>,
    now: SystemTime,
) -> bool {
    let Some(crl) = published.filter(|crl| is_current(crl, now)) else { return true };
    let waited = since_made.is_none_or(|since| since >= full_pause(crl.length()));
    waited && crl.meta.as_of != parts
}

/// Identifies the parts of a full CRL: the sum of their last entries, each of which only grows.
pub(super) fn parts_as_of(parts: &[Arc<Crl>]) -> EntryNumber {
    EntryNumber(parts.iter().fold(0, |sum, crl| sum.wrapping_add(crl.meta.as_of.0)))
}

/// thisUpdate of a new CRL: backdated, but after the CRL that it replaces, so that their HTTP dates differ. A
/// CRL from the future, made by a wrong clock, does not count.
pub(super) fn this_update(before: Option<SystemTime>, now: SystemTime, backdate: Duration) -> SystemTime {
    let earliest = now.checked_sub(backdate).unwrap_or(now);
    let before = before.filter(|before| *before <= now);
    before.map_or(earliest, |before| earliest.max(before + SECOND)).min(now)
}

/// Whether a CRL need not be replaced because of its age. One from the future was made by a wrong clock.
fn is_current(crl: &Crl, now: SystemTime) -> bool {
    crl.meta.this_update <= now && now < crl.meta.this_update + CRL_RENEWED_AFTER
}

/// How long a full CRL of this size is kept before a change makes a new one: a second for each MiB, at most
/// half a minute.
fn full_pause(bytes: u64) -> Duration {
    Duration::from_secs(bytes / MIB).min(FULL_PAUSE_MAX)
}

/// What the last complete round found, so that the next can be skipped.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastRound {
    head: EntryNumber,
    /// From then on every published CRL has begun; earlier only with a wrong clock.
    begun: SystemTime,
    /// When the first must be renewed because of its age.
    renew: SystemTime,
}

impl LastRound {
    /// A round that ended with these CRLs published and the ledger at `head`.
    pub(super) fn new<'a>(
        published: impl Iterator<Item = &'a Arc<Crl>>,
        head: EntryNumber,
        now: SystemTime,
    ) -> Self {
        let (mut begun, mut renew) = (None, None);
        for crl in published.filter(|crl| crl.meta.id.issuer != IssuerName::Root) {
            let at = crl.meta.this_update;
            begun = Some(begun.map_or(at, |latest: SystemTime| latest.max(at)));
            renew = Some(renew.map_or(at, |first: SystemTime| first.min(at)));
        }
        let renew = renew.map_or(now, |first| first + CRL_RENEWED_AFTER);
        Self { head, begun: begun.unwrap_or(now), renew }
    }

    /// Whether nothing can be due: the ledger has not grown, and no CRL is too old or from the future.
    pub(super) fn still_holds(&self, head: EntryNumber, now: SystemTime) -> bool {
        self.head == head && (self.begun..self.renew).contains(&now)
    }
}

/// Times in a CRL are in seconds.
const SECOND: Duration = Duration::from_secs(1);

const MIB: u64 = 1024 * 1024;

/// A CRL with a million entries takes a quarter of a second to hash and write.
const FULL_PAUSE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;
    use issuance::CrlNumber;

    use super::*;
    use crate::crl::{CrlBytes, CrlId, CrlMeta};

    fn crl(as_of: u64, this_update: SystemTime) -> Crl {
        let meta = CrlMeta {
            id: CrlId { issuer: IssuerName::Factory, shard: None },
            number: CrlNumber::new(0, 1),
            this_update,
            next_update: this_update + CRL_RENEWED_AFTER * 4,
            as_of: EntryNumber(as_of),
            count: 0,
        };
        Crl::new(meta, 0, 0, CrlBytes::Memory(Bytes::from(vec![0; 3 << 20])))
    }

    #[test]
    fn a_crl_is_due_when_its_shard_changed_it_is_old_or_from_the_future() {
        let made = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let due = |changed, now| shard_is_due(Some(&crl(7, made)), EntryNumber(changed), now);
        assert!(!due(7, made) && !due(7, made + CRL_RENEWED_AFTER - SECOND));
        assert!(due(8, made) && due(7, made + CRL_RENEWED_AFTER) && due(7, made - SECOND));
        assert!(shard_is_due(None, EntryNumber(7), made));
    }

    #[test]
    fn a_changed_full_crl_waits_a_second_for_each_mebibyte_and_an_old_one_does_not() {
        let made = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let due = |parts, since: Option<u64>, now| {
            full_is_due(Some(&crl(7, made)), EntryNumber(parts), since.map(Duration::from_secs), now)
        };
        assert!(!due(8, Some(2), made) && due(8, Some(3), made) && due(8, None, made));
        assert!(!due(7, Some(3), made) && due(7, Some(0), made + CRL_RENEWED_AFTER));
        assert!(full_is_due(None, EntryNumber(7), Some(Duration::ZERO), made));
    }
}
