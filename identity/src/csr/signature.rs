//! Proof of possession (R-KEY-09), verified over the exact bytes with an algorithm that fits the key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};

mod unfit;

use super::CsrError;
use crate::der::Element;
use crate::{KeyError, KeyType, PublicKey};

/// Verifies `signature` over `message` by `key`.
pub(super) fn verify(
    key: &PublicKey,
    algorithm: Element<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CsrError> {
    let Some(verifying) = fitting(key.key_type(), algorithm.content) else {
        return Err(CsrError::SignatureAlgorithm { what: unfit::algorithm(key.key_type(), algorithm) });
    };
    let parsed = ParsedPublicKey::new(verifying, key.key_bits())
        .map_err(|_| KeyError::Malformed { what: "not a key of its kind" })?;
    parsed.verify_sig(message, signature).map_err(|_| match unfit::signature(key.key_type(), signature) {
        Some(what) => CsrError::SignatureForm { what },
        None => CsrError::ProofOfPossession,
    })
}

/// The algorithm that an AlgorithmIdentifier names for this type of key; `None`: not accepted.
fn fitting(key_type: KeyType, identifier: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    // RFC 5758, section 3.2: without parameters. TPMs and embedded stacks write NULL, which means the same;
    // this identifier is not copied into a certificate (ADR 0040).
    let ecdsa = identifier.strip_suffix(NULL_PARAMETERS).unwrap_or(identifier);
    match (key_type, ecdsa) {
        (KeyType::P256, ECDSA_SHA256) => Some(&ECDSA_P256_SHA256_ASN1),
        (KeyType::P256, ECDSA_SHA384) => Some(&ECDSA_P256_SHA384_ASN1),
        (KeyType::P256, ECDSA_SHA512) => Some(&ECDSA_P256_SHA512_ASN1),
        (KeyType::P384, ECDSA_SHA256) => Some(&ECDSA_P384_SHA256_ASN1),
        (KeyType::P384, ECDSA_SHA384) => Some(&ECDSA_P384_SHA384_ASN1),
        (KeyType::P384, ECDSA_SHA512) => Some(&ECDSA_P384_SHA512_ASN1),
        (KeyType::P256 | KeyType::P384, _) => None,
        (KeyType::Ed25519, _) => (identifier == ED25519_IDENTIFIER).then_some(&ED25519),
        (KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096, _) => rsa(identifier),
    }
}

fn rsa(identifier: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    // RFC 4055, section 5: the parameters are NULL, and "implementations MUST accept the parameters being
    // absent as well as present".
    match identifier.strip_suffix(NULL_PARAMETERS).unwrap_or(identifier) {
        RSA_SHA256 => return Some(&RSA_PKCS1_2048_8192_SHA256),
        RSA_SHA384 => return Some(&RSA_PKCS1_2048_8192_SHA384),
        RSA_SHA512 => return Some(&RSA_PKCS1_2048_8192_SHA512),
        _ => {}
    }
    let pss: [(u8, u8, &'static dyn VerificationAlgorithm); 3] = [
        (1, 32, &RSA_PSS_2048_8192_SHA256),
        (2, 48, &RSA_PSS_2048_8192_SHA384),
        (3, 64, &RSA_PSS_2048_8192_SHA512),
    ];
    pss.into_iter()
        .find(|(hash, salt, _)| {
            identifier == pss_identifier(*hash, *salt, true)
                || identifier == pss_identifier(*hash, *salt, false)
        })
        .map(|(_, _, algorithm)| algorithm)
}

/// id-RSASSA-PSS with one hash and a salt of its length; NULL or no parameters (RFC 4055, section 2.1).
fn pss_identifier(hash: u8, salt: u8, null: bool) -> Vec<u8> {
    let tlv = |tag: u8, content: &[u8]| {
        // Every length fits one octet: the longest has 65 bytes.
        [&[tag, u8::try_from(content.len()).unwrap_or(u8::MAX)], content].concat()
    };
    let oid = [&[6, 9], SHA2_ARC, &[hash]].concat();
    let hash = tlv(0x30, &if null { [oid.as_slice(), &[5, 0]].concat() } else { oid });
    let mask = tlv(0x30, &[MGF1, &hash].concat());
    let parameters = [tlv(0xa0, &hash), tlv(0xa1, &mask), tlv(0xa2, &[2, 1, salt])].concat();
    [RSA_PSS, &tlv(0x30, &parameters)].concat()
}

const NULL_PARAMETERS: &[u8] = &[5, 0];

/// RFC 5758, section 3.2.
const ECDSA_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const ECDSA_SHA512: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];

/// RFC 8410, section 3: without parameters.
const ED25519_IDENTIFIER: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

/// RFC 4055, section 5.
const RSA_SHA256: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const RSA_SHA384: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
const RSA_SHA512: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];
const RSA_PSS: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const MGF1: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];

/// 2.16.840.1.101.3.4.2: the arc of the SHA-2 hashes.
const SHA2_ARC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];
