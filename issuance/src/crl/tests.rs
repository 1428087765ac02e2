//! Each test breaks one rule in the bytes, and the lint names it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{RevocationReason, SerialNumber};

use super::*;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn issuer() -> Certificate {
    Certificate::from_der(include_bytes!("../../tests/goldens/operational-ca.der")).unwrap()
}

fn url() -> String {
    "http://ca.example.test/crl/operational/7.crl".to_owned()
}

fn terms(scope: CrlScope) -> CrlFields {
    CrlFields {
        number: CrlNumber::new(1, 200),
        this_update: now(),
        next_update: now() + Duration::from_secs(86_400),
        scope,
    }
}

/// The fields of a CRL and its extensions, one by one.
struct Pieces {
    fields: Vec<Vec<u8>>,
    extensions: Vec<Vec<u8>>,
}

/// The rule that the lint names after `spoil`; `None` when it finds nothing.
fn found(scope: &CrlScope, spoil: impl FnOnce(&mut Pieces)) -> Option<&'static str> {
    let (issuer, terms) = (issuer(), terms(scope.clone()));
    let draft = CrlDraft::new(&issuer, &terms, now()).unwrap();
    let mut pieces = Pieces { fields: elements(&draft.fields), extensions: Vec::new() };
    let explicit = identity::der::only(&draft.extensions, CONTEXT_0_CONSTRUCTED).unwrap();
    let list = explicit.content.to_vec();
    pieces.extensions = elements(identity::der::only(&list, SEQUENCE).unwrap().content);
    spoil(&mut pieces);
    let mut content = pieces.fields.concat();
    let list = encode::wrapped(SEQUENCE, &pieces.extensions.concat());
    encode::element(&mut content, CONTEXT_0_CONSTRUCTED, &list);
    let expected = lint::Expected {
        issuer: issuer.subject(),
        key_identifier: issuer.subject_key_identifier().unwrap(),
        algorithm: SignatureAlgorithm::EcdsaP256Sha256,
        terms: &terms,
        now: now(),
        is_root: false,
    };
    lint::lint(&content, &expected).err().map(|broken| broken.rule)
}

fn elements(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = identity::der::Elements::new(bytes).unwrap();
    let mut found = Vec::new();
    while !elements.is_empty() {
        found.push(elements.any().unwrap().raw.to_vec());
    }
    found
}

fn rule<T: fmt::Debug>(result: Result<T, Refusal>) -> Option<&'static str> {
    match result {
        Ok(_) => None,
        Err(Refusal::Lint(finding)) => Some(finding.rule),
        Err(other) => panic!("{other}"),
    }
}

fn shard() -> CrlScope {
    CrlScope::Shard { urls: vec![url()] }
}

#[test]
fn good_crls_pass() {
    assert_eq!(found(&CrlScope::Full, |_| ()), None);
    assert_eq!(found(&shard(), |_| ()), None);
    assert_eq!(found(&CrlScope::Shard { urls: vec![url(), "http://old.test/7.crl".into()] }, |_| ()), None);
}

