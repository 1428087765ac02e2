//! Keys with a trivial private key, found by trying a few thousand numbers. The set is computed, not listed.

use std::collections::HashSet;
use std::sync::LazyLock;

use aws_lc_rs::agreement::{Algorithm, ECDH_P256, ECDH_P384, PrivateKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use identity::{KeyType, PublicKey};

/// Whether the private key is trivial.
///
/// Trivial are the numbers 1 to [`TRIVIAL_PRIVATE_KEYS_MAX`], powers of two, one octet repeated, and octets
/// that count up from any first octet, each in both byte orders. For P-256 and P-384 these are private keys,
/// and so are their negatives modulo the group order. For Ed25519 they are seeds. RSA keys are never trivial.
pub(super) fn is_trivial(key: &PublicKey) -> bool {
    TRIVIAL.contains(&(key.key_type(), super::number(key).to_vec()))
}

/// Kind of key, and x of the point (a point and its negative share it) or the Ed25519 key. Computed at first
/// use, in about half a second.
static TRIVIAL: LazyLock<HashSet<(KeyType, Vec<u8>)>> = LazyLock::new(|| {
    let p256 = secrets(P256_BYTES).filter_map(|secret| x(&ECDH_P256, &secret)).map(|x| (KeyType::P256, x));
    let p384 = secrets(P384_BYTES).filter_map(|secret| x(&ECDH_P384, &secret)).map(|x| (KeyType::P384, x));
    let ed25519 = secrets(SEED_BYTES).filter_map(|seed| of_seed(&seed)).map(|key| (KeyType::Ed25519, key));
    p256.chain(p384).chain(ed25519).collect()
});

/// Includes zero. Values that are not private keys of a kind are skipped by the callers.
fn secrets(bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    let small = (0..=TRIVIAL_PRIVATE_KEYS_MAX).map(move |number| {
        let number = number.to_be_bytes();
        [vec![0; bytes.saturating_sub(number.len())], number.to_vec()].concat()
    });
    let powers = (0..bytes).flat_map(move |place| {
        (0..8).map(move |bit| (0..bytes).map(|octet| if octet == place { 1 << bit } else { 0 }).collect())
    });
    let repeated = (1..=u8::MAX).map(move |octet| vec![octet; bytes]);
    let counters = (0..=u8::MAX)
        .map(move |first| (0..=u8::MAX).cycle().skip(first.into()).take(bytes).collect::<Vec<u8>>());
    small.chain(powers).chain(repeated).chain(counters).flat_map(|secret| {
        let backwards: Vec<u8> = secret.iter().rev().copied().collect();
        [secret, backwards]
    })
}

/// x of the point, without leading zeros.
fn x(algorithm: &'static Algorithm, secret: &[u8]) -> Option<Vec<u8>> {
    let public = PrivateKey::from_private_key(algorithm, secret).ok()?.compute_public_key().ok()?;
    // 04, x, y.
    let (_, point) = public.as_ref().split_first()?;
    Some(without_leading_zeros(point.get(..point.len() / 2)?))
}

fn of_seed(seed: &[u8]) -> Option<Vec<u8>> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    Some(without_leading_zeros(pair.public_key().as_ref()))
}

fn without_leading_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|octet| *octet == 0).collect()
}

/// The largest number that is refused as a private key: what a counter, a flag, a test or a broken generator
/// produces. Larger ones are found by search only.
pub const TRIVIAL_PRIVATE_KEYS_MAX: u16 = 1_024;

const P256_BYTES: usize = 32;
const P384_BYTES: usize = 48;

/// RFC 8032, section 5.1.5.
const SEED_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// SubjectPublicKeyInfo of a P-256 key, up to its point (RFC 5480).
    const P256_SPKI: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];

    fn of(secret: &[u8]) -> PublicKey {
        let private = PrivateKey::from_private_key(&ECDH_P256, secret).unwrap();
        let point = private.compute_public_key().unwrap();
        PublicKey::from_spki(&[P256_SPKI, point.as_ref()].concat()).unwrap()
    }

    #[test]
    fn what_a_broken_generator_gives_first_is_found_in_either_byte_order() {
        let counter: Vec<u8> = (0..32).collect();
        let bit = |place: usize| (0..32).map(|octet| u8::from(octet == place)).collect::<Vec<_>>();
        for secret in
            [counter.clone(), counter.into_iter().rev().collect(), bit(0), bit(6), bit(31), vec![7; 32]]
        {
            assert!(is_trivial(&of(&secret)), "{secret:?}");
        }
        let good: Vec<u8> = (0..32_u8).map(|octet| octet.wrapping_mul(37).wrapping_add(11)).collect();
        assert!(!is_trivial(&of(&good)));
    }
}
