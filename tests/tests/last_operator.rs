//! The last operator is not revoked by mistake, and an installation without an operator gets one on the CA's
//! machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::process::Output;

use tests::{CertificateAuthority, Operator, Program};

#[test]
fn the_last_operator_is_revoked_only_when_that_is_said() {
    let mut authority = CertificateAuthority::start();
    let admin = Operator::of(&authority);
    let revoke = ["principal", "revoke", "operator", "admin"];
    let (status, said) = admin.fails(&revoke);
    assert_eq!(status, 5, "nobody confirmed it: {said}");
    let (status, said) = admin.fails(&[&revoke[..], &["--yes"]].concat());
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("LAST_OPERATOR") && said.contains("touchmark-ca credential"), "{said}");
    let own = &admin.json(&["certificate", "list", "--principal", "operator:admin"])[0];
    let serial = own["serial_number"].as_str().unwrap();
    for one_by_one in [
        &["certificate", "revoke", serial][..],
        &["certificate", "revoke", serial, "--lineage"],
        &["revoke", "--certificate", serial],
        &["revoke", "--key", own["key_fingerprint"].as_str().unwrap()],
    ] {
        let command = [one_by_one, &["--reason", "keyCompromise", "--confirm", "1"]].concat();
        let (status, said) = admin.fails(&command);
        assert!(status == 1 && said.contains("LAST_OPERATOR"), "{command:?}: {said}");
    }
    admin.says(&["principal", "list"]);

    let said = [&revoke[..], &["--yes", "--last-operator", "--remark", "handed over"]].concat();
    let done = admin.json(&said);
    assert_eq!(done[0]["revoked"], 1, "{done:?}");
    let (status, said) = admin.fails(&["principal", "list"]);
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("CLIENT_CERTIFICATE_REVOKED") && said.contains("touchmark-ca credential"),
        "{said}"
    );

    assert!(authority.stop().success());
    let back = authority.directory().join("operators/back");
    let mut credential = Program::CertificateAuthority.command();
    credential.arg("credential").arg("--config").arg(authority.directory().join("ca.toml"));
    let output = credential.args(["--operator", "admin", "--json", "--out"]).arg(&back).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    authority.serve();
    Operator::with(&authority, &back).says(&["principal", "list"]);
}

#[test]
fn an_operator_beside_another_is_revoked_and_the_one_that_is_left_is_not() {
    let authority = CertificateAuthority::start();
    let admin = Operator::of(&authority);
    let directory = tempfile::tempdir().unwrap();
    let second = directory.path().join("second");
    admin.says(&["principal", "issue", "operator", "second", "--out", second.to_str().unwrap()]);
    let second = Operator::with(&authority, &second);
    second.says(&["principal", "revoke", "operator", "admin", "--yes"]);
    let (status, said) = second.fails(&["principal", "revoke", "operator", "second", "--yes"]);
    assert!(status == 1 && said.contains("LAST_OPERATOR"), "{said}");
}

/// Both ask at the same moment; the second to be decided no longer has a credential.
#[test]
fn two_operators_that_revoke_each_other_at_once_leave_one() {
    let authority = CertificateAuthority::start();
    let admin = Operator::of(&authority);
    let directory = tempfile::tempdir().unwrap();
    let (mut left, mut left_name) = (admin, "admin".to_owned());
    for round in 0..5 {
        let right_name = format!("operator-{round}");
        let place = directory.path().join(&right_name);
        left.says(&["principal", "issue", "operator", &right_name, "--out", place.to_str().unwrap()]);
        let right = Operator::with(&authority, &place);
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| revoke(&left, &right_name));
            let second = scope.spawn(|| revoke(&right, &left_name));
            (first.join().unwrap(), second.join().unwrap())
        });
        let done = [first.status.success(), second.status.success()];
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "round {round}: {first:?} {second:?}");
        if done[1] {
            (left, left_name) = (right, right_name);
        }
        left.says(&["principal", "list"]);
    }
}

fn revoke(by: &Operator, whom: &str) -> Output {
    by.run(&["principal", "revoke", "operator", whom, "--yes"])
}
