//! Requests must be strict DER (R-5280-20). Every request here has a signature that would verify.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use identity::{CSR_BYTES_MAX, Csr, CsrError};
use proptest::prelude::{any, prop};
use proptest::{prop_assert, proptest};

use crate::fixture::{P256, bits, csr, sequence, spki, tlv};

const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const VERSION: &[u8] = &[2, 1, 0];
const NO_ATTRIBUTES: &[u8] = &[0xa0, 0];

/// A request over these bytes of CertificationRequestInfo, made by `info` from the key's
/// SubjectPublicKeyInfo.
fn signed(info: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let info = info(&spki(P256, key.public_key().as_ref()));
    let signature = key.sign(&SystemRandom::new(), &info).unwrap();
    sequence(&[&info, ECDSA_SHA256, &bits(signature.as_ref())])
}

fn with_attributes(attributes: &[&[u8]]) -> Vec<u8> {
    signed(|spki| sequence(&[VERSION, &sequence(&[]), spki, &tlv(0xa0, attributes)]))
}

#[test]
fn a_request_in_strict_der_is_taken() {
    Csr::from_der(&signed(|spki| sequence(&[VERSION, &sequence(&[]), spki, NO_ATTRIBUTES]))).unwrap();
}

#[test]
fn what_is_not_strict_der_is_refused_though_its_signature_verifies() {
    let name = sequence(&[]);
    let refused: Vec<(&str, Vec<u8>)> = vec![
        ("version 1", signed(|spki| sequence(&[&[2, 1, 1], &name, spki, NO_ATTRIBUTES]))),
        ("version in two octets", signed(|spki| sequence(&[&[2, 2, 0, 0], &name, spki, NO_ATTRIBUTES]))),
        ("no attributes field", signed(|spki| sequence(&[VERSION, &name, spki]))),
        ("a field too many", signed(|spki| sequence(&[VERSION, &name, spki, NO_ATTRIBUTES, &[5, 0]]))),
        (
            "long form of a short length",
            signed(|spki| sequence(&[VERSION, &[0x30, 0x81, 0], spki, NO_ATTRIBUTES])),
        ),
        ("indefinite length", signed(|spki| sequence(&[VERSION, &[0x30, 0x80, 0, 0], spki, NO_ATTRIBUTES]))),
        (
            "an extra element in the key",
            signed(|spki| {
                let extended = sequence(&[&spki[2..], &[5, 0]]);
                sequence(&[VERSION, &name, &extended, NO_ATTRIBUTES])
            }),
        ),
        (
            "a name that is not in order",
            signed(|spki| {
                let (b, a) = (attribute(b"b"), attribute(b"a"));
                sequence(&[VERSION, &sequence(&[&tlv(0x31, &[&b, &a])]), spki, NO_ATTRIBUTES])
            }),
        ),
        ("a BOOLEAN of 1", with_attributes(&[&extension_request(&[1, 1, 1])])),
        ("a default that is written", with_attributes(&[&extension_request(&[1, 1, 0])])),
        ("attributes that are not in order", with_attributes(&[&unknown(2), &unknown(1)])),
        ("unused bits that are set", with_attributes(&[&holding(&[3, 2, 4, 0xff])])),
        ("a negative zero of an INTEGER", with_attributes(&[&holding(&[2, 2, 0xff, 0x80])])),
        ("a UTCTime without seconds", with_attributes(&[&holding(&tlv(0x17, &[b"2611220000Z"]))])),
        ("a letter outside PrintableString", with_attributes(&[&holding(&tlv(0x13, &[b"a_b"]))])),
    ];
    for (what, der) in refused {
        let said = Csr::from_der(&der).unwrap_err();
        assert!(matches!(said, CsrError::NotDer(_)), "{what}: {said}");
        assert_ne!(
            said.to_string(),
            "the certificate request is not PKCS#10 in strict DER: the certificate request is not strict DER",
            "{what}"
        );
    }
}

#[test]
fn trailing_and_missing_bytes_are_refused() {
    let der = csr("p256_sha256");
    assert!(matches!(Csr::from_der(&[&der[..], &[0]].concat()), Err(CsrError::NotDer(_))));
    for length in 0..der.len() {
        assert!(matches!(Csr::from_der(&der[..length]), Err(CsrError::NotDer(_))), "{length} bytes");
    }
}

#[test]
fn a_request_over_the_limit_is_refused_before_it_is_read() {
    for bytes in [CSR_BYTES_MAX + 1, 64 * 1024 + 1] {
        assert_eq!(Csr::from_der(&vec![0x30; bytes]), Err(CsrError::TooLarge { bytes }));
    }
    assert!(matches!(Csr::from_der(&vec![0x30; CSR_BYTES_MAX]), Err(CsrError::NotDer(_))));
}

#[test]
fn a_thousand_levels_are_refused_without_a_stack_overflow() {
    let deep = (0..1_000).fold(vec![5, 0], |inner, _| tlv(0x30, &[&inner]));
    assert!(matches!(Csr::from_der(&with_attributes(&[&holding(&deep)])), Err(CsrError::NotDer(_))));
}

#[test]
fn extensions_and_challenge_passwords_are_passed_over() {
    let challenge = sequence(&[
        &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7],
        &tlv(0x31, &[&tlv(0x0c, &[b"secret"])]),
    ]);
    Csr::from_der(&with_attributes(&[&challenge, &extension_request(&[1, 1, 0xff])])).unwrap();
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(Csr::from_der(&bytes).is_err());
        prop_assert!(identity::PublicKey::from_spki(&bytes).is_err());
    }

    #[test]
    fn mutated_requests_never_panic_and_what_is_taken_is_in_the_bytes(
        name in prop::sample::select(vec!["p256_sha256", "ed25519", "rsa2048_pss_sha256", "ca", "p384_sha512"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut der = csr(name);
        for (index, byte) in edits {
            let at = index.index(der.len());
            der[at] = byte;
        }
        if let Ok(read) = Csr::from_der(&der) {
            let spki = read.public_key().spki();
            prop_assert!(der.windows(spki.len()).any(|window| window == spki));
        }
    }
}

fn attribute(value: &[u8]) -> Vec<u8> {
    sequence(&[&[6, 3, 0x55, 4, 3], &tlv(0x0c, &[value])])
}

fn extension_request(critical: &[u8]) -> Vec<u8> {
    let extension = sequence(&[&[6, 3, 0x55, 0x1d, 19], critical, &[4, 2, 0x30, 0]]);
    sequence(&[
        &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14],
        &tlv(0x31, &[&sequence(&[&extension])]),
    ])
}

fn unknown(n: u8) -> Vec<u8> {
    sequence(&[&[6, 2, 0x2a, n], &tlv(0x31, &[&[5, 0]])])
}

fn holding(value: &[u8]) -> Vec<u8> {
    sequence(&[&[6, 2, 0x2a, 1], &tlv(0x31, &[value])])
}
