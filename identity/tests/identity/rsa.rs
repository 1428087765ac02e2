//! RSA keys (R-KEY-02, R-KEY-03, R-KEY-04). The moduli are made here; no private keys are needed.

use identity::{KeyType, PublicKey};
use num_bigint::BigUint;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::fixture::{RSA, integer, sequence, spki};

const SEED: u64 = 0x746f_7563_686d_6172;

fn rsa(modulus: &BigUint, exponent: u64) -> Vec<u8> {
    spki(RSA, &sequence(&[&integer(modulus), &integer(&BigUint::from(exponent))]))
}

fn reason(spki: &[u8]) -> &'static str {
    crate::fixture::key_reason(&PublicKey::from_spki(spki).expect_err("must be refused"))
}

/// A number of `bits` bits whose two highest are set, so that a product of two has twice as many.
fn random(generator: &mut StdRng, bits: usize) -> BigUint {
    let mut bytes = vec![0; bits / 8];
    generator.fill_bytes(&mut bytes);
    bytes[0] |= 0xc0;
    BigUint::from_bytes_be(&bytes)
}

fn is_prime(n: &BigUint) -> bool {
    let small = (3u32..2_000).step_by(2).all(|divisor| n % divisor != BigUint::ZERO);
    small && BigUint::from(2u8).modpow(&(n - 1u8), n) == BigUint::from(1u8)
}

fn next_prime(n: BigUint) -> BigUint {
    let mut candidate = n | BigUint::from(1u8);
    while !is_prime(&candidate) {
        candidate += 2u8;
    }
    candidate
}

fn prime(generator: &mut StdRng, bits: usize) -> BigUint {
    next_prime(random(generator, bits))
}

#[test]
fn an_exponent_other_than_65537_is_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    let modulus = prime(&mut generator, 1_024) * prime(&mut generator, 1_024);
    let good = PublicKey::from_spki(&rsa(&modulus, 65_537)).unwrap();
    assert_eq!(good.key_type(), KeyType::Rsa2048);
    assert_eq!(good.rsa_modulus(), Some(modulus.to_bytes_be().as_slice()));
    for exponent in [1, 2, 3, 17, 65_535, 65_536, 65_539, u64::MAX] {
        assert_eq!(reason(&rsa(&modulus, exponent)), "KEY_WEAK", "e = {exponent}");
    }
}

#[test]
fn a_modulus_of_another_length_is_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    let full = random(&mut generator, 2_048);
    for modulus in
        [&full >> 1u8, (&full << 1u8) + 1u8, &full >> 1_024u32, &full << 6_144u32, &full << 14_336u32]
    {
        assert_eq!(reason(&rsa(&modulus, 65_537)), "KEY_TYPE_NOT_ALLOWED", "{} bits", modulus.bits());
    }
}

#[test]
fn a_modulus_with_a_small_factor_is_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    for factor in [2u32, 3, 5, 751, 757, 32_749, 65_521, 65_537] {
        let rest = random(&mut generator, 2_048) / factor;
        assert_eq!(reason(&rsa(&(rest * factor), 65_537)), "KEY_WEAK", "{factor}");
    }
}

#[test]
fn close_primes_are_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    let p = prime(&mut generator, 1_024);
    let q = next_prime(&p + 2u8);
    assert_eq!(reason(&rsa(&(&p * &q), 65_537)), "KEY_WEAK");
    // The square of a prime has the closest factors.
    assert_eq!(reason(&rsa(&(&p * &p), 65_537)), "KEY_WEAK");
    // 2^500 apart needs about a hundredth of a round: (p - q)² / 8√n is below one.
    let far = next_prime(&p + (BigUint::from(1u8) << 510u32));
    assert_eq!(reason(&rsa(&(&p * &far), 65_537)), "KEY_WEAK");
}

#[test]
fn a_power_of_a_prime_is_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    for (power, bits) in [(3u32, 1_024), (4, 1_024), (12, 256)] {
        let root = next_prime(random(&mut generator, bits));
        let modulus = root.pow(power);
        if [2_048, 3_072, 4_096].contains(&modulus.bits()) {
            assert_eq!(reason(&rsa(&modulus, 65_537)), "KEY_WEAK", "power {power}");
        }
    }
    // A cube of exactly 2,048 bits.
    let cube = next_prime(BigUint::from(3u8) << 681u32).pow(3);
    assert_eq!(cube.bits(), 2_048);
    assert_eq!(reason(&rsa(&cube, 65_537)), "KEY_WEAK");
}

#[test]
fn the_fingerprint_of_a_roca_modulus_is_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    let primes = (2u32..=701).filter(|n| (2..*n).all(|divisor| n % divisor != 0)).take(126);
    let product: BigUint = primes.map(BigUint::from).product();
    let factor = |generator: &mut StdRng, power: u32| loop {
        let base = BigUint::from(65_537u32).modpow(&BigUint::from(power), &product);
        let k = random(generator, 1_024) / &product;
        let candidate = k * &product + base;
        if is_prime(&candidate) && candidate.bits() == 1_024 {
            return candidate;
        }
    };
    let (p, q) = (factor(&mut generator, 12_345), factor(&mut generator, 54_321));
    let error = PublicKey::from_spki(&rsa(&(p * q), 65_537)).expect_err("must be refused");
    assert!(error.to_string().contains("ROCA"), "{error}");
}

#[test]
fn an_rsa_key_in_another_encoding_is_refused() {
    let mut generator = StdRng::seed_from_u64(SEED);
    let modulus = prime(&mut generator, 1_024) * prime(&mut generator, 1_024);
    let exponent = [2, 3, 1, 0, 1];
    let bytes = modulus.to_bytes_be();
    let negative = [&[2, 0x82, 1, 0][..], &bytes].concat();
    let padded = [&[2, 0x82, 1, 2, 0, 0][..], &bytes].concat();
    for (what, key) in [
        ("without parameters", spki(&RSA[..11], &sequence(&[&integer(&modulus), &exponent]))),
        ("a negative modulus", spki(RSA, &sequence(&[&negative, &exponent]))),
        ("a padded modulus", spki(RSA, &sequence(&[&padded, &exponent]))),
        ("a padded exponent", spki(RSA, &sequence(&[&integer(&modulus), &[2, 4, 0, 1, 0, 1]]))),
        ("a third number", spki(RSA, &sequence(&[&integer(&modulus), &exponent, &exponent]))),
        ("trailing bytes", spki(RSA, &[&sequence(&[&integer(&modulus), &exponent])[..], &[0]].concat())),
    ] {
        assert_eq!(reason(&key), "KEY_MALFORMED", "{what}");
    }
}
