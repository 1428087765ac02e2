//! The limits of each rule.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{ProfileName, SerialNumber};
use issuance::{
    Certificate, Draft, ExtendedKeyUsage, KeyUsage, Names, Prepared, Profile, Refusal, Request, Subject,
    draft,
};

use crate::pki::{Holder, Key, ORGANIZATION, issue, issuers, now, request, serial};

fn root() -> Holder {
    issue(&Profile::standard(ProfileName::Root), None, Key::fresh(), 1)
}

fn factory(root: &Holder) -> Holder {
    issue(&Profile::standard(ProfileName::FactoryCa), Some(root), Key::fresh(), 2)
}

fn prepare(
    request: Request,
    profile: &Profile,
    organization: &str,
    issuer: Option<&Certificate>,
    now: SystemTime,
) -> Result<Prepared, Refusal> {
    draft(request, profile, organization, issuer, serial(7), now).and_then(Draft::prepare)
}

fn rule(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Lint(finding) => finding.rule,
        other => panic!("{other}"),
    }
}

#[test]
fn times_are_utc_through_2049_and_generalized_from_2050() {
    // R-5280-05: the last second of 2049, the first of 2050.
    let profile = Profile { backdate: Duration::ZERO, ..Profile::standard(ProfileName::Root) };
    let end_of_2049 = UNIX_EPOCH + Duration::from_secs(2_524_607_999);
    for (not_before, wanted) in [
        (end_of_2049, &b"\x17\x0d491231235959Z"[..]),
        (end_of_2049 + Duration::from_millis(999), b"\x17\x0d491231235959Z"),
        (end_of_2049 + Duration::from_secs(1), b"\x18\x0f20500101000000Z"),
        (UNIX_EPOCH, b"\x17\x0d700101000000Z"),
    ] {
        let key = Key::fresh();
        let prepared =
            prepare(request(ProfileName::Root, &key), &profile, ORGANIZATION, None, not_before).unwrap();
        let tbs = prepared.to_be_signed();
        assert!(
            tbs.windows(wanted.len()).any(|window| window == wanted),
            "{}",
            String::from_utf8_lossy(wanted)
        );
        // R-AR-02: 18 0f and the year 9999.
        let no_end = b"\x18\x0f99991231235959Z";
        assert!(tbs.windows(no_end.len()).any(|window| window == no_end));
    }
}

#[test]
fn a_leaf_never_outlives_its_issuer_except_a_birth_certificate() {
    // R-5280-07.
    let day = Duration::from_secs(86_400);
    let (root, _) = issuers(ProfileName::Root);
    let short = |name| Profile { lifetime: Some(10 * day), ..Profile::standard(name) };
    let operational = issue(&short(ProfileName::OperationalCa), Some(&root), Key::fresh(), 2);
    let ldevid = Profile::standard(ProfileName::Ldevid);
    let leaf = issue(&ldevid, Some(&operational), Key::fresh(), 3);
    assert_eq!(leaf.certificate.validity().not_after(), operational.certificate.validity().not_after());
    let asked = Request { lifetime: Some(11 * day), ..request(ProfileName::Ldevid, &Key::fresh()) };
    assert!(matches!(
        prepare(asked, &ldevid, ORGANIZATION, Some(&operational.certificate), now()),
        Err(Refusal::Forbidden { .. })
    ));
    let factory = issue(&short(ProfileName::FactoryCa), Some(&root), Key::fresh(), 4);
    let idevid = issue(&Profile::standard(ProfileName::Idevid), Some(&factory), Key::fresh(), 5);
    assert_eq!(idevid.certificate.validity().not_after(), identity::no_well_defined_expiration());
    // R-AR-09: these issuers have no end.
    assert_eq!(root.certificate.validity().not_after(), identity::no_well_defined_expiration());
    let factory = issue(&Profile::standard(ProfileName::FactoryCa), Some(&root), Key::fresh(), 6);
    assert_eq!(factory.certificate.validity().not_after(), identity::no_well_defined_expiration());
}

#[test]
fn not_before_is_backdated_but_not_before_the_issuer() {
    // R-5280-06.
    let root = root();
    assert_eq!(root.certificate.validity().not_before(), now() - Duration::from_secs(3_600));
    let later = now() + Duration::from_secs(60);
    let factory = factory(&root);
    let prepared = prepare(
        request(ProfileName::Idevid, &Key::fresh()),
        &Profile::standard(ProfileName::Idevid),
        ORGANIZATION,
        Some(&factory.certificate),
        later,
    )
    .unwrap();
    let certificate = prepared.seal(&[1]).unwrap();
    assert_eq!(certificate.validity().not_before(), later - Duration::from_secs(3_600));
    let clamped = Profile { backdate: Duration::from_secs(86_400), ..Profile::standard(ProfileName::Idevid) };
    let certificate = issue(&clamped, Some(&factory), Key::fresh(), 9).certificate;
    assert_eq!(certificate.validity().not_before(), factory.certificate.validity().not_before());
}

