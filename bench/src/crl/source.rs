//! A synthetic ledger: entries are computed when they are read, so that they take no memory from the
//! measurement.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use authority::SHARD_CERTIFICATES;
use identity::{IssuerName, RevocationReason, SerialNumber};
use issuance::{CrlEntry, OcspCertStatus};
use ledger::EntryNumber;
use publication::StatusSource;
use store::StoreError;

/// This many birth certificates, all revoked.
pub(crate) struct Revoked {
    count: u64,
    /// The time of the first revocation.
    since: SystemTime,
    changes: AtomicU64,
}

impl Revoked {
    /// A thousand each second, until now.
    pub(crate) fn new(count: u64, now: SystemTime) -> Self {
        let took = Duration::from_secs(count / PER_SECOND + 1);
        Self { count, since: now.checked_sub(took).unwrap_or(now), changes: AtomicU64::new(0) }
    }

    /// Adds an entry that changes the CRL of the first shard.
    pub(crate) fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// All entries, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = CrlEntry> {
        (0..self.count).filter_map(|number| self.entry(number))
    }

    fn entry(&self, number: u64) -> Option<CrlEntry> {
        let high = mixed(number).to_be_bytes();
        let low = mixed(!number).to_be_bytes();
        let mut octets = [0; 16];
        octets.iter_mut().zip(high.into_iter().chain(low)).for_each(|(to, from)| *to = from);
        octets[0] = octets[0] & 0x7f | 0x40;
        Some(CrlEntry {
            serial_number: SerialNumber::try_from(octets.as_slice()).ok()?,
            revoked_at: self.since + Duration::from_secs(number / PER_SECOND),
            reason: RevocationReason::KeyCompromise,
            invalidity_date: None,
        })
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl StatusSource for Revoked {
    fn head(&self) -> EntryNumber {
        EntryNumber(self.count + self.changes())
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError> {
        Ok((number <= self.head()).then_some([0; 32]))
    }

    async fn shards(&self, issuer: IssuerName) -> Result<u32, StoreError> {
        let full = if issuer == IssuerName::Factory { self.count.div_ceil(SHARD_CERTIFICATES) } else { 1 };
        Ok(u32::try_from(full).unwrap_or(u32::MAX))
    }

    async fn last_change(&self, issuer: IssuerName, shard: u32) -> Result<EntryNumber, StoreError> {
        let changes = if (issuer, shard) == (IssuerName::Factory, 0) { self.changes() } else { 0 };
        Ok(EntryNumber(self.count + changes))
    }

    async fn crl_entries(
        &self,
        issuer: IssuerName,
        shard: u32,
        from: u64,
        limit: usize,
        _: SystemTime,
    ) -> Result<(Vec<CrlEntry>, Option<u64>), StoreError> {
        if issuer != IssuerName::Factory {
            return Ok((Vec::new(), None));
        }
        let start = u64::from(shard) * SHARD_CERTIFICATES;
        let end = self.count.min(start + SHARD_CERTIFICATES);
        let from = start + from;
        let to = end.min(from + limit as u64);
        let page = (from..to).filter_map(|number| self.entry(number)).collect();
        Ok((page, (to < end).then_some(to - start)))
    }

    async fn status(&self, _: IssuerName, _: &SerialNumber) -> Result<OcspCertStatus, StoreError> {
        Ok(OcspCertStatus::Unknown)
    }
}

/// Pseudorandom and repeatable (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const PER_SECOND: u64 = 1_000;
