//! What a certificate request shows of the random generator that made its key and its signature (R-KEY-14).

use aws_lc_rs::digest::{Context, SHA256};

use crate::der::{INTEGER, NotDer, SEQUENCE, only};
use crate::{KeyType, PublicKey};

/// Values that a good generator never makes twice. Two units that have one in common have a broken one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GeneratorTraces {
    /// SHA-256 over the kind of the signature and its random part: the `r` of ECDSA, the `R` of Ed25519.
    /// Whoever owns one of two units whose signatures have it in common can compute the private key of the
    /// other. `None` for RSA, whose signature has no such part.
    pub nonce: Option<[u8; 32]>,
    /// Both ends of the encoded key. `None` for RSA: vendors choose leading bits of moduli, and shared primes
    /// are looked for instead (R-KEY-06).
    pub key_ends: Option<KeyEnds>,
}

/// Both ends of a public key: of the coordinate x on P-256 and P-384 (big-endian), of the encoded point of
/// Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyEnds {
    /// Its first 64 bits.
    pub start: [u8; KEY_END_BYTES],
    /// Its last 64 bits.
    pub end: [u8; KEY_END_BYTES],
}

impl GeneratorTraces {
    /// Of a key and a signature that was verified with it.
    ///
    /// # Errors
    /// When the signature is not a SEQUENCE of two INTEGERs, as that of an EC key must be (RFC 3279, section
    /// 2.2.3).
    pub(crate) fn of(key: &PublicKey, signature: &[u8]) -> Result<Self, NotDer> {
        Ok(Self { nonce: nonce(key.key_type(), signature)?, key_ends: key_ends(key) })
    }
}

fn nonce(key_type: KeyType, signature: &[u8]) -> Result<Option<[u8; 32]>, NotDer> {
    let (kind, random_part) = match key_type {
        KeyType::P256 => (P256_SIGNATURE, ecdsa_r(signature)?),
        KeyType::P384 => (P384_SIGNATURE, ecdsa_r(signature)?),
        KeyType::Ed25519 => (ED25519_SIGNATURE, signature.get(..ED25519_R_BYTES).ok_or(NotDer)?),
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => return Ok(None),
    };
    let mut hash = Context::new(&SHA256);
    hash.update(kind);
    hash.update(random_part);
    let mut nonce = [0; 32];
    nonce.copy_from_slice(hash.finish().as_ref());
    Ok(Some(nonce))
}

/// The content octets of `r`. Strict DER has one encoding of a number.
fn ecdsa_r(signature: &[u8]) -> Result<&[u8], NotDer> {
    let mut numbers = only(signature, SEQUENCE)?.elements()?;
    let r = numbers.expect(INTEGER)?.content;
    numbers.expect(INTEGER)?;
    numbers.end()?;
    Ok(r)
}

fn key_ends(key: &PublicKey) -> Option<KeyEnds> {
    let bits = key.key_bits();
    let value = match key.key_type() {
        // An octet that says "uncompressed", x, y.
        KeyType::P256 | KeyType::P384 => bits.get(1..=bits.len() / 2)?,
        KeyType::Ed25519 => bits,
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => return None,
    };
    Some(KeyEnds { start: *value.first_chunk()?, end: *value.last_chunk()? })
}

/// With 64 bits an honest product of a million units has two keys with an end in common once in eighteen
/// million products (ADR 0073).
pub const KEY_END_BYTES: usize = 8;

const ED25519_R_BYTES: usize = 32;

/// What is hashed before the random part. These are on record for ever.
const P256_SIGNATURE: &[u8] = b"ECDSA P-256 r\0";
const P384_SIGNATURE: &[u8] = b"ECDSA P-384 r\0";
const ED25519_SIGNATURE: &[u8] = b"Ed25519 R\0";

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    fn p256() -> (EcdsaKeyPair, PublicKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let head = [
            0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce,
            0x3d, 3, 1, 7, 3, 0x42, 0,
        ];
        let key = PublicKey::from_spki(&[&head, pair.public_key().as_ref()].concat()).unwrap();
        (pair, key)
    }

    /// An ECDSA signature with these numbers, each below 128 bytes and positive.
    fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
        let number = |octets: &[u8]| [&[2, octets.len() as u8], octets].concat();
        let numbers = [number(r), number(s)].concat();
        [&[0x30, numbers.len() as u8], numbers.as_slice()].concat()
    }

    #[test]
    fn the_same_r_is_the_same_trace_whatever_s_and_the_key_are() {
        let ((_, one), (_, other)) = (p256(), p256());
        let of = |key, r: &[u8], s: &[u8]| GeneratorTraces::of(key, &signature(r, s)).unwrap().nonce.unwrap();
        assert_eq!(of(&one, &[5; 32], &[1; 32]), of(&other, &[5; 32], &[2; 31]));
        assert_ne!(of(&one, &[5; 32], &[1; 32]), of(&one, &[6; 32], &[1; 32]));
    }

    #[test]
    fn two_curves_have_no_trace_in_common() {
        let nonce = |key_type| nonce(key_type, &signature(&[5; 32], &[1; 32])).unwrap();
        assert_ne!(nonce(KeyType::P256), nonce(KeyType::P384));
        assert_eq!(super::nonce(KeyType::Rsa2048, &[1; 256]), Ok(None));
        assert_ne!(super::nonce(KeyType::Ed25519, &[1; 64]).unwrap(), None);
    }

    #[test]
    fn a_signature_that_is_not_two_numbers_has_no_traces_and_is_an_error() {
        let (_, key) = p256();
        let good = signature(&[5; 32], &[1; 32]);
        for wrong in
            [&[][..], &good[..good.len() - 1], &[good.as_slice(), &[0]].concat(), &[0x30, 3, 2, 1, 5]]
        {
            assert_eq!(GeneratorTraces::of(&key, wrong), Err(NotDer), "{wrong:?}");
        }
    }

    #[test]
    fn the_ends_of_an_ec_key_are_those_of_x() {
        let (pair, key) = p256();
        let point = pair.public_key().as_ref();
        let ends = key_ends(&key).unwrap();
        assert_eq!((&ends.start[..], &ends.end[..]), (&point[1..9], &point[25..33]));
    }
}
