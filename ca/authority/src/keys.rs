//! Reads and checks the key of every request for a certificate (R-KEY-05, R-KEY-12).

use identity::{Csr, KeyFingerprint, PublicKey};

use super::{Authority, Refused};

/// A key whose possession was proven and that is not blocked. Made only here; no certificate is issued
/// without one.
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
    /// The key of a certificate request (PKCS#10, DER). A blocked key is refused before the ledger is asked:
    /// it does not even get the certificate that it got before it was blocked.
    pub(super) fn accepted_key(&self, csr: &[u8]) -> Result<AcceptedKey, Refused> {
        let public_key = Csr::from_der(csr)?.public_key().clone();
        match self.blocked_keys.borrow().why(&public_key) {
            Some(why) => Err(Refused::Blocked { key: public_key.fingerprint(), why }),
            None => Ok(AcceptedKey(public_key)),
        }
    }
}
