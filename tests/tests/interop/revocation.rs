//! pkilint, webpki and Java check CRLs and OCSP responses (R-5280-23, R-CRL-08).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use identity::{ProfileName, RevocationReason};
use issuance::{
    CrlDraft, CrlEntry, CrlFields, CrlNumber, CrlScope, OcspCertStatus, OcspSigner, SingleResponse,
    ocsp_response,
};
use rcgen::SigningKey;
use tests::python_program;
use webpki::{BorrowedCertRevocationList, EndEntityCert, KeyUsage, RevocationOptionsBuilder};

use crate::pki::{Holder, Pki};
use crate::program::{run, stranger};

/// As `Pki` has it in its certificates.
const URL: &str = "http://ca.example.test/crl/x/0.crl";

fn crl(pki: &Pki, issuer: &Holder, scope: CrlScope, entries: &[CrlEntry]) -> Vec<u8> {
    let terms = CrlFields {
        number: CrlNumber::new(1, 200),
        this_update: pki.now,
        next_update: pki.now + Duration::from_secs(86_400),
        scope,
    };
    let draft = CrlDraft::new(&issuer.certificate, &terms, pki.now).unwrap();
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| draft.entry(entry, &mut bytes).unwrap());
    let mut hash = draft.hash(bytes.len() as u64).unwrap();
    hash.entries(&bytes).unwrap();
    let prepared = hash.finish().unwrap();
    // rcgen signs messages only: the same bytes that were hashed.
    let sealed = |signature: &[u8]| {
        let mut hash =
            CrlDraft::new(&issuer.certificate, &terms, pki.now).unwrap().hash(bytes.len() as u64).unwrap();
        hash.entries(&bytes).unwrap();
        hash.finish().unwrap().seal(signature).unwrap()
    };
    let shape = prepared.seal(&[0; 70]).unwrap();
    let whole = [shape.head, bytes.clone(), shape.tail].concat();
    let mut outer = identity::der::only(&whole, identity::der::SEQUENCE).unwrap().elements().unwrap();
    let signature = issuer.key.sign(outer.any().unwrap().raw).unwrap();
    let sealed = sealed(&signature);
    [sealed.head, bytes.clone(), sealed.tail].concat()
}

fn entry(pki: &Pki, holder: &Holder) -> CrlEntry {
    CrlEntry {
        serial_number: holder.certificate.serial_number(),
        revoked_at: pki.now,
        reason: RevocationReason::KeyCompromise,
        invalidity_date: Some(pki.now - Duration::from_secs(3_600)),
    }
}

fn write(directory: &Path, name: &str, label: &str, der: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, pem::encode(&pem::Pem::new(label, der))).unwrap();
    path
}

fn shard() -> CrlScope {
    CrlScope::Shard { urls: vec![URL.to_owned()] }
}

fn other_shard() -> CrlScope {
    CrlScope::Shard { urls: vec!["http://ca.example.test/crl/x/1.crl".to_owned()] }
}

#[test]
fn pkilint_finds_nothing_in_crls() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    let (issuer, leaf) = (pki.holder(ProfileName::OperationalCa), pki.holder(ProfileName::Ldevid));
    for (name, scope, entries) in [
        ("empty shard", shard(), vec![]),
        ("shard", shard(), vec![entry(&pki, leaf)]),
        ("empty whole", CrlScope::Full, vec![]),
        ("whole", CrlScope::Full, vec![entry(&pki, leaf)]),
    ] {
        let file = write(directory.path(), "crl.pem", "X509 CRL", &crl(&pki, issuer, scope, &entries));
        let answer = run(Command::new(python_program("lint_crl"))
            .args(["lint", "-t", "CRL", "-p", "PKIX", "-s", "NOTICE"])
            .arg(file));
        let found = answer.stdout.lines().any(|line| line.starts_with("    "));
        assert!(answer.content && !found, "{name}: {}", answer.text);
    }
}

#[test]
fn pkilint_finds_nothing_in_answers_about_status() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    let signer = pki.holder(ProfileName::OcspSigner);
    let responder = OcspSigner::new(&signer.certificate).unwrap();
    let cert_id = [
        &[0x30, 0x49, 0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0, 4, 20][..],
        &[1; 20],
        &[4, 20],
        &[2; 20],
        &[2, 16],
        &[0x45; 16],
    ]
    .concat();
    for status in [
        OcspCertStatus::Good,
        OcspCertStatus::Unknown,
        OcspCertStatus::Revoked { at: pki.now, reason: RevocationReason::Superseded },
    ] {
        let next_update = pki.now + Duration::from_secs(3_600);
        let answer = SingleResponse { cert_id: &cert_id, status, this_update: pki.now, next_update };
        let prepared = ocsp_response(&[answer], &responder, pki.now, Some(&[7; 16])).unwrap();
        let signature = signer.key.sign(prepared.to_be_signed()).unwrap();
        let der = prepared.seal(&signature).unwrap();
        let file = write(directory.path(), "answer.pem", "OCSP RESPONSE", &der);
        let answer =
            run(Command::new(python_program("lint_ocsp_response")).args(["lint", "-s", "NOTICE"]).arg(file));
        let found = answer.stdout.lines().any(|line| line.starts_with("    "));
        assert!(answer.content && !found, "{status:?}: {}", answer.text);
    }
}

