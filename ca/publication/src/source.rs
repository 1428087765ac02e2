//! What publication asks of the ledger.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use identity::{IssuerName, SerialNumber};
use issuance::{CrlEntry, OcspCertStatus};
use ledger::EntryNumber;
use store::{Status, StoreError};

use super::CRL_LIFETIME;

/// What became of certificates, as the ledger knows it. A store is one, as a [`Ledger`].
#[async_trait]
pub trait StatusSource: Send + Sync + 'static {
    /// The last durable entry.
    fn head(&self) -> EntryNumber;

    /// SHA-256 over the entry as it is kept: two ledgers that agree in it agree in all before it. `None`: there is no such entry.
    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError>;

    /// How many shards the issuer's certificates are in: they are numbered from 0. From memory.
    async fn shards(&self, issuer: IssuerName) -> Result<u32, StoreError>;

    /// The last entry that revoked, held or released a certificate of the shard. From memory: asked many times a second.
    async fn last_change(&self, issuer: IssuerName, shard: u32) -> Result<EntryNumber, StoreError>;

    /// What the shard's list lists, from this place on, at most `limit`; and the place where the next begins, if there are more. The
    /// order is always the same, and what is added comes last.
    async fn crl_entries(
        &self,
        issuer: IssuerName,
        shard: u32,
        from: u64,
        limit: usize,
        now: SystemTime,
    ) -> Result<(Vec<CrlEntry>, Option<u64>), StoreError>;

    /// What became of a certificate of this issuer, as of the last commit that returned: `Unknown` when it has none with this number.
    async fn status(
        &self,
        issuer: IssuerName,
        serial_number: &SerialNumber,
    ) -> Result<OcspCertStatus, StoreError>;
}

/// A store is a source: what it has, in the words of lists and answers.
pub struct Ledger(pub Arc<dyn Status>);

#[async_trait]
impl StatusSource for Ledger {
    fn head(&self) -> EntryNumber {
        self.0.head()
    }

    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError> {
        self.0.entry_digest(number).await
    }

    async fn shards(&self, issuer: IssuerName) -> Result<u32, StoreError> {
        self.0.shards(issuer).await
    }

    async fn last_change(&self, issuer: IssuerName, shard: u32) -> Result<EntryNumber, StoreError> {
        Ok(self.0.shard_state(issuer, shard).await?.changed)
    }

    async fn crl_entries(
        &self,
        issuer: IssuerName,
        shard: u32,
        from: u64,
        limit: usize,
        now: SystemTime,
    ) -> Result<(Vec<CrlEntry>, Option<u64>), StoreError> {
        // An entry stays until it was on a regular list after its certificate's end (R-CRL-11): two lives of a list are more.
        let expired_before = now.checked_sub(2 * CRL_LIFETIME).unwrap_or(SystemTime::UNIX_EPOCH);
        let page = self.0.revoked_in(issuer, Some(shard), expired_before, from, limit).await?;
        let entries = page.entries.into_iter().map(|entry| CrlEntry {
            serial_number: entry.serial_number,
            revoked_at: entry.at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        });
        Ok((entries.collect(), page.next))
    }

    async fn status(
        &self,
        issuer: IssuerName,
        serial_number: &SerialNumber,
    ) -> Result<OcspCertStatus, StoreError> {
        let found = self.0.status_record(serial_number).await?;
        let Some(found) = found.filter(|found| found.issuer == issuer) else {
            return Ok(OcspCertStatus::Unknown);
        };
        Ok(found.revocation.map_or(OcspCertStatus::Good, |revocation| OcspCertStatus::Revoked {
            at: revocation.at,
            reason: revocation.reason,
        }))
    }
}
