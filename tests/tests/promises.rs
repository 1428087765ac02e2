//! The promises of SECURITY.md: a stranger, a device with ten certificates and a stolen station attack while
//! an operator's calls are timed on new and on open connections; once the attacker is on hold or revoked, all
//! its connections are closed.
//!
//! Each attack lasts some seconds; `TOUCHMARK_PROMISES_SECONDS=60` makes it a minute.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::v1::{
    ConfirmInstalledRequest, DeviceId, GetTrustBundleRequest, HoldRequest, ListAlarmsRequest,
    ListWorkOrdersRequest, RenewRequest, RevokePrincipalRequest, Role,
};
use rand::rngs::StdRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::{
    Attack, Caller, CertificateAuthority, Credentials, Device, Factory, KeyAndRequest, OrderTerms, Refused,
    Seed, ask, eventually, plain_http, refused, request_id,
};
use tonic::Status;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_keeps_nobody_from_the_ca() {
    may_open(8_000);
    let authority = CertificateAuthority::start();
    let trust = Credentials::read(&authority.operator_directory()).trust;
    // From another network than the operator: clients of the stranger's network may be disconnected for it,
    // and have to retry.
    let mut attack = Attack::from(Ipv4Addr::new(127, 0, 9, 1));
    // Half handshakes, and complete ones that send nothing after.
    attack.half_sent(authority.grpc(), HALF_A_CLIENT_HELLO, 1_200);
    attack.idle(authority.grpc(), None, &trust, 300);
    attack.handshakes(authority.grpc(), None, &trust, 2);
    // Plain HTTP: half a head, half a body, and an answer that is never read.
    attack.half_sent(authority.public(), b"GET /crl/operational/full.crl HTTP/1.1\r\nhost: ca", 1_300);
    attack.half_sent(
        authority.public(),
        b"POST /ocsp HTTP/1.1\r\nhost: ca\r\ncontent-type: application/ocsp-request\r\ncontent-length: 100\r\n\r\n0",
        200,
    );
    attack.half_sent(authority.http(), b"GET /readyz HTTP/1.1\r\n", 200);
    let operator = Operator::begin(&authority);
    let pages = Pages::begin(&authority);
    tokio::time::sleep(duration()).await;
    pages.end();
    operator.end("a stranger");
    assert!(attack.tried() > 3_000, "it did its worst: {}", attack.tried());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_ten_certificates_keeps_nobody_from_the_ca_and_a_hold_ends_it() {
    may_open(8_000);
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    let device = Device::new("cam-2", "SN000001");
    let birth = factory.born(&station, &order, &device).await;
    let mut generator = Seed::of_this_run().generator(1);
    // It renews without end, until it is rate-limited.
    let (certificates, refusal) = renewed_without_end(&authority, &factory, &birth, &mut generator).await;
    eprintln!("the device had {} certificates, then: {refusal:?}", certificates.len());
    assert_eq!((refusal.reason.as_str(), refusal.retry), ("TOO_OFTEN", true));
    assert!((60..=68).contains(&certificates.len()), "64 at once, and one more in half a minute");
    let certificates = &certificates[..11];

    let mut attack = Attack::default();
    let mut calls = Attack::default();
    for certificate in certificates {
        attack.idle(authority.grpc(), Some(certificate), &certificate.trust, 40);
        calls.half_calls(authority.grpc(), certificate, TRUST_BUNDLE, 2, 250);
    }
    let newest = certificates.last().unwrap();
    calls.handshakes(authority.grpc(), Some(newest), &newest.trust, 2);
    let operator = Operator::begin(&authority);
    tokio::time::sleep(duration()).await;
    eprintln!("the device held {} connections, tried {} times", attack.open(), attack.tried());
    assert!((1..=16).contains(&attack.open()), "its share is 16 connections: {}", attack.open());

    let id = DeviceId { product: "cam-2".to_owned(), serial: "SN000001".to_owned() };
    let hold = HoldRequest { device: Some(id), remark: "it attacks".to_owned() };
    let took = on_her_own(&authority, async |caller| drop(caller.lifecycle().hold(hold).await.unwrap()));
    eprintln!("hold: {took:?}");
    assert!(took < P99_MAX, "hold: {took:?}");
    gone(&authority, "the device").await;
    operator.end("a device");
    drop((attack, calls));

    // It gets the reason.
    eventually(CLOSED_WITHIN, "it is told that it is on hold", async || {
        let asked = GetTrustBundleRequest {};
        let said = authority.caller(newest).enrollment().get_trust_bundle(asked).await;
        (refused(&said.unwrap_err()).reason == "CLIENT_CERTIFICATE_HELD").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_station_keeps_nobody_from_the_ca_and_its_revocation_ends_it() {
    may_open(8_000);
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let stolen = factory.credential(Role::Station, "line-1").await;
    let order = factory.order(OrderTerms::new(100_000, &["line-1"])).await;
    let mut attack = Attack::default();
    let mut calls = Attack::default();
    // One key, and another serial number each time: each would be a separate alarm.
    let first = Device::new("cam-2", "SN000000");
    ask(&authority.caller(&stolen), first.birth_request(&order)).await.issued();
    let station = authority.caller(&stolen);
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let mut unit = 0;
    calls.repeat(move || {
        unit += 1;
        let again = KeyAndRequest { csr: first.key.again(), key: rcgen::KeyPair::generate().unwrap() };
        let request = Device::with_key("cam-2", &format!("SN{unit:06}"), again).birth_request(&order);
        let (station, counted) = (station.clone(), Arc::clone(&counted));
        async move {
            if let Err(status) = station.provisioning().issue_birth_certificate(request).await
                && refused(&status).reason == "KEY_ALREADY_USED"
            {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    eventually(Duration::from_secs(30), "a hundred are refused", async || {
        (refusals.load(Ordering::SeqCst) >= 100).then_some(())
    })
    .await;
    attack.idle(authority.grpc(), Some(&stolen), &stolen.trust, 300);
    calls.half_calls(authority.grpc(), &stolen, STREAM, 4, 250);
    calls.half_calls(authority.grpc(), &stolen, WORK_ORDER, 4, 250);
    calls.handshakes(authority.grpc(), Some(&stolen), &stolen.trust, 2);
    let operator = Operator::begin(&authority);
    tokio::time::sleep(duration()).await;
    eprintln!("the station held {} connections", attack.open());
    assert!(attack.open() > 0);

    let revoke = RevokePrincipalRequest {
        role: Role::Station.into(),
        name: "line-1".to_owned(),
        reason: "keyCompromise".to_owned(),
        ..RevokePrincipalRequest::default()
    };
    let took = on_her_own(&authority, async |caller| drop(caller.principals().revoke(revoke).await.unwrap()));
    eprintln!("revoke: {took:?}");
    assert!(took < P99_MAX, "revoke: {took:?}");
    gone(&authority, "the station").await;
    operator.end("a station");
    drop((attack, calls));

    let refusals = refusals.load(Ordering::SeqCst);
    let alarms = factory.operator().lifecycle().list_alarms(ListAlarmsRequest::default()).await.unwrap();
    let alarms = alarms.into_inner().alarms.len();
    eprintln!("{refusals} refusals, {alarms} alarms");
    // One more than the limit: that which paused the product.
    assert!((1..=37).contains(&alarms), "{alarms} alarms of {refusals} refusals");
    let counted: usize = figure(&authority, "touchmark_alarms_repeated_total");
    assert!(counted + alarms >= refusals, "{counted} counted, {alarms} recorded, {refusals} refused");
}

/// The birth certificate and all operational ones that the device gets, each used before it authorises the
/// next: superseded ones are good until they expire. Also returns why there are no more.
async fn renewed_without_end(
    authority: &CertificateAuthority,
    factory: &Factory,
    birth: &Credentials,
    generator: &mut StdRng,
) -> (Vec<Credentials>, Refused) {
    let mut all = vec![birth.clone(), factory.enrolled(birth).await];
    loop {
        let newest = all.last().unwrap();
        let caller = authority.caller(newest);
        let confirm = ConfirmInstalledRequest { serial_number: newest.serial_number() };
        caller.enrollment().confirm_installed(confirm).await.unwrap();
        let key = KeyAndRequest::fresh();
        let request = RenewRequest { request_id: request_id(generator), csr: key.csr.clone() };
        let answer = match caller.enrollment().renew(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return (all, refused(&status)),
        };
        assert!(all.len() < 100, "the device is never slowed");
        let certificate = answer.certificate.unwrap().certificate;
        let anchors = answer.trust_bundle.unwrap().anchors;
        all.push(Credentials::from_der(&key.key, &certificate, &answer.chain, &anchors));
    }
}

/// How long an operator waits for this on a new connection, in a thread that the attackers do not use.
fn on_her_own(authority: &CertificateAuthority, what: impl AsyncFnOnce(Caller) + Send) -> Duration {
    let (server, credentials) = (authority.grpc(), Credentials::read(&authority.operator_directory()));
    std::thread::scope(|threads| {
        let working = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let asked = Instant::now();
            runtime.block_on(async { what(Caller::new(server, &credentials)).await });
            asked.elapsed()
        });
        working.join().expect("the operator is answered")
    })
}

/// An operator who works in a thread of her own, so that only the CA can keep her waiting.
struct Operator {
    over: Arc<AtomicBool>,
    working: JoinHandle<[Vec<Duration>; 2]>,
}

impl Operator {
    fn begin(authority: &CertificateAuthority) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (server, stop) = (authority.grpc(), Arc::clone(&over));
        let credentials = Credentials::read(&authority.operator_directory());
        let working = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work(server, &credentials, &stop))
        });
        Self { over, working }
    }

    /// Prints and judges how long she waited.
    fn end(self, attacker: &str) {
        self.over.store(true, Ordering::SeqCst);
        let took = self.working.join().expect("every call of the operator is answered");
        for (took, connection) in took.into_iter().zip(["an open connection", "a new connection"]) {
            judge(took, &format!("{attacker} attacks, an operator calls on {connection}"));
        }
    }
}

async fn work(server: SocketAddr, credentials: &Credentials, over: &AtomicBool) -> [Vec<Duration>; 2] {
    let open = Caller::new(server, credentials);
    let mut took = [Vec::new(), Vec::new()];
    while !over.load(Ordering::SeqCst) {
        let fresh = Caller::new(server, credentials);
        for (caller, took) in [&open, &fresh].into_iter().zip(&mut took) {
            let asked = Instant::now();
            let answer = caller.work_orders().list(ListWorkOrdersRequest::default()).await;
            answer.unwrap_or_else(|status: Status| panic!("after {:?}: {status}", asked.elapsed()));
            took.push(asked.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    took
}

/// Somebody who fetches what is public, and whether the CA is well.
struct Pages {
    over: Arc<AtomicBool>,
    reading: JoinHandle<Vec<Duration>>,
}

impl Pages {
    fn begin(authority: &CertificateAuthority) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stop, public, watched) = (Arc::clone(&over), authority.public(), authority.http());
        let reading = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                for (address, path) in [(public, "/crl/operational/full.crl"), (watched, "/readyz")] {
                    let asked = Instant::now();
                    let (head, _) = plain_http(
                        address,
                        &format!("GET {path} HTTP/1.1\r\nhost: ca\r\nconnection: close\r\n\r\n"),
                        &[],
                    );
                    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
                    took.push(asked.elapsed());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            took
        });
        Self { over, reading }
    }

    fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        judge(self.reading.join().expect("every page is served"), "a stranger attacks, a page is fetched");
    }
}

fn judge(mut took: Vec<Duration>, what: &str) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let (p50, p99, most) = (at(0.5), at(0.99), at(1.0));
    eprintln!("{what}: {} times, p50 {p50:?}, p99 {p99:?}, longest {most:?}", took.len());
    assert!(p99 < P99_MAX, "{what}: p99 {p99:?}");
}

