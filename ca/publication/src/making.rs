//! Signs CRLs: of a shard from the ledger, of a whole issuer from the CRLs of its shards.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use issuance::{CrlDraft, CrlFields, CrlNumber, CrlScope, crl_url};
use ledger::EntryNumber;
use signer::{Issuer, Issuers};
use tracing::warn;

use super::crl::{Crl, CrlId, CrlMeta};
use super::crl_storage::{CrlEntries, CrlStorage};
use super::{CRL_LIFETIME, PublishError, StatusSource, schedule};

pub(super) struct CrlMaker {
    pub(super) source: Arc<dyn StatusSource>,
    pub(super) issuers: Issuers,
    pub(super) storage: Arc<dyn CrlStorage>,
    /// The base of the distribution points, in CRLs as in certificates.
    pub(super) public_url: String,
    /// How long before its signature thisUpdate of a CRL is.
    pub(super) backdate: Duration,
}

/// What is decided about a CRL before it is made.
pub(super) struct NewCrl {
    pub(super) id: CrlId,
    pub(super) number: CrlNumber,
    /// thisUpdate of the CRL that it replaces.
    pub(super) before: Option<SystemTime>,
}

impl CrlMaker {
    /// The CRL of a shard whose last change is the entry `changed`.
    pub(super) async fn shard(
        &self,
        new: NewCrl,
        changed: EntryNumber,
        now: SystemTime,
    ) -> Result<Crl, PublishError> {
        let CrlId { issuer, shard } = new.id;
        let shard = shard.unwrap_or_default();
        let url = crl_url(&format!("{}/crl/{issuer}", self.public_url), Some(shard));
        let (by, fields, draft) = self.begin(&new, CrlScope::Shard { urls: vec![url] }, now)?;
        let (mut entries, mut count, mut from) = (Vec::new(), 0, Some(0));
        while let Some(position) = from {
            let (page, next) = self.source.crl_entries(issuer, shard, position, PAGE, now).await?;
            count += page.len() as u64;
            for entry in &page {
                draft.entry(entry, &mut entries)?;
            }
            from = next;
            // A page takes about a millisecond of this thread.
            tokio::task::yield_now().await;
        }
        let meta = meta(new.id, &fields, changed, count);
        let crl = self.finish(&by, draft, meta, CrlEntries::Encoded(entries)).await?;
        if crl.length() > LARGE_CRL_BYTES {
            warn!(crl.issuer = %issuer, crl.shard = shard, crl.bytes = crl.length(), "a shard's CRL is large");
        }
        Ok(crl)
    }

    /// The full CRL of an issuer, from the CRLs of its shards.
    pub(super) async fn full(
        &self,
        new: NewCrl,
        parts: Vec<Arc<Crl>>,
        now: SystemTime,
    ) -> Result<Crl, PublishError> {
        let (by, fields, draft) = self.begin(&new, CrlScope::Full, now)?;
        let count = parts.iter().map(|crl| crl.meta.count).sum();
        let meta = meta(new.id, &fields, schedule::parts_as_of(&parts), count);
        self.finish(&by, draft, meta, CrlEntries::Of(parts)).await
    }

    fn begin(
        &self,
        new: &NewCrl,
        scope: CrlScope,
        now: SystemTime,
    ) -> Result<(Issuer, CrlFields, CrlDraft), PublishError> {
        let by: Issuer = self.issuers.signer_of(new.id.issuer)?.clone();
        let this_update = schedule::this_update(new.before, now, self.backdate);
        let fields = CrlFields { number: new.number, this_update, next_update: now + CRL_LIFETIME, scope };
        let draft = CrlDraft::new(&by.certificate, &fields, now)?;
        Ok((by, fields, draft))
    }

    async fn finish(
        &self,
        by: &Issuer,
        draft: CrlDraft,
        meta: CrlMeta,
        entries: CrlEntries,
    ) -> Result<Crl, PublishError> {
        let hash = move || {
            let mut hash = draft.hash(entries.length())?;
            entries.pieces(|piece| hash.entries(piece)).map_err(PublishError::Io)??;
            Ok((hash.finish()?, entries))
        };
        let hashed = tokio::task::spawn_blocking(hash).await.unwrap_or(Err(PublishError::Thread));
        let (prepared, entries) = hashed?;
        let signature = by.signer.sign_digest(prepared.digest()).await?;
        let sealed = prepared.seal(&signature)?;
        self.storage.put(meta, sealed, entries).await.map_err(PublishError::Io)
    }
}

fn meta(id: CrlId, fields: &CrlFields, as_of: EntryNumber, count: u64) -> CrlMeta {
    let CrlFields { number, this_update, next_update, .. } = *fields;
    CrlMeta { id, number, this_update, next_update, as_of, count }
}

const PAGE: usize = 1_024;

/// A shard's CRL of this size is warned of (R-CRL-11): a full shard of held and revoked certificates has
/// less.
const LARGE_CRL_BYTES: u64 = 2 * 1024 * 1024;
