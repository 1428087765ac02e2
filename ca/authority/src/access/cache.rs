//! Certificates that were recognised lately.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Caller;

/// Cache from the SHA-256 of a certificate to its principal, kind and validity, which never change.
/// Revocation status is never cached.
#[derive(Default)]
pub(crate) struct CallerCache(Mutex<HashMap<[u8; 32], Caller>>);

impl CallerCache {
    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Caller> {
        self.0.lock().get(digest).cloned()
    }

    pub(super) fn put(&self, digest: [u8; 32], caller: &Caller) {
        let mut callers = self.0.lock();
        // A fleet boots for the first time once: emptying the cache is cheaper than to keep it in order of
        // use.
        if callers.len() >= CALLERS_MAX {
            callers.clear();
        }
        callers.insert(digest, caller.clone());
    }
}

/// The most callers that are cached, about 300 bytes each: twice the default number of connections.
const CALLERS_MAX: usize = 16_384;
