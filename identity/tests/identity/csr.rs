//! Which keys and proofs are accepted (R-KEY-01, R-KEY-07, R-KEY-08, R-KEY-09).

use identity::{Csr, CsrError, KeyType};

use crate::fixture::{csr, sequence};

#[test]
fn every_kind_of_key_is_taken_with_every_hash_that_is_sound() {
    for (name, key_type) in [
        ("p256_sha256", KeyType::P256),
        ("p256_sha384", KeyType::P256),
        ("p256_sha512", KeyType::P256),
        ("p384_sha256", KeyType::P384),
        ("p384_sha384", KeyType::P384),
        ("p384_sha512", KeyType::P384),
        ("ed25519", KeyType::Ed25519),
        ("rsa2048_sha256", KeyType::Rsa2048),
        ("rsa2048_sha384", KeyType::Rsa2048),
        ("rsa2048_sha512", KeyType::Rsa2048),
        ("rsa2048_pss_sha256", KeyType::Rsa2048),
        ("rsa2048_pss_sha384", KeyType::Rsa2048),
        ("rsa2048_pss_sha512", KeyType::Rsa2048),
        ("rsa3072", KeyType::Rsa3072),
        ("rsa4096", KeyType::Rsa4096),
        ("ca", KeyType::P256),
    ] {
        let der = csr(name);
        let read = Csr::from_der(&der).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.public_key().key_type(), key_type, "{name}");
        let spki = read.public_key().spki();
        assert!(der.windows(spki.len()).any(|window| window == spki), "{name}: byte for byte (R-5280-22)");
    }
}

#[test]
fn every_vector_that_must_be_refused_is_refused_for_its_own_reason() {
    for (name, reason) in [
        ("compressed", "KEY_MALFORMED"),
        ("ed_identity", "KEY_WEAK"),
        ("e3", "KEY_WEAK"),
        ("fermat", "KEY_WEAK"),
        ("rsa1024", "KEY_TYPE_NOT_ALLOWED"),
        ("rsa2047", "KEY_TYPE_NOT_ALLOWED"),
        ("secp256k1", "KEY_TYPE_NOT_ALLOWED"),
        ("brainpool", "KEY_TYPE_NOT_ALLOWED"),
        ("p192", "KEY_TYPE_NOT_ALLOWED"),
        ("p521", "KEY_TYPE_NOT_ALLOWED"),
        ("rsa_pss_key", "KEY_TYPE_NOT_ALLOWED"),
        ("explicit_curve", "KEY_MALFORMED"),
        ("p256_sha1", "PROOF_OF_POSSESSION_FAILED"),
        ("rsa2048_sha1", "PROOF_OF_POSSESSION_FAILED"),
        ("rsa2048_md5", "PROOF_OF_POSSESSION_FAILED"),
        ("rsa2048_pss_sha1", "PROOF_OF_POSSESSION_FAILED"),
        ("rsa2048_pss_salt20", "PROOF_OF_POSSESSION_FAILED"),
    ] {
        let error = Csr::from_der(&csr(name)).expect_err(name);
        assert_eq!(crate::fixture::reason(&error), reason, "{name}: {error}");
    }
}

#[test]
fn a_request_for_another_key_is_refused() {
    let (mine, other) = (csr("p256_sha256"), csr("p256_sha384"));
    let (mine_key, other_key) = (Csr::from_der(&mine).unwrap(), Csr::from_der(&other).unwrap());
    let swapped = replace(&mine, mine_key.public_key().spki(), other_key.public_key().spki());
    assert_eq!(Csr::from_der(&swapped), Err(CsrError::ProofOfPossession));
}

#[test]
fn one_flipped_bit_anywhere_is_refused() {
    let der = csr("p256_sha256");
    for bit in 0..der.len() * 8 {
        let mut flipped = der.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Csr::from_der(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn private_keys_and_pem_are_named_when_they_are_refused() {
    let key = rcgen::KeyPair::generate().unwrap();
    assert_eq!(Csr::from_der(key.serialize_pem().as_bytes()), Err(CsrError::PrivateKey), "R-KEY-13");
    assert_eq!(Csr::from_der(&key.serialize_der()), Err(CsrError::PrivateKey), "R-KEY-13");
    let pkcs12 = sequence(&[&[2, 1, 3], &sequence(&[])]);
    assert_eq!(Csr::from_der(&pkcs12), Err(CsrError::PrivateKey), "R-KEY-13");
    assert_eq!(Csr::from_der(b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB"), Err(CsrError::Pem));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
