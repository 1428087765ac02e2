//! OCSP requests and responses through the public API.

use std::time::Duration;

use identity::{ProfileName, RevocationReason};
use issuance::{
    CERT_IDS_MAX, OcspCertStatus, OcspError, OcspIssuer, OcspRequest, OcspSigner, Profile, SingleResponse,
    ocsp_response,
};
use proptest::prelude::*;

use crate::pki::{Key, issue, issuers, now};

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match content.len() {
        short @ 0..0x80 => vec![u8::try_from(short).unwrap()],
        long => [&[0x82][..], &u16::try_from(long).unwrap().to_be_bytes()].concat(),
    };
    let length = if let [0x82, 0, short] = length[..] { vec![0x81, short] } else { length };
    [&[tag][..], &length, &content].concat()
}

const SHA1: &[u8] = &[0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0];
const SHA256: &[u8] = &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA512: &[u8] = &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];

fn cert_id(algorithm: &[u8], name: &[u8], key: &[u8], serial: &[u8]) -> Vec<u8> {
    tlv(0x30, &[algorithm, &tlv(4, &[name]), &tlv(4, &[key]), &tlv(2, &[serial])])
}

fn request(cert_ids: &[Vec<u8>], extensions: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = cert_ids.iter().flat_map(|cert_id| tlv(0x30, &[cert_id])).collect();
    let explicit = match extensions {
        [] => vec![],
        some => tlv(0xa2, &[&tlv(0x30, &[&some.concat()])]),
    };
    tlv(0x30, &[&tlv(0x30, &[&tlv(0x30, &[&list]), &explicit])])
}

fn nonce(octets: &[u8]) -> Vec<u8> {
    let oid = [6, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 2];
    tlv(0x30, &[&oid, &tlv(4, &[&tlv(4, &[octets])])])
}

fn plain() -> Vec<u8> {
    cert_id(SHA1, &[1; 20], &[2; 20], &[0x45; 16])
}

#[test]
fn a_nonce_has_1_to_128_octets() {
    // R-OCSP-03: openssl sends 16, GnuTLS 23.
    for (length, good) in
        [(0, false), (1, true), (16, true), (23, true), (32, true), (128, true), (129, false)]
    {
        let octets = vec![7; length];
        let der = request(&[plain()], &[nonce(&octets)]);
        match OcspRequest::from_der(&der) {
            Ok(read) => assert_eq!((good, read.nonce), (true, Some(octets.as_slice()))),
            Err(error) => assert_eq!((good, error), (false, OcspError::MalformedRequest), "{length}"),
        }
    }
    let twice = request(&[plain()], &[nonce(&[1]), nonce(&[1])]);
    assert!(OcspRequest::from_der(&twice).is_err());
}

#[test]
fn one_request_is_about_1_to_20_certificates() {
    // R-OCSP-09.
    for count in 0..=CERT_IDS_MAX + 1 {
        let der = request(&vec![plain(); count], &[]);
        assert_eq!(OcspRequest::from_der(&der).is_ok(), (1..=CERT_IDS_MAX).contains(&count), "{count}");
    }
}

#[test]
fn a_request_that_is_signed_or_names_its_asker_is_read_and_critical_extensions_are_refused() {
    // R-OCSP-09.
    let list = tlv(0x30, &[&tlv(0x30, &[&plain()])]);
    let asker = tlv(0xa1, &[&tlv(0xa4, &[&[0x30, 0]])]);
    let signature = tlv(0xa0, &[&tlv(0x30, &[SHA256, &[3, 2, 0, 1]])]);
    let signed = tlv(0x30, &[&tlv(0x30, &[&asker, &list]), &signature]);
    assert_eq!(OcspRequest::from_der(&signed).unwrap().cert_ids.len(), 1);
    let unknown = |critical: &[u8]| tlv(0x30, &[&[6, 2, 0x2a, 3], critical, &[4, 2, 5, 0]]);
    assert!(OcspRequest::from_der(&request(&[plain()], &[unknown(&[])])).is_ok());
    assert!(OcspRequest::from_der(&request(&[plain()], &[unknown(&[1, 1, 0xff])])).is_err());
    let mut trailing = request(&[plain()], &[]);
    trailing.push(0);
    assert!(OcspRequest::from_der(&trailing).is_err());
    assert!(OcspRequest::from_der(&vec![0x30; 20_000]).is_err());
}

