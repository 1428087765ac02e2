//! What publication reads of the ledger.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use identity::{IssuerName, SerialNumber};
use issuance::{CrlEntry, OcspCertStatus};
use ledger::EntryNumber;
use store::{Status, StoreError};

use super::CRL_LIFETIME;

/// The status of certificates, as the ledger has it. A store is one, as a [`StoreStatus`].
#[async_trait]
pub trait StatusSource: Send + Sync + 'static {
    /// The last durable entry.
    fn head(&self) -> EntryNumber;

    /// SHA-256 over the entry as it is stored; two ledgers that agree in it agree in all entries before.
    /// `None`: there is no such entry.
    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>, StoreError>;

    /// The number of shards of the issuer's certificates, which are numbered from 0.
    async fn shards(&self, issuer: IssuerName) -> Result<u32, StoreError>;

    /// The last entry that revoked, held or released a certificate of the shard. Called many times a second.
    async fn last_change(&self, issuer: IssuerName, shard: u32) -> Result<EntryNumber, StoreError>;

    /// At most `limit` entries of the shard's CRL from this position, and the position of the next, if there
    /// are more. The order never changes, and new entries come last.
    async fn crl_entries(
        &self,
        issuer: IssuerName,
        shard: u32,
        from: u64,
        limit: usize,
        now: SystemTime,
    ) -> Result<(Vec<CrlEntry>, Option<u64>), StoreError>;

    /// The status of a certificate, as of the last commit that returned; `Unknown`: this issuer has none with
    /// this serial number.
    async fn status(
        &self,
        issuer: IssuerName,
        serial_number: &SerialNumber,
    ) -> Result<OcspCertStatus, StoreError>;
}

/// The [`Status`] of a store as a [`StatusSource`].
pub struct StoreStatus(pub Arc<dyn Status>);

#[async_trait]
impl StatusSource for StoreStatus {
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
        // An entry stays until it was on a CRL that was made after its certificate expired (R-CRL-11): two
        // CRL lifetimes are more than that.
        let expired_before = now.checked_sub(2 * CRL_LIFETIME).unwrap_or(SystemTime::UNIX_EPOCH);
        let page = self.0.revoked_in(issuer, Some(shard), expired_before, from, limit).await?;
        let entries = page.entries.into_iter().map(|entry| CrlEntry {
            serial_number: entry.serial_number,
            revoked_at: entry.revocation.at,
            reason: entry.revocation.reason,
            invalidity_date: entry.revocation.invalidity_date,
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
