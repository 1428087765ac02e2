//! Answers that were signed and are still good, so that the same question costs no signature (R-OCSP-08).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use issuance::CertificateStatus;

/// A signed answer without a nonce, about one certificate.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) der: Bytes,
    pub(super) status: CertificateStatus,
    pub(super) this_update: SystemTime,
    pub(super) next_update: SystemTime,
}

impl Kept {
    /// Whether it is still what would be said: the same status, and not past half of its life.
    fn is_good(&self, status: CertificateStatus, now: SystemTime) -> bool {
        let life = self.next_update.duration_since(self.this_update).unwrap_or_default();
        self.status == status && self.this_update <= now && now < self.this_update + life / 2
    }
}

/// Kept answers by their question. In two halves: when the younger is full, the older is forgotten.
#[derive(Default)]
pub(super) struct Cache(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    younger: HashMap<Box<[u8]>, Kept>,
    older: HashMap<Box<[u8]>, Kept>,
}

impl Cache {
    /// The answer to the question with this CertID, if it is still what would be said.
    pub(super) fn find(&self, cert_id: &[u8], status: CertificateStatus, now: SystemTime) -> Option<Kept> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = halves.younger.get(cert_id) {
            if kept.is_good(status, now) {
                return Some(kept.clone());
            }
            halves.younger.remove(cert_id);
            return None;
        }
        let kept = halves.older.remove(cert_id).filter(|kept| kept.is_good(status, now))?;
        halves.keep(cert_id, kept.clone());
        Some(kept)
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, cert_id: &[u8], kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(cert_id, kept);
    }
}

impl Halves {
    fn keep(&mut self, cert_id: &[u8], kept: Kept) {
        if self.younger.len() >= HALF {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(cert_id.into(), kept);
    }
}

/// Answers in each half: about 1 KiB each, 16 MiB in all.
const HALF: usize = 8 * 1024;
