//! Golden DER of each profile: a changed byte is seen.

use std::path::PathBuf;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use identity::{
    IssuerName, ProfileName,
    der::{SEQUENCE, only},
};
use issuance::{Certificate, Draft, Profile, draft};

use crate::pki::{Holder, Key, ORGANIZATION, now, request, serial};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

fn key(name: &str) -> Key {
    let pkcs8 = std::fs::read(file(&format!("{name}.key.der"))).unwrap();
    Key::from(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap())
}

fn key_of(profile: ProfileName) -> Key {
    key(match profile {
        ProfileName::Root => "root",
        ProfileName::FactoryCa => "factory",
        ProfileName::OperationalCa => "operational",
        ProfileName::InfrastructureCa => "infrastructure",
        _ => "leaf",
    })
}

fn profile_of(issuer: IssuerName) -> ProfileName {
    match issuer {
        IssuerName::Root => ProfileName::Root,
        IssuerName::Factory => ProfileName::FactoryCa,
        IssuerName::Operational => ProfileName::OperationalCa,
        IssuerName::Infrastructure => ProfileName::InfrastructureCa,
    }
}

/// The profile's certificate; its signature is the golden one when that verifies (ECDSA signatures are
/// random).
fn make(name: ProfileName) -> Holder {
    let profile = Profile::standard(name);
    let key = key_of(name);
    let issuer = (name != ProfileName::Root).then(|| make(profile_of(profile.issuer)));
    let number = serial(number_of(name));
    let certificate = issuer.as_ref().map(|issuer| &issuer.certificate);
    let prepared = draft(request(name, &key), &profile, ORGANIZATION, certificate, number, now())
        .and_then(Draft::prepare)
        .unwrap();
    let signer = issuer.as_ref().map_or(&key, |issuer| &issuer.key);
    let signature = std::fs::read(file(&format!("{name}.der")))
        .ok()
        .map(|golden| signature(&golden))
        .filter(|signature| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, signer.public().key_bits())
                .verify(prepared.to_be_signed(), signature)
                .is_ok()
        })
        .unwrap_or_else(|| signer.sign(prepared.to_be_signed()));
    Holder { certificate: prepared.seal(&signature).unwrap(), key }
}

/// The serial numbers of the golden certificates count the profiles, servers before other credentials.
fn number_of(name: ProfileName) -> u8 {
    let last = |name: &ProfileName| match name {
        ProfileName::OcspSigner => 1,
        ProfileName::Document => 2,
        _ => 0,
    };
    let credential = |name: &ProfileName| matches!(name, ProfileName::Credential(_)) && !name.is_server();
    let mut names: Vec<_> = ProfileName::all().collect();
    names.sort_by_key(|name| (last(name), credential(name)));
    1 + names.iter().position(|other| *other == name).unwrap() as u8
}

fn signature(certificate: &[u8]) -> Vec<u8> {
    let mut fields = only(certificate, SEQUENCE).unwrap().elements().unwrap();
    fields.any().unwrap();
    fields.any().unwrap();
    fields.any().unwrap().content[1..].to_vec()
}

#[test]
fn a_certificate_of_every_profile_is_byte_for_byte_the_golden_one() {
    let update = std::env::var_os("TOUCHMARK_UPDATE_GOLDENS").is_some();
    for name in ProfileName::all() {
        let made = make(name).certificate;
        let path = file(&format!("{name}.der"));
        if update {
            std::fs::write(&path, made.der()).unwrap();
        }
        let golden = std::fs::read(&path).unwrap();
        assert!(golden == made.der(), "{name} differs from {}: is that meant?", path.display());
        assert_eq!(Certificate::from_der(&golden).unwrap().serial_number(), made.serial_number());
    }
}