type Row = (&'static str, CrlScope, Box<dyn FnOnce(&mut Pieces)>);

#[test]
fn a_wrong_crl_is_named_by_its_rule() {
    let whole = || CrlScope::Full;
    let number =
        |octets: &[u8], critical| extension(oid::CRL_NUMBER, critical, &encode::wrapped(INTEGER, octets));
    let idp = |value: &[u8]| extension(oid::ISSUING_DISTRIBUTION_POINT, true, value);
    let name = encode::wrapped(URI, url().as_bytes());
    let point = encode::wrapped(0xa0, &encode::wrapped(0xa0, &name));
    let no_users = idp(&encode::wrapped(SEQUENCE, &point));
    let indirect =
        idp(&encode::wrapped(SEQUENCE, &[&point[..], ONLY_USER_CERTIFICATES, &[0x84, 1, 0xff]].concat()));
    let other =
        encode::wrapped(0xa0, &encode::wrapped(0xa0, &encode::wrapped(URI, b"http://ca.example.test/8.crl")));
    let other = idp(&encode::wrapped(SEQUENCE, &[&other[..], ONLY_USER_CERTIFICATES].concat()));
    let (lax, on_whole) = (no_users.clone(), no_users.clone());
    let uncritical = extension(
        oid::ISSUING_DISTRIBUTION_POINT,
        false,
        &encode::wrapped(SEQUENCE, &[&point[..], ONLY_USER_CERTIFICATES].concat()),
    );
    let delta = extension(&[0x55, 0x1d, 27], true, &[INTEGER, 1, 1]);
    let long = number(&[1; 21], false);
    let (negative, critical, another) = (number(&[0x80], false), number(&[1], true), number(&[9], false));
    let utc = |text: &[u8]| encode::wrapped(0x17, text);
    let (future, late) = (utc(b"261122000001Z"), utc(b"261222000000Z"));
    let generalized = encode::wrapped(0x18, b"20261122000000Z");
    let table: Vec<Row> = vec![
        ("R-CRL-01", whole(), Box::new(|p| p.fields[0] = vec![INTEGER, 1, 0])),
        ("R-CRL-01", whole(), Box::new(|p| drop(p.fields.remove(0)))),
        ("R-CRL-01", whole(), Box::new(|p| drop(p.fields.pop()))),
        ("R-CRL-01", whole(), Box::new(|p| drop(p.extensions.remove(0)))),
        ("R-CRL-01", whole(), Box::new(|p| drop(p.extensions.pop()))),
        ("R-CRL-01", whole(), Box::new(move |p| p.extensions[1] = long)),
        ("R-CRL-01", whole(), Box::new(move |p| p.extensions[1] = negative)),
        ("R-CRL-01", whole(), Box::new(move |p| p.extensions[1] = critical)),
        ("R-CRL-01", whole(), Box::new(move |p| p.extensions[1] = another)),
        ("R-CRL-02", whole(), Box::new(|p| p.fields.push(vec![SEQUENCE, 0]))),
        ("R-5280-05", whole(), Box::new(move |p| p.fields[3] = future)),
        ("R-5280-05", whole(), Box::new(move |p| p.fields[3] = generalized)),
        ("R-5280-05", whole(), Box::new(move |p| p.fields[4] = late)),
        (
            "R-CRL-04",
            whole(),
            Box::new(|p| p.fields[1] = SignatureAlgorithm::EcdsaP384Sha384.identifier().to_vec()),
        ),
        ("R-CRL-04", whole(), Box::new(|p| p.fields[2] = vec![SEQUENCE, 0])),
        ("R-CRL-08", shard(), Box::new(|p| drop(p.extensions.pop()))),
        ("R-CRL-08", shard(), Box::new(move |p| p.extensions[2] = lax)),
        ("R-CRL-08", shard(), Box::new(move |p| p.extensions[2] = indirect)),
        ("R-CRL-08", shard(), Box::new(move |p| p.extensions[2] = other)),
        ("R-CRL-08", shard(), Box::new(move |p| p.extensions[2] = uncritical)),
        ("R-CRL-09", whole(), Box::new(move |p| p.extensions.push(on_whole))),
        ("R-5280-19", whole(), Box::new(|p| p.extensions.push(p.extensions[0].clone()))),
        // R-CRL-10: no delta CRLs.
        ("R-5280-23", whole(), Box::new(move |p| p.extensions.push(delta))),
        ("R-5280-20", whole(), Box::new(|p| p.fields[0] = vec![INTEGER, 0x81, 1, 1])),
    ];
    for (index, (rule, scope, spoil)) in table.into_iter().enumerate() {
        assert_eq!(found(&scope, spoil), Some(rule), "row {index}");
    }
}

#[test]
fn terms_that_break_a_rule_are_refused() {
    let refused = |change: &dyn Fn(&mut CrlFields)| {
        let mut terms = terms(CrlScope::Full);
        change(&mut terms);
        rule(CrlDraft::new(&issuer(), &terms, now()))
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(refused(&|terms| terms.this_update = now() + Duration::from_secs(1)), Some("R-CRL-03"));
    assert_eq!(refused(&|terms| terms.next_update = now()), Some("R-CRL-03"));
    assert_eq!(refused(&|terms| terms.next_update = now() + 11 * day), Some("R-CRL-03"));
    assert_eq!(refused(&|terms| terms.scope = CrlScope::Shard { urls: vec![] }), Some("R-CRL-08"));
    assert_eq!(
        refused(&|terms| terms.scope = CrlScope::Shard { urls: vec!["https://x".into()] }),
        Some("R-CRL-08")
    );
    let leaf = Certificate::from_der(include_bytes!("../../tests/goldens/ldevid.der")).unwrap();
    assert_eq!(rule(CrlDraft::new(&leaf, &terms(CrlScope::Full), now())), Some("R-CRL-04"));
}

fn entry(reason: RevocationReason) -> CrlEntry {
    CrlEntry {
        serial_number: SerialNumber::try_from([0x45; 16].as_slice()).unwrap(),
        revoked_at: now(),
        reason,
        invalidity_date: Some(now() - Duration::from_secs(60)),
    }
}

#[test]
fn a_wrong_entry_is_named_by_its_rule() {
    let mut good = Vec::new();
    entry(RevocationReason::KeyCompromise).write(&mut good).unwrap();
    let spoiled = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let judge =
        |bytes: &[u8], meant: &CrlEntry| lint::entry(bytes, meant, false).err().map(|broken| broken.rule);
    let meant = entry(RevocationReason::KeyCompromise);
    assert_eq!(judge(&good, &meant), None);
    for (code, rule) in [
        (0, "R-CRL-05"),
        (2, "R-CRL-05"),
        (7, "R-CRL-05"),
        (8, "R-CRL-05"),
        (10, "R-CRL-05"),
        (4, "R-CRL-05"),
    ] {
        assert_eq!(judge(&spoiled(&[10, 1, 1], &[10, 1, code]), &meant), Some(rule), "{code}");
    }
    assert_eq!(judge(&spoiled(&[0x45; 16], &[0x46; 16]), &meant), Some("R-5280-01"));
    assert_eq!(judge(&spoiled(b"261122000000Z", b"261122000001Z"), &meant), Some("R-CRL-06"));
    assert_eq!(judge(&spoiled(b"20261121235900Z", b"20261121235901Z"), &meant), Some("R-CRL-07"));
    assert_eq!(judge(&spoiled(&[0x18, 15], &[0x17, 15]), &meant), Some("R-CRL-07"));
    assert_eq!(judge(&spoiled(&[0x55, 0x1d, 24], &[0x55, 0x1d, 29]), &meant), Some("R-5280-23"));
    assert_eq!(judge(&spoiled(&[10, 1, 1], &[10, 0x81, 1, 1]), &meant), Some("R-5280-20"));
}

#[test]
fn ca_compromise_is_for_the_crl_of_a_root() {
    // R-CRL-05.
    let root = Certificate::from_der(include_bytes!("../../tests/goldens/root.der")).unwrap();
    let (of_root, of_leaves) = (
        CrlDraft::new(&root, &terms(CrlScope::Full), now()).unwrap(),
        CrlDraft::new(&issuer(), &terms(CrlScope::Full), now()).unwrap(),
    );
    let mut out = vec![7];
    of_root.entry(&entry(RevocationReason::CaCompromise), &mut out).unwrap();
    let length = out.len();
    assert_eq!(rule(of_leaves.entry(&entry(RevocationReason::CaCompromise), &mut out)), Some("R-CRL-05"));
    assert_eq!(out.len(), length, "a refused entry leaves nothing");
}

#[test]
fn numbers_grow_with_the_counter_and_more_with_the_epoch() {
    // R-CRL-01.
    let numbers = [(0, 1), (0, 127), (0, 128), (0, u64::MAX), (1, 0), (1, 1), (2, 0), (u64::MAX, u64::MAX)];
    let numbers = numbers.map(|(epoch, counter)| CrlNumber::new(epoch, counter));
    assert!(numbers.is_sorted());
    for number in numbers {
        let octets = number.octets();
        assert!(octets.len() <= 17 && octets[0] < 0x80);
        assert_eq!(CrlNumber::from_octets(&octets), Some(number));
    }
    assert_eq!(CrlNumber::new(1, 0).to_string(), "18446744073709551616");
}
