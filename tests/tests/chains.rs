//! OpenSSL accepts every kind of certificate of a running CA, in strict mode.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::Path;
use std::process::Command;

use proto::v1::Role;
use tests::{CertificateAuthority, Credentials, Device, Factory, OrderTerms};

#[tokio::test(flavor = "multi_thread")]
async fn openssl_accepts_every_chain_strictly() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.credential(Role::Station, "line-1").await;
    let order = factory.order(OrderTerms::new(5, &["line-1"])).await;
    let birth = factory.born(&authority.caller(&station), &order, &Device::new("cam-2", "SN000001")).await;
    let kinds = [
        ("service", factory.credential(Role::Service, "api-1").await, "sslserver"),
        ("operator", factory.credential(Role::Operator, "alice").await, "sslclient"),
        ("relying party", factory.credential(Role::RelyingParty, "broker-1").await, "sslclient"),
        ("the CA's own server", Credentials::read(&authority.directory().join("server")), "sslserver"),
        ("the first operator", Credentials::read(&authority.operator_directory()), "sslclient"),
        ("station", station, "sslclient"),
        ("operational", factory.enrolled(&birth).await, "sslclient"),
        ("birth", birth.clone(), "sslclient"),
    ];
    for (kind, credentials, purpose) in &kinds {
        let directory = tempfile::tempdir().unwrap();
        credentials.write(&directory.path().join("it"));
        let said = verify(&directory.path().join("it"), &["-purpose", purpose]);
        assert!(said.is_ok(), "{kind}: {said:?}");
    }

    // A birth certificate has no well-defined expiration: it is good in 2060 and in 2100 (R-AR-02).
    let directory = tempfile::tempdir().unwrap();
    birth.write(&directory.path().join("it"));
    for year in [2060, 2100] {
        let seconds = (year - 1970) * 31_556_952_i64;
        let said = verify(&directory.path().join("it"), &["-attime", &seconds.to_string()]);
        assert!(said.is_ok(), "{year}: {said:?}");
    }

    // Another CA's root is refused, which shows that the check works.
    let elsewhere = CertificateAuthority::founded();
    let trust = Credentials::read(&elsewhere.operator_directory()).trust;
    let directory = tempfile::tempdir().unwrap();
    Credentials { trust, ..birth }.write(&directory.path().join("it"));
    verify(&directory.path().join("it"), &[]).expect_err("a root that it does not come from");
}

/// As a user would paste it.
fn verify(directory: &Path, more: &[&str]) -> Result<String, String> {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory).args([
        "verify",
        "-x509_strict",
        "-CAfile",
        "trust.pem",
        "-untrusted",
        "chain.pem",
    ]);
    let output = openssl.args(more).arg("cert.pem").output().expect("this test needs openssl");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(said) }
}
