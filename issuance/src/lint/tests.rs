//! Each test breaks one rule in the bytes, and the lint names it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::der::{INTEGER, SEQUENCE, only};

use super::*;
use crate::draft::issuer_part;
use crate::reading::oid;
use crate::{Certificate, Names, Profile, Request, Subject, draft, encode};

/// A P-256 key of the golden files.
fn key() -> PublicKey {
    let root = Certificate::from_der(include_bytes!("../../tests/goldens/root.der")).unwrap();
    root.public_key().clone()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn serial() -> SerialNumber {
    SerialNumber::try_from([0x45; 16].as_slice()).unwrap()
}

fn issuer(profile: ProfileName) -> Certificate {
    let golden: &[u8] = match profile {
        ProfileName::Idevid => include_bytes!("../../tests/goldens/factory-ca.der"),
        ProfileName::Ldevid | ProfileName::OcspSigner => {
            include_bytes!("../../tests/goldens/operational-ca.der")
        }
        ProfileName::Credential(identity::Role::Service) => {
            include_bytes!("../../tests/goldens/infrastructure-ca.der")
        }
        _ => include_bytes!("../../tests/goldens/root.der"),
    };
    Certificate::from_der(golden).unwrap()
}

fn subject(profile: ProfileName) -> Subject {
    match profile {
        ProfileName::Idevid | ProfileName::Ldevid => Subject::Device("cam-2/SN1".parse().unwrap()),
        ProfileName::Credential(identity::Role::Service) => Subject::Service(
            "ca".parse().unwrap(),
            Names { dns: vec!["localhost".into()], addresses: vec![] },
        ),
        ProfileName::OcspSigner => Subject::Principal("ocsp-operational".parse().unwrap()),
        ProfileName::Document => Subject::Principal("document-signer".parse().unwrap()),
        _ => Subject::Issuer("Factory".into()),
    }
}

/// The fields of a to-be-signed certificate.
struct Pieces {
    fields: Vec<Vec<u8>>,
    extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
}

impl Pieces {
    /// A correct certificate of the profile with every extension that the profile can have.
    fn of(profile: ProfileName) -> Self {
        let mut shipped = Profile::standard(profile);
        shipped.crl_base_url = Some("http://ca.test".into());
        shipped.ocsp_url = Some("http://ca.test/ocsp".into());
        shipped.hardware_type = Some(vec![1, 3, 6, 1, 4, 1, 32473, 1]);
        let request =
            Request { public_key: key(), subject: subject(profile), lifetime: None, shard: Some(0) };
        let issuer = issuer(profile);
        let prepared = draft(request, &shipped, "Example Works", Some(&issuer), serial(), now())
            .unwrap()
            .prepare()
            .unwrap();
        let tbs = prepared.to_be_signed();
        let mut elements = only(tbs, SEQUENCE).unwrap().elements().unwrap();
        let mut fields = Vec::new();
        while !elements.is_empty() {
            fields.push(elements.any().unwrap().raw.to_vec());
        }
        fields.pop();
        let extensions = Reading::of(tbs).unwrap().extensions;
        let extensions = extensions
            .iter()
            .map(|found| (found.oid.to_vec(), found.critical, found.value.to_vec()))
            .collect();
        Self { fields, extensions }
    }

    fn extension(&mut self, oid: &[u8]) -> &mut (Vec<u8>, bool, Vec<u8>) {
        self.extensions.iter_mut().find(|(found, ..)| found == oid).unwrap()
    }

    fn without(&mut self, oid: &[u8]) {
        self.extensions.retain(|(found, ..)| found != oid);
    }

    fn add(&mut self, oid: &[u8], critical: bool, value: &[u8]) {
        self.extensions.push((oid.to_vec(), critical, value.to_vec()));
    }

    fn bytes(&self) -> Vec<u8> {
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(oid, critical, value)| {
                let critical: &[u8] = if *critical { &[1, 1, 0xff] } else { &[] };
                tlv(0x30, &[&tlv(6, &[oid]), critical, &tlv(4, &[value])])
            })
            .collect();
        let fields = self.fields.concat();
        tlv(0x30, &[&fields, &tlv(0xa3, &[&tlv(0x30, &[&extensions])])])
    }
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::header(&mut out, tag, parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// The rule that the lint names after `spoil`; `None` when it finds nothing.
fn found(profile: ProfileName, spoil: impl FnOnce(&mut Pieces)) -> Option<&'static str> {
    let mut pieces = Pieces::of(profile);
    spoil(&mut pieces);
    let (issuer, key) = (issuer(profile), key());
    let validity = |seconds| Validity::new(now() - Duration::from_secs(3_600), seconds).unwrap();
    let not_after = match profile {
        ProfileName::Ldevid => now() + Duration::from_secs(30 * 86_400),
        ProfileName::Credential(identity::Role::Service) => now() + Duration::from_secs(90 * 86_400),
        ProfileName::OcspSigner => now() + Duration::from_secs(13 * 86_400),
        ProfileName::Document => now() + Duration::from_secs(1_825 * 86_400),
        _ => identity::no_well_defined_expiration(),
    };
    let issuer = issuer_part(&issuer).unwrap();
    let expected = Expected {
        profile,
        algorithm: SignatureAlgorithm::EcdsaP256Sha256,
        serial_number: serial(),
        validity: validity(not_after),
        public_key: &key,
        issuer: Some(&issuer),
    };
    lint(&pieces.bytes(), &expected).err().map(|broken| broken.rule)
}

/// The rule, the profile, and the change that breaks it.
type Row = (&'static str, ProfileName, Box<dyn FnOnce(&mut Pieces)>);

const FACTORY: ProfileName = ProfileName::FactoryCa;
const IDEVID: ProfileName = ProfileName::Idevid;
const LDEVID: ProfileName = ProfileName::Ldevid;
const SERVICE: ProfileName = ProfileName::Credential(identity::Role::Service);
const OCSP: ProfileName = ProfileName::OcspSigner;
const DOCUMENT: ProfileName = ProfileName::Document;

#[test]
fn good_certificates_pass() {
    for profile in [FACTORY, IDEVID, LDEVID, SERVICE, OCSP, DOCUMENT] {
        assert_eq!(found(profile, |_| ()), None, "{profile}");
    }
}

#[test]
fn a_wrong_field_is_named_by_its_rule() {
    let utc: &[u8] = b"261121230000Z";
    let table: Vec<Row> = vec![
        ("R-AR-01", IDEVID, Box::new(|p| p.fields[0] = vec![0xa0, 3, INTEGER, 1, 1])),
        ("R-5280-01", IDEVID, Box::new(|p| p.fields[1] = vec![INTEGER, 1, 1])),
        ("R-5280-20", IDEVID, Box::new(|p| p.fields[1] = vec![INTEGER, 2, 0, 1])),
        ("R-5280-03", IDEVID, Box::new(|p| p.fields[2] = tlv(0x30, &[&p.fields[2][2..], &[5, 0]]))),
        ("R-5280-04", IDEVID, Box::new(|p| p.fields[3] = p.fields[5].clone())),
        (
            "R-5280-05",
            IDEVID,
            Box::new(move |p| p.fields[4] = tlv(0x30, &[&tlv(0x17, &[utc]), &tlv(0x17, &[utc])])),
        ),
        (
            "R-5280-05",
            LDEVID,
            Box::new(|p| {
                let late = [&tlv(0x18, &[b"20261121230000Z"])[..], &tlv(0x17, &[b"261222000000Z"])].concat();
                p.fields[4] = tlv(0x30, &[&late]);
            }),
        ),
        ("R-AR-03", IDEVID, Box::new(|p| p.fields[5] = tlv(0x30, &[]))),
        ("R-AR-03", IDEVID, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 3], 0x0c, "only a name"))),
        ("R-AR-03", IDEVID, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 5], 0x0c, "SN1"))),
        ("R-AR-03", IDEVID, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 5], 0x13, &"S".repeat(65)))),
        ("R-5280-18", SERVICE, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 3], 0x0c, &"n".repeat(65)))),
        ("R-5280-18", SERVICE, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 3], 0x16, "ia5"))),
        ("R-5280-18", SERVICE, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 3], 0x0c, "nul\0"))),
        ("R-5280-18", SERVICE, Box::new(|p| p.fields[5] = rdn(&[0x55, 4, 6], 0x13, "DEU"))),
        ("R-5280-20", IDEVID, Box::new(|p| p.fields.push(tlv(0x81, &[&[0, 1]])))),
        ("R-5280-22", IDEVID, Box::new(|p| *p.fields[6].last_mut().unwrap() ^= 1)),
    ];
    for (rule, profile, spoil) in table {
        assert_eq!(found(profile, spoil), Some(rule));
    }
}

