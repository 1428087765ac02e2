//! A running CA finds two recorded RSA keys that share a prime, and shows them to an operator (R-KEY-06).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use prost::bytes::Bytes;
use rcgen::KeyPair;
use tests::{CertificateAuthority, Device, Factory, KeyAndRequest, Operator, OrderTerms, ask, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_with_a_common_prime_are_found_on_record_and_a_third_is_not_let_in() {
    let mut authority = with_rsa_keys();
    authority.serve();
    let factory = Factory::of(&authority);
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let station = factory.credential(proto::v1::Role::Station, "line-1").await;
    let unit = |serial: &str, csr: &str| {
        let mut request = Device::new("cam-2", serial).birth_request(&order);
        request.csr = csr_der(csr);
        request
    };
    ask(&authority.caller(&station), unit("SN000001", "csr_share1.pem")).await.issued();
    let refused = ask(&authority.caller(&station), unit("SN000002", "csr_share2.pem")).await;
    assert_eq!(refused.reason(), "KEY_WEAK");
    let shown = Operator::of(&authority).json(&["device", "duplicates"]);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(
        (shown[0]["kind"].as_str(), shown[0]["device"].as_str(), shown[0]["other"].as_str()),
        (Some("shared prime"), Some("cam-2/SN000002"), Some("device:cam-2/SN000001"))
    );

    // A generator that makes such keys stops the line.
    let healthy = Device::new("cam-2", "SN000009").birth_request(&order);
    assert_eq!(ask(&authority.caller(&station), healthy).await.reason(), "PRODUCT_PAUSED");
    let product = Operator::of(&authority).json(&["product", "show", "cam-2"]);
    assert_eq!(product[0]["last_pause"]["evidence"]["kind"], "shared prime");
    let resume = ["product", "resume", "cam-2", "--remark", "accepted", "--yes"];
    Operator::of(&authority).says(&resume);

    // The latest keys are forgotten at a restart; then the comparison of all recorded keys has to find it.
    authority.stop();
    authority.serve();
    ask(&authority.caller(&station), unit("SN000003", "csr_share2.pem")).await.issued();
    authority.stop();
    authority.serve();
    let operator = Operator::of(&authority);
    let shown = eventually(Duration::from_secs(60), "both are flagged", async || {
        Some(operator.json(&["device", "duplicates"])).filter(|shown| shown.len() == 3)
    })
    .await;
    let pairs: Vec<_> = shown.iter().map(|alarm| (&alarm["device"], &alarm["other"])).collect();
    for (device, other) in [(1, 3), (3, 1)] {
        let pair = (format!("cam-2/SN00000{device}"), format!("device:cam-2/SN00000{other}"));
        assert!(pairs.iter().any(|shown| *shown.0 == pair.0 && *shown.1 == pair.1), "{pair:?} {shown:?}");
    }
    assert!(authority.logs("everybody can compute both private keys"), "{}", authority.log());
    assert!(authority.log().contains("ERROR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_an_rsa_key_calls_with_it_and_enrols() {
    let mut authority = with_rsa_keys();
    authority.serve();
    let factory = Factory::of(&authority);
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let station = factory.station("line-1").await;
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let device = Device::with_key("cam-2", "SN000001", KeyAndRequest::of(key));
    let birth = factory.born(&station, &order, &device).await;
    factory.enrolled(&birth).await;
}

/// One that was made, and takes RSA keys of devices when it runs.
fn with_rsa_keys() -> CertificateAuthority {
    let authority = CertificateAuthority::founded();
    let config = authority.directory().join("ca.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("[profiles]\n"), "{text}");
    std::fs::write(&config, text.replace("[profiles]\n", "[profiles]\nrsa-keys = true\n")).unwrap();
    authority
}

fn csr_der(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/csr").join(name);
    pem::parse(std::fs::read(path).unwrap()).unwrap().into_contents().into()
}
