//! What is good, what is revoked, and what changed.

use std::time::SystemTime;

use async_trait::async_trait;
use identity::{DeviceId, IssuerName, KeyFingerprint, SerialNumber};
use ledger::{CertificateStatus, EntryNumber, RotationFacts};
use tokio::sync::watch;

use crate::{
    CertificateRecord, ChangePosition, Result, RevocationChange, RevokedPage, ShardState, StatusRecord,
};

/// The status of certificates and of the CRLs that name them. Answered from memory and from single entries of
/// the log, in microseconds where no page is read; never from the projection, so it never waits for a
/// listing.
#[async_trait]
pub trait Status: Send + Sync + 'static {
    /// The last entry that this process has applied, and every later one as it is applied, by whichever
    /// process it was recorded. An entry that is shown here is seen by every call that begins afterwards. 0:
    /// the ledger is empty.
    fn follow(&self) -> watch::Receiver<EntryNumber>;

    /// The last entry as of now: what [`Self::follow`] shows.
    fn head(&self) -> EntryNumber {
        *self.follow().borrow()
    }

    /// The last entry that changed a status outwards (revoked, held or released a certificate), and every
    /// later one as it is applied. What follows the revocations listens to this: nearly all entries do not
    /// change it.
    fn status_changes(&self) -> watch::Receiver<EntryNumber>;

    /// The time of the last entry as of now; `None`: the ledger is empty.
    async fn last_entry_at(&self) -> Result<Option<SystemTime>>;

    /// SHA-256 over the entry as it is recorded: two ledgers with the same one had the same entry there.
    /// `None`: the ledger is not that long.
    async fn entry_digest(&self, number: EntryNumber) -> Result<Option<[u8; 32]>>;

    /// The status of the certificate as of now; `None`: it is not on record. From memory alone, without an
    /// I/O: it is asked for every RPC.
    async fn certificate_status(&self, serial_number: &SerialNumber) -> Result<Option<CertificateStatus>>;

    /// The status of anybody's certificate with its revocation or hold, as of now; `None`: it is not on
    /// record. From memory, and for one that is revoked or on hold at most one entry is read.
    async fn status_record(&self, serial_number: &SerialNumber) -> Result<Option<StatusRecord>>;

    /// The certificate with this serial number, as of now.
    async fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateRecord>>;

    /// The certificate that first used this key, as of now: its holder's alone, for ever (R-KEY-11).
    async fn certificate_of_key(&self, key: &KeyFingerprint) -> Result<Option<CertificateRecord>>;

    /// The certificate of an issuer, as of now.
    async fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateRecord>>;

    /// How many certificates the issuer ever signed, as of now. From memory.
    async fn issued_by(&self, issuer: IssuerName) -> Result<u64>;

    /// How many shards the issuer's CRL has, as of now: their numbers are 0 to below this. From memory.
    async fn shards(&self, issuer: IssuerName) -> Result<u32>;

    /// The state of a shard as of now; a shard that has no certificate is empty. From memory.
    async fn shard_state(&self, issuer: IssuerName, shard: u32) -> Result<ShardState>;

    /// What a CRL says: the certificates of one shard (`None`: all of the issuer) that are revoked or on
    /// hold, but for those that expired before `expired_before` (R-CRL-11), in the order of issuance. The
    /// first page is from 0. A page is as of one moment; the next is as of another.
    async fn revoked_in(
        &self,
        issuer: IssuerName,
        shard: Option<u32>,
        expired_before: SystemTime,
        from: u64,
        limit: usize,
    ) -> Result<RevokedPage>;

    /// What became revoked, held or released behind `after`, in the order of the ledger, none left out and
    /// none twice. Fewer than `limit`: that was all as of now.
    async fn revocation_changes(&self, after: ChangePosition, limit: usize) -> Result<Vec<RevocationChange>>;

    /// Superseded certificates that are to be revoked before `before`, soonest first: see
    /// [`AfterRenewal::Grace`](ledger::AfterRenewal::Grace).
    async fn superseded_due(&self, before: SystemTime, limit: usize) -> Result<Vec<SerialNumber>>;

    /// The oldest rotation request, not forgotten at `now`, that covers this certificate and is younger than
    /// it. From memory while there is no request.
    async fn rotation_due(
        &self,
        serial_number: &SerialNumber,
        now: SystemTime,
    ) -> Result<Option<RotationFacts>>;

    /// Notes that the device was seen by this process. Kept in memory and written down once a minute: for
    /// reports, never for a decision. An unknown device is ignored.
    fn seen(&self, device: &DeviceId, now: SystemTime);
}
