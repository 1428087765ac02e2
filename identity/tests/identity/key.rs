//! Elliptic-curve keys (R-KEY-07, R-KEY-08, R-KEY-11).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use identity::{KeyError, KeyType, PublicKey};
use num_bigint::BigUint;

use crate::fixture::{ED25519, P256, bits, csr, sequence, spki};

fn p256_point() -> Vec<u8> {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap().public_key().as_ref().to_vec()
}

fn reason(spki: &[u8]) -> &'static str {
    crate::fixture::key_reason(&PublicKey::from_spki(spki).expect_err("must be refused"))
}

#[test]
fn a_point_in_any_other_form_is_refused() {
    let point = p256_point();
    let x = &point[1..33];
    let parity = point[64] & 1;
    let prime = (BigUint::from(1u8) << 256u32) - (BigUint::from(1u8) << 224u32)
        + (BigUint::from(1u8) << 192u32)
        + (BigUint::from(1u8) << 96u32)
        - 1u8;
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    // x = 5 is on the curve; x = 5 + p is the same point in another encoding.
    let mut beyond = vec![4];
    beyond.extend((BigUint::from(5u8) + &prime).to_bytes_be());
    beyond.extend(&point[33..]);
    for (what, bytes) in [
        ("compressed", [&[2 + parity], x].concat()),
        ("hybrid", [&[6 + parity], &point[1..]].concat()),
        ("infinity", vec![0]),
        ("off the curve", off_curve),
        ("x not below p", beyond),
        ("y is p", [&[4], x, &prime.to_bytes_be()].concat()),
        ("a byte short", point[..64].to_vec()),
        ("a byte long", [&point[..], &[0]].concat()),
        ("nothing", vec![]),
    ] {
        assert_eq!(reason(&spki(P256, &bytes)), "KEY_MALFORMED", "{what}");
    }
    assert_eq!(PublicKey::from_spki(&spki(P256, &point)).unwrap().key_type(), KeyType::P256);
}

#[test]
fn a_key_has_one_encoding_that_is_taken_and_so_one_fingerprint() {
    let point = p256_point();
    let good = spki(P256, &point);
    let algorithm = sequence(&[P256]);
    let others: Vec<(&str, Vec<u8>)> = vec![
        ("a long length", [&[0x30, 0x81, good[1]], &good[2..]].concat()),
        ("an extra element", sequence(&[&good[2..], &[5, 0]])),
        ("an extra parameter", spki(&[P256, &[5, 0]].concat(), &point)),
        ("unused bits", sequence(&[&algorithm, &[&[3, 66, 1], &point[..]].concat()])),
        ("trailing bytes", [&good[..], &[0]].concat()),
        ("without curve", spki(&P256[..9], &point)),
        ("with NULL for a curve", spki(&[&P256[..9], &[5, 0]].concat(), &point)),
        ("not a BIT STRING", sequence(&[&algorithm, &[4, 0]])),
        ("empty BIT STRING", sequence(&[&algorithm, &[3, 0]])),
    ];
    for (what, other) in others {
        assert_eq!(reason(&other), "KEY_MALFORMED", "{what}");
        let said = PublicKey::from_spki(&other).unwrap_err().to_string();
        let words = match what {
            "unused bits" => "has unused bits",
            "without curve" => "the curve of the EC key is missing: it has no parameters",
            "with NULL for a curve" => "the curve of the EC key is missing: its parameters are NULL",
            _ => "",
        };
        assert!(said.contains(words), "{what}: {said}");
    }
    let key = PublicKey::from_spki(&good).unwrap();
    assert_eq!(key.key_bits(), point);
    assert_eq!(key.fingerprint(), PublicKey::from_spki(&good).unwrap().fingerprint());
    assert_ne!(key.fingerprint(), PublicKey::from_spki(&spki(P256, &p256_point())).unwrap().fingerprint());
    assert_eq!(PublicKey::from_spki(&sequence(&[&algorithm, &bits(&point)])).unwrap(), key);
}

#[test]
fn every_ed25519_key_of_small_order_is_refused_in_every_encoding() {
    let prime = (BigUint::from(1u8) << 255u32) - 19u8;
    let eight = BigUint::from_bytes_le(
        &hex::decode("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05").unwrap(),
    );
    let small = [BigUint::ZERO, BigUint::from(1u8), &prime - 1u8, eight.clone(), &prime - &eight];
    let mut tried = 0;
    for y in small.iter().chain(&[&prime + 0u8, &prime + 1u8]) {
        for sign in [0, 0x80] {
            let mut bytes = y.to_bytes_le();
            bytes.resize(32, 0);
            bytes[31] |= sign;
            assert_eq!(reason(&spki(ED25519, &bytes)), "KEY_WEAK", "{}", hex::encode(&bytes));
            tried += 1;
        }
    }
    assert_eq!(tried, 14);
}

#[test]
fn ed25519_keys_that_are_no_points_or_not_canonical_are_refused() {
    let mut no_point = [0; 32];
    no_point[0] = 2; // y = 2 has no x.
    assert_eq!(reason(&spki(ED25519, &no_point)), "KEY_MALFORMED");
    for excess in 2..19u8 {
        let y = (BigUint::from(1u8) << 255u32) - 19u8 + excess;
        assert_eq!(reason(&spki(ED25519, &y.to_bytes_le())), "KEY_MALFORMED", "p + {excess}");
    }
    assert_eq!(reason(&spki(ED25519, &[1; 31])), "KEY_MALFORMED");
    assert_eq!(reason(&spki(&[ED25519, &[5, 0]].concat(), &[1; 32])), "KEY_MALFORMED");
    for _ in 0..20 {
        let pair = Ed25519KeyPair::generate().unwrap();
        assert!(PublicKey::from_spki(&spki(ED25519, pair.public_key().as_ref())).is_ok());
    }
}

#[test]
fn a_fingerprint_is_the_sha_256_of_the_key_as_openssl_prints_it() {
    let key = identity::Csr::from_der(&csr("p256_sha256")).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.public_key().spki());
    assert_eq!(key.public_key().fingerprint().to_string(), hex::encode(digest));
    assert_eq!(PublicKey::from_spki(b""), Err(KeyError::NotDer));
}
