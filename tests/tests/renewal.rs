//! Operational certificates form one lineage, whatever is lost or killed on the way; a clone is detected; a
//! late device may only renew; a held device waits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use prost::bytes::Bytes;
use proto::v1::{
    AlarmKind, CertificateStatus, ConfirmInstalledRequest, DeviceId, DeviceState, GetDeviceRequest,
    GetRenewalInfoRequest, GetTrustBundleRequest, HoldRequest, ListAlarmsRequest, ReleaseRequest,
    RenewRequest, RequestRotationRequest, Selection, selection::By,
};
use rand::RngExt;
use tests::{
    CertificateAuthority, Credentials, Device, Factory, KeyAndRequest, OrderTerms, Seed, eventually, refusal,
    request_id,
};
use tonic::{Code, Status};

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_retries_and_kills_leave_one_line_of_descent() {
    let mut generator = Seed::of_this_run().generator(0);
    let mut authority = CertificateAuthority::start();
    let (device, birth) = born(&authority).await;
    let mut line = vec![birth.certificate_der()];
    let mut current = Factory::of(&authority).enrolled(&birth).await;
    line.push(current.certificate_der());

    for _ in 0..ROUNDS {
        // The same request from the same device, repeated while the CA is killed.
        let key = KeyAndRequest::fresh();
        let request = RenewRequest { request_id: request_id(&mut generator), csr: key.csr.clone() };
        let asking: Vec<_> = (0..RETRIES)
            .map(|_| {
                let (caller, request) = (authority.caller(&current), request.clone());
                tokio::spawn(async move { caller.enrollment().renew(request).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(generator.random_range(0..40))).await;
        authority.kill();
        let mut answers = Vec::new();
        for answer in asking {
            answers.extend(answer.await.unwrap().ok().map(|answer| certificate(answer.into_inner())));
        }
        authority.serve();
        let again = authority.caller(&current).enrollment().renew(request).await.expect("it is answered");
        let again = again.into_inner();
        let child = certificate(again.clone());
        assert!(answers.iter().all(|answer| *answer == child), "one question, one certificate");

        // The first call with the child confirms it; the reply to that may be lost as well.
        let anchors = again.trust_bundle.unwrap().anchors;
        let next = Credentials::from_der(&key.key, &child, &again.chain, &anchors);
        let using = {
            let caller = authority.caller(&next);
            tokio::spawn(async move { caller.enrollment().get_trust_bundle(GetTrustBundleRequest {}).await })
        };
        if generator.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(generator.random_range(0..20))).await;
            authority.kill();
            authority.serve();
        }
        using.await.unwrap().ok();
        let confirm = GetRenewalInfoRequest {};
        authority.caller(&next).enrollment().get_renewal_info(confirm).await.expect("the child is good");
        line.push(child);
        current = next;
    }

    let record = get_device(&authority, &device).await;
    assert_eq!(record.device.unwrap().state(), DeviceState::Enrolled);
    let certificates: Vec<_> = record.certificates.iter().map(|one| one.certificate.to_vec()).collect();
    assert_eq!(certificates, line, "all that was issued is one line");
    for pair in record.certificates.windows(2) {
        assert_eq!(pair[1].parent_serial_number, pair[0].serial_number);
        assert_eq!(pair[0].child_serial_numbers, [pair[1].serial_number.clone()]);
    }
    let (last, before) = record.certificates[1..].split_last().unwrap();
    assert_eq!(last.status(), CertificateStatus::InUse);
    assert!(before.iter().all(|one| one.status() == CertificateStatus::Superseded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_renews_is_refused_and_by_policy_the_device_is_held() {
    let mut authority = CertificateAuthority::founded();
    configure(&authority, "on-fork = \"hold\"\n");
    authority.serve();
    let (device, birth) = born(&authority).await;
    let parent = Factory::of(&authority).enrolled(&birth).await;
    let child = renewed(&authority, &parent).await.unwrap();
    use_it(&authority, &child).await.expect("the child is good");

    let said = refusal(renewed(&authority, &parent).await);
    assert_eq!((said.code, said.reason.as_str()), (Code::FailedPrecondition, "LINEAGE_FORKED"));

    let alarms = ListAlarmsRequest { kind: AlarmKind::Fork.into(), page: None };
    let alarms = authority.operator().lifecycle().list_alarms(alarms).await.unwrap().into_inner().alarms;
    assert_eq!(alarms.len(), 1);
    assert_eq!((alarms[0].device.as_ref(), alarms[0].held), (Some(&device), true));
    for credentials in [&parent, &child, &birth] {
        let said = refusal(use_it(&authority, credentials).await);
        assert_eq!((said.code, said.reason.as_str()), (Code::Unauthenticated, "CLIENT_CERTIFICATE_HELD"));
    }

    let release = ReleaseRequest { device: Some(device.clone()) };
    let released = authority.operator().lifecycle().release(release).await.unwrap().into_inner();
    assert_eq!(released.device.unwrap().state(), DeviceState::Enrolled);
    use_it(&authority, &child).await.expect("what was held works again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_holds_a_device_on_its_open_connection_and_lets_it_go_again() {
    let authority = CertificateAuthority::start();
    let (device, birth) = born(&authority).await;
    let operational = Factory::of(&authority).enrolled(&birth).await;
    let mut connected = authority.caller(&operational).enrollment();
    connected.get_trust_bundle(GetTrustBundleRequest {}).await.expect("it is good");

    let hold = HoldRequest { device: Some(device.clone()), remark: "lost parcel".into() };
    let held = authority.operator().lifecycle().hold(hold.clone()).await.unwrap().into_inner();
    assert_eq!(held.device.unwrap().state(), DeviceState::Held);
    authority.operator().lifecycle().hold(hold).await.expect("a second time changes nothing");
    let said = refusal(connected.get_trust_bundle(GetTrustBundleRequest {}).await);
    assert_eq!(said.reason, "CLIENT_CERTIFICATE_HELD");

    let release = ReleaseRequest { device: Some(device) };
    authority.operator().lifecycle().release(release.clone()).await.unwrap();
    connected.get_trust_bundle(GetTrustBundleRequest {}).await.expect("it is good again");
    let said = refusal(authority.operator().lifecycle().release(release).await);
    assert_eq!(said.reason, "DEVICE_NOT_HELD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_just_ended_renews_itself_and_does_nothing_else() {
    let mut authority = CertificateAuthority::founded();
    configure(&authority, "lifetime-days = 1\nrenewal-grace-days = 3\n");
    authority.serve();
    let (_, birth) = born(&authority).await;
    let operational = Factory::of(&authority).enrolled(&birth).await;
    use_it(&authority, &operational).await.expect("it is good today");

    authority = later(authority, "+2d");
    use_it(&authority, &operational).await.expect("what to trust is told to who is late");
    let info = authority.caller(&operational).enrollment().get_renewal_info(GetRenewalInfoRequest {}).await;
    let info = info.unwrap().into_inner();
    assert!(info.window_end.unwrap().seconds < info.server_time.unwrap().seconds, "it is time");
    let serial_number = serial_number(&operational);
    let confirm = ConfirmInstalledRequest { serial_number };
    let said = refusal(authority.caller(&operational).enrollment().confirm_installed(confirm).await);
    assert_eq!((said.code, said.reason.as_str()), (Code::Unauthenticated, "CLIENT_CERTIFICATE_EXPIRED"));
    let next = renewed(&authority, &operational).await.expect("it renews");
    use_it(&authority, &next).await.expect("and is good again");

    let mut authority = later(authority, "+9d");
    for credentials in [&operational, &next] {
        let said = refusal(use_it(&authority, credentials).await);
        assert!(said.reason.is_empty(), "refused at the handshake: {said:?}");
    }
    Factory::of(&authority).enrolled(&birth).await;
    authority.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_hears_of_a_rotation_and_its_renewal_ends_it() {
    let authority = CertificateAuthority::start();
    let (device, birth) = born(&authority).await;
    let operational = Factory::of(&authority).enrolled(&birth).await;
    let ask = async |credentials: &Credentials| {
        let info =
            authority.caller(credentials).enrollment().get_renewal_info(GetRenewalInfoRequest {}).await;
        info.unwrap().into_inner()
    };
    let scheduled = ask(&operational).await;
    assert_eq!(scheduled.reason, "scheduled");
    assert_eq!(
        ask(&operational).await.window_start,
        scheduled.window_start,
        "the same for the same certificate"
    );

    let rotate = RequestRotationRequest {
        request_id: Bytes::from(vec![7; 16]),
        selection: Some(Selection { by: Some(By::Product(device.product.clone())) }),
        spread: None,
        remark: "a weak generator".into(),
    };
    let first = authority.operator().lifecycle().request_rotation(rotate.clone()).await.unwrap().into_inner();
    let again = authority.operator().lifecycle().request_rotation(rotate).await.unwrap().into_inner();
    assert_eq!(first, again, "one request, one rotation");
    let due = ask(&operational).await;
    assert_eq!((due.reason.as_str(), due.explanation.as_str()), ("rotation requested", "a weak generator"));
    assert!(due.window_start.unwrap().seconds <= due.server_time.unwrap().seconds, "now");

    let next = renewed(&authority, &operational).await.unwrap();
    assert_eq!(ask(&next).await.reason, "scheduled", "the new one is not meant");
    assert_eq!(ask(&operational).await.reason, "superseded");
}

/// A device that was born, and its birth credentials.
async fn born(authority: &CertificateAuthority) -> (DeviceId, Credentials) {
    let factory = Factory::of(authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    let device = Device::new("cam-2", "SN000001");
    let birth = factory.born(&station, &order, &device).await;
    (device.id, birth)
}

/// The next operational credentials.
async fn renewed(authority: &CertificateAuthority, parent: &Credentials) -> Result<Credentials, Status> {
    let key = KeyAndRequest::fresh();
    let fresh = Device::new("cam-2", "SN000001").request_id;
    let request = RenewRequest { request_id: fresh, csr: key.csr.clone() };
    let answer = authority.caller(parent).enrollment().renew(request).await?.into_inner();
    let anchors = answer.trust_bundle.clone().unwrap().anchors;
    Ok(Credentials::from_der(&key.key, &certificate(answer.clone()), &answer.chain, &anchors))
}

async fn use_it(authority: &CertificateAuthority, credentials: &Credentials) -> Result<(), Status> {
    let caller = authority.caller(credentials);
    caller.enrollment().get_trust_bundle(GetTrustBundleRequest {}).await.map(drop)
}

async fn get_device(authority: &CertificateAuthority, device: &DeviceId) -> proto::v1::GetDeviceResponse {
    eventually(SOON, "the operator is answered", || async {
        let request = GetDeviceRequest { device: Some(device.clone()) };
        authority.operator().lifecycle().get_device(request).await.ok().map(tonic::Response::into_inner)
    })
    .await
}

fn certificate(answer: proto::v1::RenewResponse) -> Vec<u8> {
    answer.certificate.expect("the answer has a certificate").certificate.to_vec()
}

fn serial_number(credentials: &Credentials) -> Bytes {
    let der = credentials.certificate_der();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    Bytes::copy_from_slice(parsed.raw_serial())
}

/// These lines in `[profiles.ldevid]`, instead of what was there.
fn configure(authority: &CertificateAuthority, lines: &str) {
    let path = authority.directory().join("ca.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (before, table) = text.split_once("[profiles.ldevid]").expect("init writes the table");
    let after = table.split_once("\n[").map_or("", |(_, after)| after);
    let after = if after.is_empty() { String::new() } else { format!("\n[{after}") };
    fs::write(path, format!("{before}[profiles.ldevid]\n{lines}{after}")).unwrap();
}

/// The same CA, later.
fn later(mut authority: CertificateAuthority, by: &str) -> CertificateAuthority {
    assert_eq!(authority.stop().code(), Some(0));
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    assert!(Path::new(library).exists(), "this test needs the Debian package `faketime`");
    authority = authority
        .with_environment("LD_PRELOAD", library)
        .with_environment("FAKETIME", by)
        .with_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    authority.serve();
    authority
}

const ROUNDS: usize = 6;

/// As many as an impatient device may send at once.
const RETRIES: usize = 10;

const SOON: Duration = Duration::from_secs(20);
