//! What publication asks of the ledger.

use std::future::Future;
use std::time::SystemTime;

use identity::SerialNumber;
use issuance::{CertificateStatus, CrlEntry, IssuerName};

use crate::ledger::EntryNumber;
use crate::store::StoreError;

/// What became of certificates, as the ledger knows it. Every store is one.
pub trait StatusSource: Send + Sync + 'static {
    /// The last durable entry.
    fn head(&self) -> EntryNumber;

    /// SHA-256 over the entry as it is kept: two ledgers that agree in it agree in all before it. `None`: there is no such entry.
    fn entry_digest(
        &self,
        number: EntryNumber,
    ) -> impl Future<Output = Result<Option<[u8; 32]>, StoreError>> + Send;

    /// How many shards the issuer's certificates are in: they are numbered from 0. From memory.
    fn shards(&self, issuer: IssuerName) -> u32;

    /// The last entry that revoked, held or released a certificate of the shard. From memory: asked many times a second.
    fn last_change(&self, issuer: IssuerName, shard: u32) -> EntryNumber;

    /// What the shard's list lists, from this place on, at most `limit`; and the place where the next begins, if there are more. The
    /// order is always the same, and what is added comes last.
    fn listed(
        &self,
        issuer: IssuerName,
        shard: u32,
        from: u64,
        limit: usize,
        now: SystemTime,
    ) -> impl Future<Output = Result<(Vec<CrlEntry>, Option<u64>), StoreError>> + Send;

    /// What became of a certificate of this issuer, as of the last commit that returned: `Unknown` when it has none with this number.
    fn status(
        &self,
        issuer: IssuerName,
        serial_number: &SerialNumber,
    ) -> impl Future<Output = Result<CertificateStatus, StoreError>> + Send;
}
