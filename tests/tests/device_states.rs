//! Device states are true: a revoked device is revoked in listings, filters, text, JSON and on the wire;
//! units and certificates are counted correctly; a unit that failed before it had a certificate can be given
//! up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;

use prost::bytes::Bytes;
use proto::v1::selection::By;
use proto::v1::{
    AlarmKind, CertificateStatus, DeviceState, GetDeviceRequest, GetTrustBundleRequest, ListAlarmsRequest,
    ListDevicesRequest, RenewRequest,
};
use serde_json::Value;
use tests::{
    CertificateAuthority, Credentials, Device, Factory, KeyAndRequest, Operator, OrderTerms, Site, Station,
    json_lines, line_file, plain_http, refusal,
};

const DEVICE: &str = "cam-2/SN000001";

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_revoked_wherever_its_state_is_shown() {
    let site = Site::open();
    let holder = site.device(1).await;
    site.device(2).await;
    let operator = Operator::of(&site.authority);
    assert_eq!(operator.json(&["device", "list", "--state", "revoked"]), Vec::<Value>::new());
    site.revoke(By::Device(holder.id.clone()), 2, "keyCompromise").await;

    let listed = operator.json(&["device", "list", "--state", "revoked"]);
    assert_eq!(
        (listed.len(), &listed[0]["device"], &listed[0]["state"]),
        (1, &Value::from(DEVICE), &Value::from("revoked"))
    );
    let all = operator.json(&["device", "list"]);
    let states: Vec<_> = all.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "revoked").count(), 1, "{states:?}");
    let words = operator.says(&["device", "show", DEVICE]);
    assert!(words.contains("revoked: its certificates are revoked for ever"), "{words}");
    let silent = operator.json(&["device", "not-seen", "--for", "0s"]);
    assert!(silent.iter().all(|one| one["device"] != DEVICE), "nobody waits for it: {silent:?}");
    let request = GetDeviceRequest { device: Some(holder.id.clone()) };
    let wire = site.factory.operator().lifecycle().get_device(request).await.unwrap().into_inner();
    assert_eq!(wire.device.unwrap().state(), DeviceState::Revoked);
    let request = ListDevicesRequest { state: DeviceState::Revoked.into(), ..Default::default() };
    let wire = site.factory.operator().lifecycle().list_devices(request).await.unwrap().into_inner();
    assert_eq!(wire.devices.len(), 1);

    // A hold would promise a return.
    let (_, said) = operator.fails(&["device", "hold", DEVICE]);
    assert!(said.contains("DEVICE_REVOKED") || said.contains("are revoked"), "{said}");
    assert!(said.contains("no release would bring them back"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_birth_certificate_alone_is_revoked_goes_on_and_a_rework_brings_a_revoked_one_back() {
    let site = Site::open();
    let holder = site.device(1).await;
    let operator = Operator::of(&site.authority);
    // In use, so that it is enrolled.
    site.authority
        .caller(&holder.operational)
        .enrollment()
        .get_trust_bundle(GetTrustBundleRequest {})
        .await
        .unwrap();
    let state = || operator.json(&["device", "show", DEVICE])[0]["state"].as_str().unwrap().to_owned();
    site.revoke(By::SerialNumber(holder.birth.serial_number()), 1, "superseded").await;
    assert_eq!(state(), "enrolled");
    operator.says(&["device", "hold", DEVICE]);
    site.revoke(By::SerialNumber(holder.operational.serial_number()), 1, "keyCompromise").await;
    assert_eq!(state(), "revoked", "a hold does not hide it");
    let released = operator.says(&["device", "release", DEVICE]);
    assert!(released.contains("is revoked"), "{released}");

    let allowed = operator.says(&["device", "rework", DEVICE]);
    assert!(allowed.contains("may be reworked") && allowed.contains("until then it is revoked"), "{allowed}");
    let shown = &operator.json(&["device", "show", DEVICE])[0];
    let order = shown["work_order"].as_str().unwrap().to_owned();
    let station = site.factory.station("line-1").await;
    site.factory.born(&station, &order, &Device::new("cam-2", "SN000001")).await;
    assert_eq!(state(), "issued");
    let order = &operator.json(&["work-order", "show", &order])[0];
    assert_eq!((&order["issued"], &order["reworked"]), (&Value::from(1), &Value::from(1)), "{order}");
    let words = operator.says(&["work-order", "show", order["id"].as_str().unwrap()]);
    assert!(words.contains("1 unit, 2 birth certificates (1 rework)"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_failed_before_it_had_a_certificate_is_given_up_and_a_mistyped_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = Station::set_up(&authority, "line-1", directory.path()).await;
    let order = factory.order(OrderTerms::new(2, &["line-1"])).await;
    let units = directory.path().join("units.csv");
    line_file(&units, "cam-2", ["SN000001".to_owned()].into_iter());
    // A silent board: the line gives up before the CA is asked.
    fs::write(
        directory.path().join("station.toml"),
        fs::read_to_string(directory.path().join("station.toml")).unwrap()
            + "answer-timeout-ms = 50\nsends-max = 2\n",
    )
    .unwrap();
    let mut provision = tests::Program::Station.command();
    provision.args(["provision", "--config"]).arg(directory.path().join("station.toml"));
    provision.args(["--work-order", &order, "--link", "exec:sleep 60", "--serials"]).arg(&units);
    provision.current_dir(directory.path());
    assert!(!provision.output().unwrap().status.success());
    let report = || {
        let mut report = tests::Program::Station.command();
        report.args(["report", "--units", "--json", "--config"]).arg(directory.path().join("station.toml"));
        json_lines(&String::from_utf8(report.output().unwrap().stdout).unwrap())
    };
    let before = report();
    assert_ne!(before[0]["reason"], "", "a reason is never empty: {before:?}");
    // Nothing was done to it, so nothing is in progress: the same command begins again.
    assert_eq!((&before[1]["failed"], &before[1]["open"]), (&1.into(), &serde_json::json!([])), "{before:?}");

    let given_up = station.scrap(&order, "dead board", &["SN000001"]).output().unwrap();
    let said = String::from_utf8_lossy(&given_up.stdout).into_owned();
    assert!(given_up.status.success() && said.contains("given up: it never had a certificate"), "{said}");
    let after = report();
    let counts = [&after[1]["failed"], &after[1]["scrapped"], &after[1]["given_up"]];
    assert_eq!(counts, [0, 0, 1], "{after:?}");
    assert_eq!(after[0]["outcome"], "given-up");
    assert_eq!(factory.counts(&order).await.issued, 0, "nothing was taken from the order");
    let unknown = station.scrap(&order, "never here", &["SN000002"]).output().unwrap();
    assert!(!unknown.status.success(), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_names_only_stations_that_there_are_unless_the_operator_says_otherwise() {
    let authority = CertificateAuthority::start();
    let operator = Operator::of(&authority);
    let create = [
        "work-order",
        "create",
        "--product",
        "cam-2",
        "--quantity",
        "1",
        "--serials",
        "SN{1..9}",
        "--station",
        "lien-1",
    ];
    let (_, said) = operator.fails(&create);
    assert!(said.contains("no station lien-1") && said.contains("--allow-unknown-station"), "{said}");
    operator.says(&[&create[..], &["--allow-unknown-station"]].concat());
    assert_eq!(operator.json(&["work-order", "list"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_lost_the_race_is_an_alarm_as_soon_as_it_uses_its_revoked_certificate_and_one_alarm_only()
 {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    let birth = factory.born(&station, &order, &Device::new("cam-2", "SN000001")).await;
    let parent = factory.enrolled(&birth).await;
    use_it(&authority, &parent).await.expect("it is good");
    // Both have the same memory and ask; the device uses its certificate first.
    let (mine, clones) = (renewed(&authority, &parent).await, renewed(&authority, &parent).await);
    use_it(&authority, &mine).await.expect("it is good");
    assert!(alarms(&authority).await.is_empty(), "a device may lose a reply");
    for _ in 0..3 {
        let said = refusal(use_it(&authority, &clones).await);
        assert_eq!(said.reason, "CLIENT_CERTIFICATE_REVOKED");
    }
    let alarms = alarms(&authority).await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0].serial_number, clones.serial_number());
    assert_eq!(alarms[0].child_serial_number, mine.serial_number());
    let (_, metrics) = plain_http(authority.http(), "GET /metrics HTTP/1.0\r\nhost: ca\r\n\r\n", &[]);
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("touchmark_revoked_siblings_total 3"), "{metrics}");
    // The device goes on.
    use_it(&authority, &mine).await.expect("it is good");
    let request = GetDeviceRequest {
        device: Some(proto::v1::DeviceId { product: "cam-2".into(), serial: "SN000001".into() }),
    };
    let device = authority.operator().lifecycle().get_device(request).await.unwrap().into_inner();
    assert_eq!(device.certificates.iter().filter(|one| one.status() == CertificateStatus::InUse).count(), 1);
}

async fn alarms(authority: &CertificateAuthority) -> Vec<proto::v1::Alarm> {
    let request = ListAlarmsRequest { kind: AlarmKind::Fork.into(), page: None };
    authority.operator().lifecycle().list_alarms(request).await.unwrap().into_inner().alarms
}

async fn renewed(authority: &CertificateAuthority, parent: &Credentials) -> Credentials {
    let key = KeyAndRequest::fresh();
    let request_id: Bytes = Device::new("cam-2", "SN000001").request_id;
    let request = RenewRequest { request_id, csr: key.csr.clone() };
    let answer = authority.caller(parent).enrollment().renew(request).await.unwrap().into_inner();
    let (certificate, trust) = (answer.certificate.unwrap().certificate, answer.trust_bundle.unwrap());
    Credentials::from_der(&key.key, &certificate, &answer.chain, &trust.anchors)
}

async fn use_it(authority: &CertificateAuthority, credentials: &Credentials) -> Result<(), tonic::Status> {
    authority.caller(credentials).enrollment().get_trust_bundle(GetTrustBundleRequest {}).await.map(drop)
}