#[test]
fn webpki_refuses_who_is_on_the_shards_crl_and_takes_no_other_shards() {
    let pki = Pki::fresh();
    let (issuer, leaf) = (pki.holder(ProfileName::OperationalCa), pki.holder(ProfileName::Ldevid));
    let judge = |der: &[u8]| {
        let crl = BorrowedCertRevocationList::from_der(der).unwrap().to_owned().unwrap().into();
        let lists: [&webpki::CertRevocationList<'_>; 1] = [&crl];
        let options = RevocationOptionsBuilder::new(&lists)
            .unwrap()
            .with_depth(webpki::RevocationCheckDepth::EndEntity)
            .build();
        let root = pki.holder(ProfileName::Root).certificate.der().into();
        let (leaf, chain) = (leaf.certificate.der().into(), [issuer.certificate.der().into()]);
        let anchors = [webpki::anchor_from_trusted_cert(&root).unwrap()];
        let time = rustls_pki_types::UnixTime::since_unix_epoch(
            pki.now.duration_since(std::time::UNIX_EPOCH).unwrap() + Duration::from_secs(60),
        );
        let leaf = EndEntityCert::try_from(&leaf).unwrap();
        let verified = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &chain,
            time,
            KeyUsage::client_auth(),
            Some(options),
            None,
        );
        verified.map(drop)
    };
    assert_eq!(judge(&crl(&pki, issuer, shard(), &[])), Ok(()));
    assert_eq!(judge(&crl(&pki, issuer, CrlScope::Full, &[])), Ok(()));
    for scope in [shard(), CrlScope::Full] {
        let revoked = judge(&crl(&pki, issuer, scope, &[entry(&pki, leaf)]));
        assert_eq!(revoked, Err(webpki::Error::CertRevoked));
    }
    let unknown = judge(&crl(&pki, issuer, other_shard(), &[]));
    assert_eq!(unknown, Err(webpki::Error::UnknownRevocationStatus), "R-CRL-08");
}

#[test]
fn java_refuses_who_is_on_the_shards_crl_and_takes_no_other_shards() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    let (issuer, leaf) = (pki.holder(ProfileName::OperationalCa), pki.holder(ProfileName::Ldevid));
    let chain = [("leaf", leaf), ("chain", issuer), ("root", pki.holder(ProfileName::Root))]
        .map(|(name, holder)| write(directory.path(), name, "CERTIFICATE", holder.certificate.der()))
        .map(|file| file.to_str().unwrap().to_owned())
        .join("\t");
    let revoked_at = pki.now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let revoked = format!("revoked\t{revoked_at}\tkeyCompromise");
    let (mut table, mut expected) = (String::new(), Vec::new());
    for (name, scope, entries, verdict) in [
        ("shard", shard(), vec![], "good"),
        ("whole", CrlScope::Full, vec![], "good"),
        ("revoked in its shard", shard(), vec![entry(&pki, leaf)], &*revoked),
        ("revoked in the whole", CrlScope::Full, vec![entry(&pki, leaf)], &*revoked),
        ("another shard (R-CRL-08)", other_shard(), vec![], "refused\tUNDETERMINED_REVOCATION_STATUS"),
    ] {
        let file = directory.path().join(format!("{name}.crl"));
        std::fs::write(&file, crl(&pki, issuer, scope, &entries)).unwrap();
        table.push_str(&format!("{name}\t{chain}\t{}\n", file.display()));
        expected.push(format!("{name}\t{verdict}"));
    }
    let file = directory.path().join("cases.tsv");
    std::fs::write(&file, table).unwrap();
    let answer = run(Command::new("java").arg(stranger("Revocation.java")).arg(file));
    assert!(answer.content, "{}", answer.text);
    let said: Vec<_> = answer.stdout.lines().collect();
    assert_eq!(said.len(), expected.len(), "{}", answer.text);
    for (said, expected) in said.iter().zip(&expected) {
        assert!(said.starts_with(expected.as_str()), "{said}, not {expected}");
    }
}
