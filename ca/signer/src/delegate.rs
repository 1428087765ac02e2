//! The keys of OCSP delegates: made here, never written, gone with the process.

use identity::PublicKey;

use super::{FileSigner, KeyFileError, Signer, SignerError};

/// A P-256 key that signs OCSP responses, and nothing else (R-CA-02): it is no [`Signer`], so that no issuer
/// can be made with it.
#[derive(Debug)]
pub struct DelegateKey(FileSigner);

impl DelegateKey {
    /// Makes a fresh key.
    pub fn generate() -> Result<Self, KeyFileError> {
        FileSigner::generate().map(Self)
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// The signature over `message` (ECDSA with SHA-256, DER), on the caller's thread: about 16 µs.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_now(message)
    }
}
