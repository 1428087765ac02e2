//! Independent implementations ("strangers") check our certificates: openssl, rustls-webpki, pyca
//! `cryptography`, GnuTLS, Java's PKIX validator, and pkilint. All are required: `tests/interop/setup.sh`
//! installs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod case;
mod lint;
mod pki;
mod program;
mod reading;
mod revocation;
mod revoked;
mod verifier;

use case::{Case, cases};
use verifier::Verdict;

fn judge(verifier: &str, judge: impl Fn(&[Case]) -> Vec<Verdict>) {
    let directory = tempfile::tempdir().unwrap();
    let cases = cases(directory.path());
    let verdicts = judge(&cases);
    assert_eq!(verdicts.len(), cases.len(), "{verifier} judged other cases");
    let wrong: Vec<String> = cases
        .iter()
        .zip(verdicts)
        .filter(|(case, verdict)| case.good != verdict.is_ok())
        .map(|(case, verdict)| {
            format!("{}: {}", case.name, verdict.err().unwrap_or_else(|| "accepted".into()))
        })
        .collect();
    assert!(wrong.is_empty(), "{verifier} judges otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn openssl_strictly_accepts_every_good_chain_and_refuses_every_bad_one() {
    judge("openssl", |cases| cases.iter().map(verifier::openssl).collect());
}

#[test]
fn webpki_accepts_every_good_chain_and_refuses_every_bad_one() {
    judge("webpki", |cases| cases.iter().map(verifier::webpki).collect());
}

#[test]
fn gnutls_accepts_every_good_chain_and_refuses_every_bad_one() {
    judge("certtool", |cases| cases.iter().map(verifier::gnutls).collect());
}

#[test]
fn pyca_accepts_every_good_chain_and_refuses_every_bad_one() {
    judge("pyca", verifier::pyca);
}

#[test]
fn java_accepts_every_good_chain_and_refuses_every_bad_one() {
    judge("java", verifier::java);
}
