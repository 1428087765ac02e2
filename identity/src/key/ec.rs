//! Keys on P-256 and P-384 (R-KEY-07).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, EcdsaVerificationAlgorithm};

use super::{KeyError, KeyType};

/// Checks the form of a point: uncompressed and of the curve's length (RFC 5480, section 2.2). aws-lc-rs
/// checks when it reads the key that the point is on the curve and its coordinates are below the prime.
pub(super) fn shape(point: &[u8], key_type: KeyType) -> Result<KeyType, KeyError> {
    let length = if key_type == KeyType::P256 { P256_POINT_BYTES } else { P384_POINT_BYTES };
    match point {
        [UNCOMPRESSED, ..] if point.len() == length => Ok(key_type),
        [2 | 3, ..] => Err(KeyError::Malformed { what: "compressed points are refused" }),
        [6 | 7, ..] => Err(KeyError::Malformed { what: "hybrid points are refused" }),
        [0] => Err(KeyError::Malformed { what: "the point at infinity is no key" }),
        _ => Err(KeyError::Malformed { what: "the point does not have the length of its curve" }),
    }
}

/// The algorithm with which aws-lc-rs reads a key on this curve; `None`: not an accepted curve.
pub(super) fn usual_algorithm(key_type: KeyType) -> Option<&'static EcdsaVerificationAlgorithm> {
    match key_type {
        KeyType::P256 => Some(&ECDSA_P256_SHA256_ASN1),
        KeyType::P384 => Some(&ECDSA_P384_SHA384_ASN1),
        KeyType::Ed25519 | KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => None,
    }
}

/// id-ecPublicKey, 1.2.840.10045.2.1.
pub(super) const OID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

/// id-ecPublicKey with secp256r1.
pub(super) const P256_IDENTIFIER: &[u8] =
    &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// id-ecPublicKey with secp384r1.
pub(super) const P384_IDENTIFIER: &[u8] =
    &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22];

/// The first octet of a point with both coordinates (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

const P256_POINT_BYTES: usize = 1 + 2 * 32;
const P384_POINT_BYTES: usize = 1 + 2 * 48;
