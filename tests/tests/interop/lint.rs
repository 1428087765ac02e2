//! pkilint reads every kind of certificate and reports nothing that is not on the list of allowed findings
//! (R-5280-23).

use std::collections::BTreeSet;
use std::process::Command;

use identity::ProfileName;
use issuance::Profile;
use tests::python_program;

use crate::case::write;
use crate::pki::Pki;
use crate::program::{run, stranger};

/// `profile finding` of every line that is not a comment.
fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(stranger("pkilint-allowed.txt")).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The findings in pkilint's report: `    pkix.name (SEVERITY): …`.
fn findings(profile: ProfileName, report: &str) -> impl Iterator<Item = String> {
    report
        .lines()
        .filter(|line| line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next())
        .map(move |finding| format!("{profile} {finding}"))
}

#[test]
fn pkilint_finds_nothing_but_what_is_meant_and_all_that_is_meant() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    let mut found = BTreeSet::new();
    for name in ProfileName::all() {
        let file = write(directory.path(), &name.to_string(), &[pki.holder(name).certificate.der()]);
        let answer =
            run(Command::new(python_program("lint_pkix_cert")).args(["lint", "-s", "NOTICE"]).arg(&file));
        assert!(answer.content || answer.stdout.contains("pkix."), "{name}: {}", answer.text);
        found.extend(findings(name, &answer.stdout));
    }
    assert_eq!(found, allowed(), "left: found; right: tests/interop/pkilint-allowed.txt");
}

#[test]
fn pkilint_identifies_the_method_of_every_key_identifier() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    for name in ProfileName::all().filter(|name| Profile::standard(*name).subject_key_identifier) {
        let file = write(directory.path(), &name.to_string(), &[pki.holder(name).certificate.der()]);
        let answer =
            run(Command::new(python_program("lint_pkix_cert")).args(["lint", "-s", "INFO"]).arg(&file));
        let identified = answer.stdout.contains("pkix.subject_key_identifier_rfc7093_method_1_identified");
        assert!(identified, "{name} (R-5280-08): {}", answer.text);
    }
}

#[test]
fn pkilint_finds_nothing_between_issuer_and_subject() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    for name in ProfileName::all().filter(|name| *name != ProfileName::Root) {
        let issuer = write(directory.path(), "issuer", &[pki.issuer_of(name).certificate.der()]);
        let subject = write(directory.path(), "subject", &[pki.holder(name).certificate.der()]);
        let program = python_program("lint_pkix_signer_signee_cert_chain");
        let answer = run(Command::new(program).args(["lint", "-s", "NOTICE"]).arg(issuer).arg(subject));
        assert!(answer.content && findings(name, &answer.stdout).next().is_none(), "{name}: {}", answer.text);
    }
}
