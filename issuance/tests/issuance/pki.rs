//! A small PKI with real keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use identity::{ProfileName, PublicKey, SerialNumber};
use issuance::{Certificate, Names, Profile, Request, Subject, draft};

pub const ORGANIZATION: &str = "Example Works";

/// 2026-11-22T00:00:00Z.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

pub struct Key(EcdsaKeyPair);

impl Key {
    pub fn fresh() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn public(&self) -> PublicKey {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        PublicKey::from_spki(der.as_ref()).unwrap()
    }

    pub fn sign_digest(&self, digest: &[u8]) -> Vec<u8> {
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest, &aws_lc_rs::digest::SHA256).unwrap();
        self.0.sign_digest(&digest).unwrap().as_ref().to_vec()
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

pub fn serial(n: u8) -> SerialNumber {
    let mut octets = [n; 16];
    octets[0] = 0x40 | (n & 0x3f);
    SerialNumber::try_from(octets.as_slice()).unwrap()
}

/// A subject that fits the profile.
pub fn subject(profile: ProfileName) -> Subject {
    match profile {
        ProfileName::Root => Subject::Issuer("Example Works Root".into()),
        ProfileName::FactoryCa => Subject::Issuer("Example Works Factory".into()),
        ProfileName::OperationalCa => Subject::Issuer("Example Works Operational".into()),
        ProfileName::InfrastructureCa => Subject::Issuer("Example Works Infrastructure".into()),
        ProfileName::Idevid | ProfileName::Ldevid => Subject::Device("cam-2/SN000123".parse().unwrap()),
        ProfileName::Credential(identity::Role::Service) => Subject::Service(
            "ca".parse().unwrap(),
            Names {
                dns: vec!["localhost".into(), "ca.example.test".into()],
                addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            },
        ),
        ProfileName::Credential(identity::Role::Station) => Subject::Principal("line-3".parse().unwrap()),
        ProfileName::Credential(identity::Role::Operator) => Subject::Principal("admin".parse().unwrap()),
        ProfileName::Credential(_) => Subject::Principal("broker".parse().unwrap()),
        ProfileName::OcspSigner => Subject::Principal("ocsp-operational".parse().unwrap()),
        ProfileName::Document => Subject::Principal("document-signer".parse().unwrap()),
    }
}

pub fn request(profile: ProfileName, key: &Key) -> Request {
    Request { public_key: key.public(), subject: subject(profile), lifetime: None, shard: None }
}

impl From<EcdsaKeyPair> for Key {
    fn from(pair: EcdsaKeyPair) -> Self {
        Self(pair)
    }
}

/// A certificate and its key.
pub struct Holder {
    pub certificate: Certificate,
    pub key: Key,
}

/// Issues under `issuer`, or a self-signed root.
pub fn issue(profile: &Profile, issuer: Option<&Holder>, key: Key, n: u8) -> Holder {
    let prepared = draft(
        request(profile.name, &key),
        profile,
        ORGANIZATION,
        issuer.map(|issuer| &issuer.certificate),
        serial(n),
        now(),
    )
    .and_then(issuance::Draft::prepare)
    .unwrap();
    let signature = issuer.map_or(&key, |issuer| &issuer.key).sign(prepared.to_be_signed());
    Holder { certificate: prepared.seal(&signature).unwrap(), key }
}

/// The root and the issuer that the profile's certificates have.
pub fn issuers(profile: ProfileName) -> (Holder, Option<Holder>) {
    let root = issue(&Profile::standard(ProfileName::Root), None, Key::fresh(), 1);
    let name = match Profile::standard(profile).issuer {
        identity::IssuerName::Root => return (root, None),
        identity::IssuerName::Factory => ProfileName::FactoryCa,
        identity::IssuerName::Operational => ProfileName::OperationalCa,
        identity::IssuerName::Infrastructure => ProfileName::InfrastructureCa,
    };
    let issuer = issue(&Profile::standard(name), Some(&root), Key::fresh(), 2);
    (root, Some(issuer))
}
