//! Reads and checks the key of every request for a certificate (R-KEY-05, R-KEY-12).

use identity::{Csr, KeyFingerprint, PublicKey};

use super::{Authority, Refused};

/// A key whose possession was proven and that is not blocked. No certificate is issued without one.
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
    /// The key of a PKCS#10 request (DER). A blocked key does not even get the certificate that it had.
    pub(super) fn accepted_key(&self, csr: &[u8]) -> Result<AcceptedKey, Refused> {
        let public_key = Csr::from_der(csr)?.public_key().clone();
        match self.blocked_keys.borrow().why(&public_key) {
            Some(why) => Err(Refused::Blocked { key: public_key.fingerprint(), why }),
            None => Ok(AcceptedKey(public_key)),
        }
    }
}
