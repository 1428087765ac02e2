//! Whether a signer holds the key of a certificate and signs: asked at every start, so that a wrong or
//! damaged key is not found by the first device.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use identity::PublicKey;
use issuance::{Certificate, SignatureAlgorithm};

use super::{Signer, SignerError};

/// Checks that the signer has the public key of the certificate, and that a signature of it verifies with
/// that key.
pub async fn check_signer(signer: &dyn Signer, certificate: &Certificate) -> Result<(), SignerCheckError> {
    if signer.public_key() != certificate.public_key() {
        return Err(SignerCheckError::OtherKey);
    }
    let signature = signer.sign(SELF_TEST).await?;
    match verifies(certificate.public_key(), SELF_TEST, &signature) {
        true => Ok(()),
        false => Err(SignerCheckError::SelfTest),
    }
}

/// Whether this is a signature (ECDSA, DER) of the issuer with this key over the message.
pub fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let algorithm = match SignatureAlgorithm::of(key) {
        Some(SignatureAlgorithm::EcdsaP256Sha256) => &ECDSA_P256_SHA256_ASN1,
        Some(SignatureAlgorithm::EcdsaP384Sha384) => &ECDSA_P384_SHA384_ASN1,
        None => return false,
    };
    UnparsedPublicKey::new(algorithm, key.key_bits()).verify(message, signature).is_ok()
}

/// Why a signer cannot sign for a certificate.
#[derive(Debug, thiserror::Error)]
pub enum SignerCheckError {
    /// It has the key of another certificate.
    #[error("the key is not the certificate's")]
    OtherKey,
    /// Its signatures do not verify.
    #[error("the key makes signatures that do not verify")]
    SelfTest,
    /// It does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

const SELF_TEST: &[u8] = b"touchmark signer self-test";
