//! The keys of OCSP delegates: made here, never written, gone with the process.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use identity::PublicKey;

use super::{KeyFileError, SignerError};

/// A P-256 key that signs OCSP responses, and nothing else (R-CA-02): it is no [`Signer`](super::Signer), so
/// that no issuer can be made with it.
pub struct DelegateKey {
    key: EcdsaKeyPair,
    public_key: PublicKey,
    random: SystemRandom,
}

impl DelegateKey {
    /// Makes a fresh key.
    pub fn generate() -> Result<Self, KeyFileError> {
        let key =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyFileError::Generate)?;
        let spki = key.public_key().as_der().map_err(|_| KeyFileError::Generate)?;
        let public_key = PublicKey::from_spki(spki.as_ref()).map_err(|_| KeyFileError::Generate)?;
        Ok(Self { key, public_key, random: SystemRandom::new() })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The signature over `message` (ECDSA with SHA-256, DER), on the caller's thread: about 16 µs.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.key.sign(&self.random, message).map_err(SignerError::unavailable)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for DelegateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DelegateKey({:?})", self.public_key)
    }
}