#[test]
fn an_issuer_that_is_not_valid_now_signs_nothing() {
    let factory = factory(&root());
    for wrong in [now() - Duration::from_secs(3_601), now() - Duration::from_secs(9_999_999)] {
        assert!(matches!(
            prepare(
                request(ProfileName::Idevid, &Key::fresh()),
                &Profile::standard(ProfileName::Idevid),
                ORGANIZATION,
                Some(&factory.certificate),
                wrong
            ),
            Err(Refusal::Forbidden { .. })
        ));
    }
}

#[test]
fn an_organization_has_1_to_64_characters_and_no_control_characters() {
    // R-5280-18.
    let profile = Profile::standard(ProfileName::Root);
    let make = |name: &str| prepare(request(ProfileName::Root, &Key::fresh()), &profile, name, None, now());
    for good in ["E", &"ü".repeat(64), "Example Works (GmbH & Co. KG)", "株式会社"] {
        assert!(make(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        " E",
        "E ",
        &"E".repeat(65),
        "nul\0",
        "line\n",
        "bell\u{7}",
        "key 🔑",
        "bidi\u{202e}",
        "zero\u{200b}width",
    ] {
        assert!(matches!(make(bad), Err(Refusal::Forbidden { .. })), "{bad:?}");
    }
}

#[test]
fn a_birth_certificate_with_the_longest_names_stays_below_700_bytes_and_the_usual_below_600() {
    // R-AR-16: 600 bytes for constrained flash. Only a certificate with every name of issuer and subject at
    // its limit has more.
    let (_, factory) = issuers(ProfileName::Idevid);
    let usual = issue(&Profile::standard(ProfileName::Idevid), factory.as_ref(), Key::fresh(), 3);
    assert!(usual.certificate.der().len() <= 600, "{}", usual.certificate.der().len());
    let longest = Request {
        subject: Subject::Device(format!("{}/{}", "p".repeat(32), "S".repeat(64)).parse().unwrap()),
        ..request(ProfileName::Idevid, &Key::fresh())
    };
    let profile = Profile::standard(ProfileName::Idevid);
    let certificate = &factory.as_ref().unwrap().certificate;
    let usual_organization =
        prepare(longest.clone(), &profile, ORGANIZATION, Some(certificate), now()).unwrap();
    assert!(usual_organization.seal(&[0; 72]).unwrap().der().len() <= 600);
    let worst = prepare(longest, &profile, &"O".repeat(64), Some(certificate), now()).unwrap();
    let bytes = worst.seal(&[0; 72]).unwrap().der().len();
    assert!(bytes <= 700, "{bytes}");
}

#[test]
fn the_issuers_name_is_copied_byte_for_byte_whatever_its_string_types() {
    // R-5280-04: made by `openssl req -x509` with PrintableString and UTF8String.
    for golden in ["foreign-printable.der", "foreign-utf8.der"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(golden);
        let foreign = Certificate::from_der(&std::fs::read(path).unwrap()).unwrap();
        let prepared = prepare(
            request(ProfileName::FactoryCa, &Key::fresh()),
            &Profile::standard(ProfileName::FactoryCa),
            ORGANIZATION,
            Some(&foreign),
            now(),
        )
        .unwrap();
        assert_eq!(prepared.seal(&[1]).unwrap().issuer(), foreign.subject(), "{golden}");
    }
}

#[test]
fn a_bad_profile_is_refused_by_the_rule_that_it_breaks() {
    // R-5280-23.
    let (root, factory) = issuers(ProfileName::Idevid);
    let good = Profile::standard(ProfileName::Idevid);
    let ca = Profile::standard(ProfileName::FactoryCa);
    let table: Vec<(&str, Profile)> = vec![
        ("R-AR-02", Profile { lifetime: Some(Duration::from_secs(86_400)), ..good.clone() }),
        ("R-AR-06", Profile { subject_key_identifier: true, ..good.clone() }),
        (
            "R-AR-07",
            Profile {
                key_usages: vec![KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment],
                ..good.clone()
            },
        ),
        ("R-AR-07", Profile { key_usages: vec![], ..good.clone() }),
        ("R-AR-07", Profile { key_usages: vec![KeyUsage::KeyCertSign], ..good.clone() }),
        ("R-AR-10", Profile { extended_key_usages: vec![ExtendedKeyUsage::Any], ..good.clone() }),
        ("R-AR-10", Profile { extended_key_usages: vec![ExtendedKeyUsage::ServerAuth], ..good.clone() }),
        ("R-AR-11", Profile { path_length: Some(0), subject_key_identifier: false, ..good.clone() }),
        ("R-AR-13", Profile { hardware_type: Some(vec![3, 1]), ..good.clone() }),
        ("R-5280-16", Profile { crl_base_url: Some("https://ca.test/crl".into()), ..good.clone() }),
        ("R-5280-16", Profile { crl_base_url: Some("http://ca.test/ü".into()), ..good.clone() }),
        ("R-5280-17", Profile { ocsp_url: Some("ldap://ca.test".into()), ..good.clone() }),
        ("R-5280-10", Profile { path_length: None, ..ca.clone() }),
        ("R-5280-10", Profile { path_length: Some(1), ..ca.clone() }),
        ("R-5280-11", Profile { key_usages: vec![KeyUsage::DigitalSignature], ..ca.clone() }),
        ("R-5280-13", Profile { extended_key_usages: vec![], ..ca.clone() }),
    ];
    for (wanted, profile) in table {
        let issuer = if profile.name == ProfileName::Idevid { factory.as_ref().unwrap() } else { &root };
        let refusal = prepare(
            request(profile.name, &Key::fresh()),
            &profile,
            ORGANIZATION,
            Some(&issuer.certificate),
            now(),
        )
        .expect_err(wanted);
        let wanted = if wanted == "R-AR-11" { "R-AR-06" } else { wanted };
        assert_eq!(rule(refusal), wanted, "{profile:?}");
    }
}

#[test]
fn what_the_profile_is_not_for_is_refused() {
    let (root, factory) = issuers(ProfileName::Idevid);
    let idevid = Profile::standard(ProfileName::Idevid);
    let factory = &factory.as_ref().unwrap().certificate;
    let device_key = Key::fresh();
    let as_operator = Request {
        subject: Subject::Principal("admin".parse().unwrap()),
        ..request(ProfileName::Idevid, &device_key)
    };
    let leaf = issue(&idevid, Some(&issuers(ProfileName::Idevid).1.unwrap()), Key::fresh(), 8).certificate;
    let ed25519 = identity::PublicKey::from_spki(&ed25519_spki()).unwrap();
    let other_key = Request { public_key: ed25519, ..request(ProfileName::Idevid, &device_key) };
    assert!(matches!(
        prepare(as_operator, &idevid, ORGANIZATION, Some(factory), now()),
        Err(Refusal::Forbidden { .. })
    ));
    // R-AR-01
    let refused = prepare(other_key, &idevid, ORGANIZATION, Some(factory), now()).err();
    assert_eq!(refused.unwrap().to_string(), "profile idevid is not for Ed25519 keys; it is for P-256");
    for issuer in [None, Some(&leaf)] {
        let refused =
            prepare(request(ProfileName::Idevid, &device_key), &idevid, ORGANIZATION, issuer, now());
        assert!(matches!(refused, Err(Refusal::Forbidden { .. })));
    }
    let self_signed = Profile::standard(ProfileName::Root);
    assert!(
        prepare(
            request(ProfileName::Root, &device_key),
            &self_signed,
            ORGANIZATION,
            Some(&root.certificate),
            now()
        )
        .is_err()
    );
}

#[test]
fn a_server_without_names_or_with_wrong_ones_is_refused() {
    let (_, issuer) = issuers(ProfileName::Credential(identity::Role::Service));
    let issuer = issuer.unwrap().certificate;
    let profile = Profile::standard(ProfileName::Credential(identity::Role::Service));
    let make = |dns: &[&str], addresses: &[&str]| {
        let names = Names {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        let subject = Subject::Service("ca".parse().unwrap(), names);
        prepare(
            Request { subject, ..request(ProfileName::Credential(identity::Role::Service), &Key::fresh()) },
            &profile,
            ORGANIZATION,
            Some(&issuer),
            now(),
        )
    };
    assert!(make(&["ca.example.test"], &[]).is_ok());
    assert!(make(&[], &["192.0.2.1", "2001:db8::1"]).is_ok());
    assert!(make(&[], &[]).is_err());
    for bad in [
        "",
        "*",
        "*.example.test",
        "1.2.3",
        "127.1",
        "127.0x1",
        "example.0x",
        "4294967295",
        "CA.example.test",
        "-a.test",
        "a..test",
        "a b",
        "192.0.2.1",
        "a_b",
        "käse.test",
        "nul\0",
    ] {
        assert!(make(&[bad], &[]).is_err(), "{bad:?}");
    }
    assert!(make(&[], &["0.0.0.0"]).is_err());
    assert!(make(&[], &["255.255.255.255"]).is_err());
    assert!(make(&["a.example.test", "a.example.test"], &[]).is_err());
    assert!(make(&[], &["192.0.2.1", "192.0.2.1"]).is_err());
    assert!(make(&[], &["::"]).is_err());
}

#[test]
fn two_certificates_of_one_key_have_the_serial_numbers_that_were_drawn() {
    // R-5280-01: never derived from the key.
    let (_, factory) = issuers(ProfileName::Idevid);
    let key = Key::fresh();
    let make = |n: u8| {
        let serial: SerialNumber = serial(n);
        draft(
            request(ProfileName::Idevid, &key),
            &Profile::standard(ProfileName::Idevid),
            ORGANIZATION,
            Some(&factory.as_ref().unwrap().certificate),
            serial,
            now(),
        )
        .and_then(Draft::prepare)
        .unwrap()
        .serial_number()
    };
    assert_eq!((make(1), make(2)), (serial(1), serial(2)));
}

fn ed25519_spki() -> Vec<u8> {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    let pair = Ed25519KeyPair::generate().unwrap();
    [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0], pair.public_key().as_ref()].concat()
}