#[test]
fn a_wrong_extension_is_named_by_its_rule() {
    let other_purpose = tlv(0x30, &[&tlv(6, &[&[0x2b, 6, 1, 5, 5, 7, 3, 3]])]);
    let server = tlv(0x30, &[&tlv(6, &[&[0x2b, 6, 1, 5, 5, 7, 3, 1]])]);
    let any = tlv(0x30, &[&tlv(6, &[&[0x55, 0x1d, 37, 0]])]);
    let (any_too, server_too) = (any.clone(), server.clone());
    let purposes = |last: [u8; 2]| {
        let purpose = |last| tlv(6, &[&[0x2b, 6, 1, 5, 5, 7, 3, last]]);
        tlv(0x30, &[&purpose(last[0]), &purpose(last[1])])
    };
    let (ocsp_too, client_too) = (purposes([2, 9]), purposes([9, 2]));
    let (mail_too, client_and_mail) = (purposes([2, 4]), purposes([4, 2]));
    let table: Vec<Row> = vec![
        ("R-AR-05", IDEVID, Box::new(|p| p.without(oid::AUTHORITY_KEY_IDENTIFIER))),
        ("R-AR-05", IDEVID, Box::new(|p| p.extension(oid::AUTHORITY_KEY_IDENTIFIER).2[5] ^= 1)),
        (
            "R-AR-05",
            LDEVID,
            Box::new(|p| p.extension(oid::AUTHORITY_KEY_IDENTIFIER).2 = tlv(0x30, &[&tlv(0x82, &[&[1]])])),
        ),
        ("R-AR-06", IDEVID, Box::new(|p| p.add(oid::SUBJECT_KEY_IDENTIFIER, false, &tlv(4, &[&[1; 20]])))),
        ("R-5280-08", LDEVID, Box::new(|p| p.extension(oid::SUBJECT_KEY_IDENTIFIER).2[3] ^= 1)),
        ("R-5280-08", FACTORY, Box::new(|p| p.without(oid::SUBJECT_KEY_IDENTIFIER))),
        ("R-AR-07", IDEVID, Box::new(|p| p.extension(oid::KEY_USAGE).2 = vec![3, 2, 5, 0xa0])),
        ("R-AR-07", IDEVID, Box::new(|p| p.extension(oid::KEY_USAGE).1 = false)),
        ("R-5280-12", LDEVID, Box::new(|p| p.without(oid::KEY_USAGE))),
        ("R-5280-11", FACTORY, Box::new(|p| p.extension(oid::KEY_USAGE).2 = vec![3, 2, 7, 0x80])),
        (
            "R-AR-08",
            IDEVID,
            Box::new(|p| p.extension(oid::SUBJECT_ALT_NAME).2 = tlv(0x30, &[&tlv(0x82, &[b"cam"])])),
        ),
        ("R-AR-10", IDEVID, Box::new(move |p| p.add(oid::EXTENDED_KEY_USAGE, false, &other_purpose))),
        ("R-AR-10", IDEVID, Box::new(move |p| p.add(oid::EXTENDED_KEY_USAGE, false, &any))),
        ("R-AR-10", FACTORY, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = any_too)),
        ("R-AR-11", IDEVID, Box::new(|p| p.add(oid::BASIC_CONSTRAINTS, true, &[0x30, 3, 1, 1, 0xff]))),
        ("R-5280-10", FACTORY, Box::new(|p| p.without(oid::BASIC_CONSTRAINTS))),
        ("R-5280-10", FACTORY, Box::new(|p| p.extension(oid::BASIC_CONSTRAINTS).1 = false)),
        (
            "R-5280-10",
            FACTORY,
            Box::new(|p| p.extension(oid::BASIC_CONSTRAINTS).2 = vec![0x30, 3, 1, 1, 0xff]),
        ),
        ("R-5280-10", FACTORY, Box::new(|p| p.extension(oid::BASIC_CONSTRAINTS).2[7] = 1)),
        ("R-5280-13", FACTORY, Box::new(|p| p.add(oid::NAME_CONSTRAINTS, false, &[0x30, 0]))),
        ("R-5280-13", FACTORY, Box::new(|p| p.without(oid::EXTENDED_KEY_USAGE))),
        ("R-5280-13", FACTORY, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = server)),
        ("R-5280-14", LDEVID, Box::new(|p| p.add(oid::CERTIFICATE_POLICIES, true, &[0x30, 0]))),
        ("R-5280-15", LDEVID, Box::new(|p| p.extension(oid::EXTENDED_KEY_USAGE).1 = true)),
        ("R-5280-15", SERVICE, Box::new(|p| p.extension(oid::SUBJECT_ALT_NAME).1 = true)),
        ("R-5280-16", LDEVID, Box::new(|p| p.extension(oid::CRL_DISTRIBUTION_POINTS).2[10] = b'f')),
        ("R-5280-17", LDEVID, Box::new(|p| p.extension(oid::AUTHORITY_INFORMATION_ACCESS).2[13] = 9)),
        ("R-5280-19", LDEVID, Box::new(|p| p.extensions.push(p.extensions[0].clone()))),
        ("R-5280-20", LDEVID, Box::new(|p| p.extension(oid::KEY_USAGE).2 = vec![3, 3, 7, 0x80])),
        ("R-5280-21", LDEVID, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = server_too)),
        ("R-5280-21", SERVICE, Box::new(|p| p.without(oid::SUBJECT_ALT_NAME))),
        ("R-OCSP-06", OCSP, Box::new(|p| p.without(oid::OCSP_NO_CHECK))),
        ("R-OCSP-06", LDEVID, Box::new(|p| p.add(oid::OCSP_NO_CHECK, false, &[5, 0]))),
        ("R-OCSP-06", OCSP, Box::new(|p| p.without(oid::EXTENDED_KEY_USAGE))),
        ("R-OCSP-06", LDEVID, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = ocsp_too)),
        ("R-OCSP-06", OCSP, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = client_too)),
        ("R-DOC-01", DOCUMENT, Box::new(|p| p.without(oid::EXTENDED_KEY_USAGE))),
        ("R-DOC-01", DOCUMENT, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = client_and_mail)),
        ("R-DOC-01", LDEVID, Box::new(move |p| p.extension(oid::EXTENDED_KEY_USAGE).2 = mail_too)),
        ("R-5280-23", LDEVID, Box::new(|p| p.add(&[0x2a, 3], false, &[5, 0]))),
    ];
    for (number, (rule, profile, spoil)) in table.into_iter().enumerate() {
        assert_eq!(found(profile, spoil), Some(rule), "row {number}, {profile}");
    }
}

fn rdn(oid: &[u8], tag: u8, value: &str) -> Vec<u8> {
    let attribute = tlv(0x30, &[&tlv(6, &[oid]), &tlv(tag, &[value.as_bytes()])]);
    tlv(0x30, &[&tlv(0x31, &[&attribute])])
}
