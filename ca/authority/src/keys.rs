//! The door for keys: whoever asks for whatever certificate, its key comes through here (R-KEY-05, R-KEY-12).

use identity::{Csr, KeyFingerprint, PublicKey};

use super::{Authority, Refused};

/// A key, possession of which was proven and against which nothing is known. Made here and nowhere else, and no certificate is asked of
/// the ledger without one.
pub(super) struct AcceptedKey(PublicKey);

impl AcceptedKey {
    pub(super) fn public_key(&self) -> &PublicKey {
        &self.0
    }

    pub(super) fn fingerprint(&self) -> KeyFingerprint {
        self.0.fingerprint()
    }
}

impl Authority {
    /// The key of a request in PKCS#10, DER, not yet read. A key that is blocked is refused before the ledger is asked: it gets nothing,
    /// not even what it got before it was blocked.
    pub(super) fn accepted_key(&self, csr: &[u8]) -> Result<AcceptedKey, Refused> {
        let public_key = Csr::from_der(csr)?.public_key().clone();
        match self.blocked_keys.borrow().why(&public_key) {
            Some(why) => Err(Refused::Blocked { key: public_key.fingerprint(), why }),
            None => Ok(AcceptedKey(public_key)),
        }
    }
}
