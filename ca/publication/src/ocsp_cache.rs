//! OCSP responses that were signed before and are still current, so that they need no second signature
//! (R-OCSP-08).

use std::time::SystemTime;

use bytes::Bytes;
use issuance::OcspCertStatus;
use quick_cache::sync::Cache;

use super::CacheValidity;

/// A signed response about one certificate, without a nonce.
#[derive(Clone)]
pub(super) struct CachedResponse {
    pub(super) der: Bytes,
    pub(super) status: OcspCertStatus,
    pub(super) validity: CacheValidity,
}

impl CachedResponse {
    /// Whether it is what would be signed now: the same status, and not past half of its life.
    pub(super) fn is_current(&self, status: OcspCertStatus, now: SystemTime) -> bool {
        let CacheValidity { this_update, next_update, .. } = self.validity;
        let life = next_update.duration_since(this_update).unwrap_or_default();
        self.status == status && this_update <= now && now < this_update + life / 2
    }
}

/// The last responses, current or not, by the CertID (DER) that they answer.
pub(super) type OcspCache = Cache<Box<[u8]>, CachedResponse>;

/// About 1 KiB each, 16 MiB in all.
pub(super) const RESPONSES_MAX: usize = 16 * 1024;