#[test]
fn an_issuer_is_known_by_sha1_and_sha256_and_by_nothing_else() {
    // R-OCSP-02.
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256 as SHA_256, SHA512 as SHA_512, digest};
    let (root, issuer) = issuers(ProfileName::Ldevid);
    let issuer = issuer.unwrap().certificate;
    let (ours, other) = (OcspIssuer::of(&issuer), OcspIssuer::of(&root.certificate));
    for (identifier, algorithm, known) in
        [(SHA1, &SHA1_FOR_LEGACY_USE_ONLY, true), (SHA256, &SHA_256, true), (SHA512, &SHA_512, false)]
    {
        let name = digest(algorithm, issuer.subject());
        let key = digest(algorithm, issuer.public_key().key_bits());
        let der = request(&[cert_id(identifier, name.as_ref(), key.as_ref(), &[0x45; 16])], &[]);
        let read = OcspRequest::from_der(&der).unwrap();
        assert_eq!(ours.matches(&read.cert_ids[0]), known);
        assert!(!other.matches(&read.cert_ids[0]));
        assert!(read.cert_ids[0].serial_number().is_some());
    }
    let der = request(&[cert_id(SHA1, &[1; 20], &[2; 20], &[1])], &[]);
    assert!(OcspRequest::from_der(&der).unwrap().cert_ids[0].serial_number().is_none());
}

#[test]
fn an_ocsp_response_repeats_the_clients_cert_id_and_nonce_and_carries_its_signer() {
    // R-OCSP-02, R-OCSP-03, R-OCSP-05, R-OCSP-06.
    let (_, issuer) = issuers(ProfileName::OcspSigner);
    let signer = issue(&Profile::standard(ProfileName::OcspSigner), issuer.as_ref(), Key::fresh(), 9);
    let responder = OcspSigner::new(&signer.certificate).unwrap();
    let (first, second) = (plain(), cert_id(SHA256, &[1; 32], &[2; 32], &[0x46; 16]));
    let answer = |cert_id, status| SingleResponse {
        cert_id,
        status,
        this_update: now(),
        next_update: now() + Duration::from_secs(60),
    };
    let revoked = OcspCertStatus::Revoked { at: now(), reason: RevocationReason::KeyCompromise };
    let answers = [answer(&first, revoked), answer(&second, OcspCertStatus::Unknown)];
    let prepared = ocsp_response(&answers, &responder, now(), Some(&[5; 23])).unwrap();
    let signature = signer.key.sign(prepared.to_be_signed());
    let der = prepared.seal(&signature).unwrap();
    for part in [&first[..], &second, &[5; 23], signer.certificate.der(), &signature] {
        assert!(der.windows(part.len()).any(|window| window == part));
    }
    identity::der::check_values(&der).unwrap();
}

#[test]
fn an_error_has_five_octets() {
    // R-OCSP-10.
    let bodies = [
        (OcspError::MalformedRequest, 1),
        (OcspError::InternalError, 2),
        (OcspError::TryLater, 3),
        (OcspError::Unauthorized, 6),
    ];
    for (error, code) in bodies {
        assert_eq!(error.der(), [0x30, 3, 0x0a, 1, code]);
    }
}

proptest! {
    #[test]
    fn no_request_makes_the_reader_panic(at in 0_usize..100, octet: u8, cut in 0_usize..120) {
        let mut der = request(&[plain()], &[nonce(&[1; 16])]);
        if let Some(place) = der.get_mut(at) {
            *place = octet;
        }
        der.truncate(cut.max(1));
        if let Ok(read) = OcspRequest::from_der(&der) {
            prop_assert!(!read.cert_ids.is_empty());
        }
    }
}
