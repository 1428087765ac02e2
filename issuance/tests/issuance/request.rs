//! Only the key of a request is used (R-5280-21), byte for byte (R-5280-22).

use identity::{Csr, KeyType, ProfileName};
use issuance::{Draft, Profile, Request, draft};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;

use crate::pki::{ORGANIZATION, issuers, now, serial, subject};

fn csr(name: &str) -> Csr {
    let file = format!("{}/../tests/fixtures/csr/csr_{name}.pem", env!("CARGO_MANIFEST_DIR"));
    Csr::from_der(&CertificateSigningRequestDer::from_pem_file(file).unwrap()).unwrap()
}

/// A device certificate without its key and signature, for this request.
fn issued(name: &str) -> (Vec<u8>, Vec<u8>) {
    let (_, factory) = issuers(ProfileName::Idevid);
    let mut profile = Profile::standard(ProfileName::Idevid);
    profile.key_types =
        vec![KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa2048, KeyType::Rsa4096];
    let public_key = csr(name).public_key().clone();
    let spki = public_key.spki().to_vec();
    let request = Request { public_key, subject: subject(ProfileName::Idevid), lifetime: None, shard: None };
    let prepared =
        draft(request, &profile, ORGANIZATION, Some(&factory.unwrap().certificate), serial(3), now())
            .and_then(Draft::prepare)
            .unwrap();
    (prepared.to_be_signed().to_vec(), spki)
}

#[test]
fn the_key_of_every_kind_of_request_is_in_the_certificate_byte_for_byte() {
    for name in
        ["p256_sha384", "p256_sha512", "p384_sha256", "ed25519", "rsa2048_pss_sha256", "rsa4096", "ca"]
    {
        let (tbs, spki) = issued(name);
        assert_eq!(tbs.windows(spki.len()).filter(|window| *window == spki).count(), 1, "{name} (R-5280-22)");
    }
}

#[test]
fn a_request_for_a_ca_gets_what_every_device_gets() {
    // R-5280-21, R-AR-11.
    let ((asked, asked_key), (plain, plain_key)) = (issued("ca"), issued("p256_sha256"));
    let identifier =
        |tbs: &[u8]| tbs.windows(6).position(|window| window == [0x30, 0x16, 0x80, 0x14, 0, 0]).is_some();
    assert!(!identifier(&asked));
    assert_eq!(asked.len(), plain.len());
    let cut = |tbs: &[u8], spki: &[u8]| tbs.windows(spki.len()).position(|window| window == spki).unwrap();
    let (asked_at, plain_at) = (cut(&asked, &asked_key), cut(&plain, &plain_key));
    assert_eq!(asked[..asked_at], plain[..plain_at], "before the key");
    let basic_constraints = [6, 3, 0x55, 0x1d, 19];
    assert!(!asked.windows(5).any(|window| window == basic_constraints));
}
