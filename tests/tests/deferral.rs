//! A unit that is made while the CA cannot be asked: locked without its certificate, which the station asks
//! for later, and the unit claims at first boot with nothing but its key. Strangers get nothing, and keep
//! nobody waiting.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use identity::{Clock, SystemClock};
use prost::Message;
use prost::bytes::Bytes;
use proto::v1;
use proto::v1::device_message::Response;
use proto::v1::station_message::Request;
use tests::{
    Attack, Caller, CertificateAuthority, Credentials, Device, Factory, KeyAndRequest, Operator, OrderTerms,
    Program, ask, call_raw, eventually, refusal, refused, within,
};

/// The real device on a pipe, and the station's side of one session.
struct Bench {
    child: std::process::Child,
    decoder: link::Decoder,
    exchange: u32,
}

impl Bench {
    fn start(state: &Path) -> Self {
        let mut agent = Program::Agent.command();
        agent.args(["factory", "--stdio", "--state"]).arg(state);
        agent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: agent.spawn().unwrap(), decoder: link::Decoder::new(), exchange: 0 }
    }

    fn ask(&mut self, request: Request) -> Response {
        self.exchange += 1;
        let exchange = self.exchange;
        let message = v1::StationMessage { exchange, request: Some(request), from_station: true };
        let frame = link::encode(&message.encode_to_vec()).unwrap();
        self.child.stdin.as_mut().unwrap().write_all(&frame).unwrap();
        let mut buffer = [0; 4096];
        loop {
            let count = self.child.stdout.as_mut().unwrap().read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the device ended");
            if let Some(frame) = self.decoder.push(&buffer[..count]).next() {
                return v1::DeviceMessage::decode(frame.unwrap().as_slice()).unwrap().response.unwrap();
            }
        }
    }

    fn hello(&mut self, serial: &str) -> v1::HelloResponse {
        let hello = v1::Hello {
            protocol_version: 1,
            assigned_serial: serial.to_owned(),
            product: "cam-2".to_owned(),
            withdrawn_serials: Vec::new(),
        };
        match self.ask(Request::Hello(hello)) {
            Response::Hello(hello) => hello,
            other => panic!("{other:?}"),
        }
    }

    fn csr(&mut self) -> Bytes {
        match self.ask(Request::GenerateKey(v1::GenerateKey { key_type: "p256".to_owned() })) {
            Response::GenerateKey(made) => made.csr,
            other => panic!("{other:?}"),
        }
    }

    fn close(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Makes and locks a unit without its certificate; its certificate request.
fn made_offline(state: &Path, serial: &str, order: &v1::GetWorkOrderResponse) -> Bytes {
    let mut bench = Bench::start(state);
    assert_eq!(bench.hello(serial).capabilities, ["deferral"]);
    let csr = bench.csr();
    let install = v1::Install {
        trust_bundle: order.trust_bundle.clone(),
        enrollment_url: order.enrollment_url.clone(),
        ..v1::Install::default()
    };
    assert!(matches!(bench.ask(Request::Install(install)), Response::Install(_)));
    assert!(matches!(bench.ask(Request::Lock(v1::Lock {})), Response::Lock(_)));
    let hello = bench.hello(serial);
    assert_eq!((hello.step(), hello.certificate_deferred), (v1::FactoryStep::Locked, true));
    bench.close();
    csr
}

fn agent(command: &str, state: &Path, more: &[&str]) -> Output {
    Program::Agent.command().arg(command).arg("--state").arg(state).args(more).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What a station asks later for a unit that it made now.
fn deferred(device: &Device, order: &str) -> v1::IssueBirthCertificateRequest {
    let deferral = Some(v1::Deferral { made_at: Some(SystemClock.now().into()) });
    v1::IssueBirthCertificateRequest { deferral, ..device.birth_request(order) }
}

/// A caller with a self-signed certificate of this key.
fn bare(authority: &CertificateAuthority, key: &rcgen::KeyPair, trust: &str) -> Caller {
    authority.caller(&self_signed(key, trust))
}

fn self_signed(key: &rcgen::KeyPair, trust: &str) -> Credentials {
    let certificate = rcgen::CertificateParams::default().self_signed(key).unwrap().pem();
    let (chain, trust, key) = (String::new(), trust.to_owned(), key.serialize_pem());
    Credentials { certificate, chain, key, trust }
}

async fn claimed(caller: &Caller) -> Result<v1::ClaimBirthCertificateResponse, tonic::Status> {
    let request = v1::ClaimBirthCertificateRequest {};
    caller.enrollment().claim_birth_certificate(request).await.map(tonic::Response::into_inner)
}

async fn reserved(station: &Caller, order: &str, count: u32) -> Vec<String> {
    let request_id = Device::new("cam-2", "SN0").request_id;
    let request = v1::ReserveUnitsRequest {
        request_id,
        work_order: order.to_owned(),
        count,
        ..v1::ReserveUnitsRequest::default()
    };
    station.provisioning().reserve_units(request).await.unwrap().into_inner().serials
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_was_locked_without_the_ca_claims_its_certificate_at_first_boot_and_enrols() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(4, &["line-1"])).await;
    let get = v1::GetWorkOrderRequest { work_order: order.clone() };
    let told = station.provisioning().get_work_order(get).await.unwrap().into_inner();
    let serials = reserved(&station, &order, 3).await;
    let home = tempfile::tempdir().unwrap();
    let (state, bench) = (home.path().join("first-boot"), home.path().join("on-the-bench"));
    let csrs = [(&state, &serials[0]), (&bench, &serials[1])]
        .map(|(state, serial)| made_offline(state, serial, &told));

    // The unit is powered on before the station has called.
    let early = agent("enroll", &state, &["--deadline", "2s"]);
    assert!(
        !early.status.success() && said(&early).contains("CERTIFICATE_NOT_YET_ISSUED"),
        "{}",
        said(&early)
    );
    assert!(said(&agent("status", &state, &["--json"])).contains("\"certificate-deferred\""));

    // The CA is back, and went away again after it had recorded the answers: they are asked for again.
    let asked: Vec<_> = csrs
        .iter()
        .zip(&serials)
        .map(|(csr, serial)| v1::IssueBirthCertificateRequest {
            csr: csr.clone(),
            ..deferred(&Device::new("cam-2", serial), &order)
        })
        .collect();
    let mut certificates = Vec::new();
    for request in asked.iter().chain(&asked) {
        certificates.push(ask(&station, request.clone()).await.issued().certificate);
    }
    assert_eq!(certificates[..2], certificates[2..]);
    let counts = factory.counts(&order).await;
    assert_eq!((counts.issued, counts.reserved, counts.refused_after_deferral), (2, 1, 0));

    let enrolled = agent("enroll", &state, &["--deadline", "20s"]);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
    assert!(said(&agent("status", &state, &["--json"])).contains("\"enrolled\""));
    let doctor = agent("doctor", &state, &[]);
    assert!(doctor.status.success(), "{}", said(&doctor));

    // The other unit comes back to the bench, which has the certificate by now.
    let mut unit = Bench::start(&bench);
    assert!(unit.hello(&serials[1]).certificate_deferred);
    let install = v1::Install {
        certificate: certificates[1].clone(),
        chain: told.chain.clone(),
        ..v1::Install::default()
    };
    for _ in 0..2 {
        assert!(matches!(unit.ask(Request::Install(install.clone())), Response::Install(_)));
        assert!(!unit.hello(&serials[1]).certificate_deferred);
    }
    unit.close();
    let enrolled = agent("enroll", &bench, &["--deadline", "20s"]);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_refused_after_its_deferral_keeps_its_number_and_its_answer() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(3, &["line-1"])).await;
    let serials = reserved(&station, &order, 2).await;
    let first = Device::new("cam-2", &serials[0]);
    ask(&station, deferred(&first, &order)).await.issued();
    let copy = Device::with_key(
        "cam-2",
        &serials[1],
        KeyAndRequest::of(rcgen::KeyPair::try_from(first.key.key.serialize_der()).unwrap()),
    );
    let asked = deferred(&copy, &order);
    for _ in 0..2 {
        assert_eq!(ask(&station, asked.clone()).await.reason(), "KEY_ALREADY_USED");
    }
    // One key in two units pauses the product.
    Operator::of(&authority).says(&["product", "resume", "cam-2", "--remark", "a copied board", "--yes"]);
    let other = deferred(&Device::new("cam-2", &serials[1]), &order);
    assert_eq!(ask(&station, other).await.reason(), "REFUSED_AFTER_DEFERRAL");
    let never = deferred(&Device::new("cam-2", "SN000099"), &order);
    assert_eq!(ask(&station, never).await.reason(), "DEFERRAL_NOT_ALLOWED");
    let counts = factory.counts(&order).await;
    assert_eq!((counts.issued, counts.reserved, counts.refused_after_deferral), (1, 0, 1));
    let shown = Operator::of(&authority).says(&["work-order", "show", &order]);
    assert!(
        shown.contains("1 unit, after they were made without the CA") && shown.contains("(1 left)"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_key_gets_its_own_certificate_and_nothing_else_while_strangers_crowd_the_door() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(4, &["line-1"])).await;
    let serials = reserved(&station, &order, 2).await;
    let units = [0, 1].map(|at: usize| Device::new("cam-2", &serials[at]));
    for unit in &units {
        ask(&station, deferred(unit, &order)).await.issued();
    }
    let trust = authority.operator_credentials().trust;
    let [own, retired] = [0, 1].map(|at: usize| bare(&authority, &units[at].key.key, &trust));
    let stranger = bare(&authority, &rcgen::KeyPair::generate().unwrap(), &trust);

    let answer = claimed(&own).await.unwrap();
    assert!(answer.trust_bundle.is_some() && answer.server_time.is_some() && !answer.chain.is_empty());
    let get = v1::GetTrustBundleRequest {};
    assert_eq!(refusal(own.enrollment().get_trust_bundle(get).await).reason, "BARE_KEY_NOT_ALLOWED");
    let enroll = "/touchmark.v1.EnrollmentService/Enroll";
    let refused_enrol = call_raw(own.channel(), enroll, Bytes::new()).await.unwrap_err();
    assert_eq!(refused(&refused_enrol).reason, "BARE_KEY_NOT_ALLOWED");
    assert_eq!(refusal(claimed(&stranger).await).reason, "CERTIFICATE_NOT_YET_ISSUED");
    let wait = claimed(&stranger).await.unwrap_err();
    assert!(tonic_types::StatusExt::get_details_retry_info(&wait).is_some(), "it says when to ask again");
    let device = format!("cam-2/{}", serials[1]);
    Operator::of(&authority).says(&["device", "retire", &device, "--confirm", "1"]);
    assert_eq!(refusal(claimed(&retired).await).reason, "DEVICE_RETIRED");

    // Fresh keys without end take the places of each other, and each is told the same.
    let mut flood = Attack::from(Ipv4Addr::new(127, 7, 7, 7));
    for _ in 0..10 {
        let key = self_signed(&rcgen::KeyPair::generate().unwrap(), &trust);
        flood.idle(authority.grpc(), Some(&key), &trust, 20);
    }
    eventually(Duration::from_secs(30), "the limit is reached", async || (flood.tried() > 200).then_some(()))
        .await;
    for _ in 0..20 {
        let device = bare(&authority, &units[0].key.key, &trust);
        within(Duration::from_secs(10), "a device claims", async {
            while let Err(status) = claimed(&device).await {
                // Evicted for a newer one: the agent asks again as well.
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
            }
        })
        .await;
        let request = Device::new("cam-2", "SN000050").birth_request(&order);
        within(Duration::from_secs(5), "a station", ask(&station, request)).await;
    }
    assert!(flood.open() <= 64, "{} of the flood are open", flood.open());
}
