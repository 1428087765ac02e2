//! Callers whose certificate is revoked, expired, another's, or missing are refused, also on an open stream.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::Path;
use std::time::Duration;

use proto::v1::issue_birth_certificates_response::Outcome;
use proto::v1::{
    EnrollRequest, GetWorkOrderRequest, IssueBirthCertificateRequest, ReportScrapRequest,
    RevokePrincipalRequest, Role,
};
use tests::{
    Caller, CertificateAuthority, Credentials, Device, Factory, KeyAndRequest, OrderTerms, ask, refused,
    within,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_revoked_is_refused_also_on_its_open_stream() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;

    let (requests, open) = mpsc::channel::<IssueBirthCertificateRequest>(1);
    let first = Device::new("cam-2", "SN000001").birth_request(&order);
    requests.send(first).await.unwrap();
    let mut provisioning = station.provisioning();
    let answers = provisioning.issue_birth_certificates(ReceiverStream::new(open));
    let mut answers = within(SOON, "the stream opens", answers).await.unwrap().into_inner();
    let answer = within(SOON, "the first answer", answers.message()).await.unwrap().expect("an answer");
    assert!(matches!(answer.outcome, Some(Outcome::Certificate(_))));

    revoke(&factory, Role::Station, "line-1").await;
    // The stream may have ended by now.
    let _ = requests.send(Device::new("cam-2", "SN000002").birth_request(&order)).await;
    let said = within(SOON, "the answer after the revocation", answers.message()).await;
    match said {
        Err(status) => assert_refused(&status, "CLIENT_CERTIFICATE_REVOKED"),
        Ok(answer) => match answer.expect("an answer").outcome {
            Some(Outcome::Refusal(refusal)) => {
                assert_eq!(refusal.reason, "CLIENT_CERTIFICATE_REVOKED");
                assert_eq!(refusal.code, Code::Unauthenticated as i32);
            }
            other => panic!("a revoked station was answered: {other:?}"),
        },
    }

    let request = Device::new("cam-2", "SN000003").birth_request(&order);
    assert_eq!(ask(&station, request).await.reason(), "CLIENT_CERTIFICATE_REVOKED");
    assert_eq!(factory.counts(&order).await.issued, 1);
    assert!(authority.logs("CLIENT_CERTIFICATE_REVOKED"), "the log says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrapped_device_cannot_enrol() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let device = Device::new("cam-2", "SN000001");
    let birth = factory.born(&station, &order, &device).await;
    let scrap = ReportScrapRequest {
        work_order: order.clone(),
        device: Some(device.id.clone()),
        reason: "dropped".to_owned(),
        operator: String::new(),
    };
    station.provisioning().report_scrap(scrap).await.unwrap();

    let csr = KeyAndRequest::fresh().csr;
    let request = EnrollRequest { request_id: device.request_id.clone(), csr };
    let said = authority.caller(&birth).enrollment().enroll(request).await;
    assert_refused(&said.expect_err("a scrapped device is refused"), "CLIENT_CERTIFICATE_REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_ca_is_refused() {
    let authority = CertificateAuthority::start();
    let elsewhere = CertificateAuthority::start();
    let trust = Credentials::read(&authority.operator_directory()).trust;
    let foreign = Credentials { trust, ..Credentials::read(&elsewhere.operator_directory()) };
    assert_turned_away(&authority, &authority.caller(&foreign)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signs_itself_is_refused_whatever_its_name() {
    let authority = CertificateAuthority::start();
    let admin = Credentials::read(&authority.operator_directory());
    // A copy of the admin's certificate, signed by the wrong key.
    let key = rcgen::KeyPair::generate().unwrap();
    let der = rustls_pki_types::CertificateDer::from(admin.certificate_der());
    let (_, original) = x509_parser::parse_x509_certificate(&der).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, name) in [
        (rcgen::DnType::OrganizationName, tests::ORGANIZATION),
        (rcgen::DnType::OrganizationalUnitName, "operators"),
        (rcgen::DnType::CommonName, "admin"),
    ] {
        params.distinguished_name.push(kind, name);
    }
    params.serial_number = Some(original.raw_serial().to_vec().into());
    let forged = params.self_signed(&key).unwrap();
    let forged =
        Credentials { certificate: forged.pem(), chain: String::new(), key: key.serialize_pem(), ..admin };
    // It proves a key, and no call is open to a key.
    let caller = authority.caller(&forged);
    let answer = caller.work_orders().list(proto::v1::ListWorkOrdersRequest::default()).await;
    let said = refused(&answer.expect_err("it is refused"));
    assert_eq!((said.code, said.reason.as_str()), (Code::PermissionDenied, "BARE_KEY_NOT_ALLOWED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_expired_is_refused() {
    let mut authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let credentials = factory.credential_for(Role::Station, "line-1", 1).await;
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let get = GetWorkOrderRequest { work_order: order.clone() };
    authority
        .caller(&credentials)
        .provisioning()
        .get_work_order(get.clone())
        .await
        .expect("it is good today");

    // The same CA, a week later.
    assert_eq!(authority.stop().code(), Some(0));
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    assert!(Path::new(library).exists(), "this test needs the Debian package `faketime`");
    authority = authority
        .with_environment("LD_PRELOAD", library)
        .with_environment("FAKETIME", "+7d")
        .with_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    authority.serve();
    let said = authority.caller(&credentials).provisioning().get_work_order(get).await;
    let said = refused(&said.expect_err("it is refused"));
    assert!(
        said.reason == "CLIENT_CERTIFICATE_EXPIRED" || said.reason.is_empty(),
        "refused by its date, at the handshake or at the call: {said:?}"
    );
    assert!(authority.logs("xpired"), "the log says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_does_not_reach_what_is_for_operators() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let birth = factory.born(&station, &order, &Device::new("cam-2", "SN000001")).await;
    let device = authority.caller(&birth);
    let said = device.work_orders().create(OrderTerms::new(1, &["line-1"]).into_request()).await;
    let said = refused(&said.expect_err("it is refused"));
    assert_eq!((said.code, said.reason.as_str()), (Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    assert!(authority.logs("ROLE_NOT_ALLOWED"), "the log says so");
}

async fn revoke(factory: &Factory, role: Role, name: &str) {
    let request = RevokePrincipalRequest {
        role: role.into(),
        name: name.to_owned(),
        reason: "keyCompromise".to_owned(),
        ..RevokePrincipalRequest::default()
    };
    let answer = factory.operator().principals().revoke(request).await.expect("it is revoked").into_inner();
    assert_eq!(answer.revoked, 1);
}

/// Refused at the handshake or at the call, and the CA goes on serving.
async fn assert_turned_away(authority: &CertificateAuthority, caller: &Caller) {
    let page = proto::v1::ListWorkOrdersRequest::default();
    let mut work_orders = caller.work_orders();
    let answer = within(SOON, "an answer", work_orders.list(page.clone())).await;
    let status = answer.expect_err("it is refused");
    let said = refused(&status);
    assert!(
        said.code == Code::Unauthenticated || said.reason.is_empty(),
        "at the call or at the handshake: {said:?}"
    );
    authority.operator().work_orders().list(page).await.expect("the operator is answered");
}

fn assert_refused(status: &Status, reason: &str) {
    let refused = refused(status);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::Unauthenticated, reason), "{status:?}");
}

/// The longest answer on a loopback.
const SOON: Duration = Duration::from_secs(10);
