//! Answers that were signed and are still good, so that the same question costs no signature (R-OCSP-08).

use std::collections::HashMap;
use std::time::SystemTime;

use bytes::Bytes;
use issuance::OcspCertStatus;
use parking_lot::Mutex;

use super::CacheValidity;

/// A signed answer without a nonce, about one certificate.
#[derive(Clone)]
pub(super) struct CachedResponse {
    pub(super) der: Bytes,
    pub(super) status: OcspCertStatus,
    pub(super) fresh: CacheValidity,
}

/// What is kept for a question.
pub(super) enum Found {
    /// It is still what would be said.
    Good(CachedResponse),
    /// It is not any more; it was right as of then.
    Stale(SystemTime),
    Nothing,
}

impl CachedResponse {
    /// Whether it is still what would be said: the same status, and not past half of its life.
    fn is_good(&self, status: OcspCertStatus, now: SystemTime) -> bool {
        let CacheValidity { this_update, next_update, .. } = self.fresh;
        let life = next_update.duration_since(this_update).unwrap_or_default();
        self.status == status && this_update <= now && now < this_update + life / 2
    }
}

/// Kept answers by their question. In two halves: when the younger is full, the older is forgotten.
#[derive(Default)]
pub(super) struct OcspCache(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    younger: HashMap<Box<[u8]>, CachedResponse>,
    older: HashMap<Box<[u8]>, CachedResponse>,
}

impl OcspCache {
    /// The answer to the question with this CertID. One that is not what would be said is forgotten.
    pub(super) fn find(&self, cert_id: &[u8], status: OcspCertStatus, now: SystemTime) -> Found {
        let mut halves = self.0.lock();
        if let Some(kept) = halves.younger.get(cert_id).filter(|kept| kept.is_good(status, now)) {
            return Found::Good(kept.clone());
        }
        match halves.younger.remove(cert_id).or_else(|| halves.older.remove(cert_id)) {
            Some(kept) if kept.is_good(status, now) => {
                halves.keep(cert_id, kept.clone());
                Found::Good(kept)
            }
            Some(kept) => Found::Stale(kept.fresh.this_update),
            None => Found::Nothing,
        }
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, cert_id: &[u8], kept: CachedResponse) {
        self.0.lock().keep(cert_id, kept);
    }
}

impl Generations {
    fn keep(&mut self, cert_id: &[u8], kept: CachedResponse) {
        if self.younger.len() >= GENERATION {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(cert_id.into(), kept);
    }
}

/// Answers in each half: about 1 KiB each, 16 MiB in all.
const GENERATION: usize = 8 * 1024;
