//! RSA keys (R-KEY-01 to R-KEY-04).

use num_bigint::BigUint;

use super::{KeyError, KeyType};
use crate::der::{Elements, INTEGER, NotDer, SEQUENCE, only};

/// Strict DER, an odd modulus of exactly 2,048, 3,072 or 4,096 bits, e = 65537.
pub(super) fn shape(bytes: &[u8]) -> Result<KeyType, KeyError> {
    let (modulus, exponent) = parts(bytes)?;
    let key_type = match (modulus.len() * 8, modulus.first()) {
        (2048, Some(0x80..)) => KeyType::Rsa2048,
        (3072, Some(0x80..)) => KeyType::Rsa3072,
        (4096, Some(0x80..)) => KeyType::Rsa4096,
        _ => return Err(KeyError::NotAllowed),
    };
    if exponent != [1, 0, 1] {
        return Err(KeyError::Weak { what: "the exponent is not 65537" });
    }
    if modulus.last().is_none_or(|octet| octet & 1 == 0) {
        return Err(KeyError::Weak { what: "the modulus is even" });
    }
    Ok(key_type)
}

/// The modulus, without leading zeros.
pub(super) fn modulus(bytes: &[u8]) -> Option<&[u8]> {
    parts(bytes).ok().map(|(modulus, _)| modulus)
}

/// Refuses moduli that are quick to factor.
pub(super) fn strong(bytes: &[u8]) -> Result<(), KeyError> {
    let (modulus, _) = parts(bytes)?;
    let modulus = BigUint::from_bytes_be(modulus);
    if has_small_factor(&modulus) {
        return Err(KeyError::Weak { what: "the modulus has a small factor" });
    }
    if has_roca_fingerprint(&modulus) {
        return Err(KeyError::Weak {
            what: "the modulus was made by a faulty library (ROCA, CVE-2017-15361)",
        });
    }
    if has_close_factors(&modulus) {
        return Err(KeyError::Weak { what: "the primes are too close to each other" });
    }
    if is_perfect_power(&modulus) {
        return Err(KeyError::Weak { what: "the modulus is a power of a smaller number" });
    }
    Ok(())
}

fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), KeyError> {
    let read = || {
        let mut fields: Elements<'_> = only(bytes, SEQUENCE)?.elements()?;
        let (modulus, exponent) = (fields.expect(INTEGER)?.content, fields.expect(INTEGER)?.content);
        fields.end()?;
        Ok((positive(modulus)?, positive(exponent)?))
    };
    read().map_err(|NotDer| KeyError::Malformed { what: "not an RSAPublicKey in strict DER" })
}

fn positive(content: &[u8]) -> Result<&[u8], NotDer> {
    match content {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Ok(rest),
        [1..=0x7f, ..] => Ok(content),
        _ => Err(NotDer),
    }
}

/// Whether a prime up to [`SMALL_FACTOR_MAX`] divides the modulus.
fn has_small_factor(modulus: &BigUint) -> bool {
    let digits = modulus.to_u32_digits();
    // Primes are multiplied up to 32 bits: one long division for all of them.
    let mut product = 1u64;
    let mut group = Vec::new();
    for prime in small_primes() {
        if product * u64::from(prime) > u64::from(u32::MAX) {
            if divides_any(&digits, product, &group) {
                return true;
            }
            (product, group) = (1, Vec::new());
        }
        product *= u64::from(prime);
        group.push(prime);
    }
    divides_any(&digits, product, &group)
}

fn divides_any(digits: &[u32], product: u64, primes: &[u32]) -> bool {
    let rest = remainder(digits, product);
    primes.iter().any(|prime| rest.is_multiple_of(u64::from(*prime)))
}

/// `digits` (least significant first) modulo a divisor of at most 32 bits.
fn remainder(digits: &[u32], divisor: u64) -> u64 {
    digits.iter().rev().fold(0, |rest, digit| ((rest << 32) | u64::from(*digit)) % divisor)
}

fn small_primes() -> impl Iterator<Item = u32> {
    (3..=SMALL_FACTOR_MAX).step_by(2).filter(|n| {
        (3..)
            .step_by(2)
            .take_while(|divisor| divisor * divisor <= *n)
            .all(|divisor| !n.is_multiple_of(divisor))
    })
}

/// A power of 65537 modulo each of the library's small primes; by chance one modulus in 2^27.
fn has_roca_fingerprint(modulus: &BigUint) -> bool {
    let digits = modulus.to_u32_digits();
    small_primes().take_while(|prime| *prime <= ROCA_PRIME_MAX).all(|prime| {
        let prime = u64::from(prime);
        let wanted = remainder(&digits, prime);
        let generator = 65_537 % prime;
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * generator % prime;
            power == wanted
        })
    })
}

/// Fermat's method: searches upwards from the root of n for an a with a² - n a square.
fn has_close_factors(modulus: &BigUint) -> bool {
    let root = modulus.sqrt();
    let start = if &root * &root < *modulus { root + 1u8 } else { root };
    (0..FERMAT_ROUNDS).any(|step| {
        let candidate = &start + step;
        is_square(&(&candidate * &candidate - modulus))
    })
}

fn is_square(n: &BigUint) -> bool {
    // Squares have few residues modulo 64, which saves most square roots.
    let low = n.iter_u32_digits().next().unwrap_or(0) & 63;
    if !matches!(low, 0 | 1 | 4 | 9 | 16 | 17 | 25 | 33 | 36 | 41 | 49 | 57) {
        return false;
    }
    let root = n.sqrt();
    &root * &root == *n
}

/// Whether the modulus is m^k. The smallest factor has more than 16 bits, which bounds k.
fn is_perfect_power(modulus: &BigUint) -> bool {
    let exponent_max = u32::try_from(modulus.bits() / SMALL_FACTOR_BITS).unwrap_or(u32::MAX);
    std::iter::once(2).chain(small_primes()).take_while(|k| *k <= exponent_max).any(|k| {
        let root = modulus.nth_root(k);
        root.pow(k) == *modulus
    })
}

/// rsaEncryption, 1.2.840.113549.1.1.1.
pub(super) const OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// rsaEncryption with parameters NULL (RFC 3279, section 2.3.1).
pub(super) const IDENTIFIER: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// More than the 752 rounds that public CAs must check (R-KEY-03).
const SMALL_FACTOR_MAX: u32 = 65_537;
const SMALL_FACTOR_BITS: u64 = 16;

/// The number of rounds that public CAs must try (R-KEY-03).
const FERMAT_ROUNDS: u32 = 100;

/// The largest prime of the ROCA fingerprint.
const ROCA_PRIME_MAX: u32 = 167;