/// The open connections are the operators', and a few of the refused caller that get the reason.
async fn gone(authority: &CertificateAuthority, who: &str) {
    let asked = Instant::now();
    eventually(CLOSED_WITHIN, "everything that it has is closed", async || {
        (figure(authority, "touchmark_connections") <= OTHERS_OPEN_MAX).then_some(())
    })
    .await;
    eprintln!("{who} is out after {:?}", asked.elapsed());
    // And it stays so, although the attack goes on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let open = figure(authority, "touchmark_connections");
    eprintln!("{open} connections are open");
    assert!(open <= OTHERS_OPEN_MAX, "{open} connections");
}

fn figure(authority: &CertificateAuthority, name: &str) -> usize {
    let (_, body) = plain_http(authority.http(), "GET /metrics HTTP/1.0\r\n\r\n", &[]);
    let text = String::from_utf8(body).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
}

fn may_open(files: u64) {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map_or(files, |maximum| maximum.max(files));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: Some(maximum) })
        .expect("this test needs a hard limit of 8,000 open files");
}

/// How long each attack lasts.
fn duration() -> Duration {
    let seconds = std::env::var("TOUCHMARK_PROMISES_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

const TRUST_BUNDLE: &str = "/touchmark.v1.EnrollmentService/GetTrustBundle";
const STREAM: &str = "/touchmark.v1.ProvisioningService/IssueBirthCertificates";
const WORK_ORDER: &str = "/touchmark.v1.ProvisioningService/GetWorkOrder";

/// A TLS record header that promises 512 bytes, and a handshake header; then nothing.
const HALF_A_CLIENT_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];

/// Generous: attackers, operator and CA share the machine with other tests.
const P99_MAX: Duration = Duration::from_secs(4);

/// A connection is closed within a second; the machine is as busy as the attackers can make it.
const CLOSED_WITHIN: Duration = Duration::from_secs(15);

/// Connections of the operators, whose new ones overlap on a busy machine, and of a refused caller that get
/// the reason. The attackers try for hundreds.
const OTHERS_OPEN_MAX: usize = 64 + 32;
