//! Reads and checks the key of every request for a certificate (R-KEY-05, R-KEY-12).

use identity::{Csr, GeneratorTraces, KeyFingerprint, PublicKey};

use super::{Authority, Refused};

/// A key whose possession was proven and that is not blocked. No certificate is issued without one.
pub(super) struct AcceptedKey {
    public_key: PublicKey,
    traces: GeneratorTraces,
}

impl AcceptedKey {
    pub(super) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub(super) fn fingerprint(&self) -> KeyFingerprint {
        self.public_key.fingerprint()
    }

    /// What the key and its request show of the random generator that made them.
    pub(super) fn traces(&self) -> GeneratorTraces {
        self.traces
    }
}

impl Authority {
    /// The key of a PKCS#10 request (DER). A blocked key does not even get the certificate that it had.
    pub(super) fn accepted_key(&self, csr: &[u8]) -> Result<AcceptedKey, Refused> {
        let csr = Csr::from_der(csr)?;
        let (public_key, traces) = (csr.public_key().clone(), csr.traces());
        match self.blocked_keys.borrow().why(&public_key) {
            Some(why) => Err(Refused::Blocked { key: public_key.fingerprint(), why }),
            None => Ok(AcceptedKey { public_key, traces }),
        }
    }
}
