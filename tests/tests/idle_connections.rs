//! Thousands of silent connections and unfinished handshakes: the CA goes on serving, and its memory is
//! bounded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use prost::bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::{
    Attack, CertificateAuthority, Device, Factory, OrderTerms, Process, ask, call_raw, eventually, refused,
    within,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_say_nothing_keep_nobody_waiting() {
    may_open(CONNECTIONS as u64 + 1_000);
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(100_000, &["line-1"])).await;
    ask(&station, Device::new("cam-2", "SN999999").birth_request(&order)).await.issued();
    let files_before = open_files(authority.process());
    let resident_before = authority.process().resident_kib();

    let server = authority.grpc();
    let strangers = tokio::task::spawn_blocking(move || {
        let opened = (0..CONNECTIONS).filter_map(|number| {
            let mut stranger = TcpStream::connect_timeout(&server, Duration::from_secs(10)).ok()?;
            // Every tenth one begins a handshake and never continues.
            if number % 10 == 0 {
                let _ = stranger.write_all(HALF_A_CLIENT_HELLO);
            }
            Some(stranger)
        });
        opened.collect::<Vec<_>>()
    });

    // Meanwhile, a station on an open connection and one on a new connection are served.
    let mut slowest = Duration::ZERO;
    let mut unit = 0;
    let mut serve_one = async |caller: &tests::Caller| {
        unit += 1;
        let started = Instant::now();
        let request = Device::new("cam-2", &format!("SN{unit:06}")).birth_request(&order);
        within(SERVED_WITHIN, "a certificate", ask(caller, request)).await.issued();
        started.elapsed()
    };
    while !strangers.is_finished() {
        slowest = slowest.max(serve_one(&station).await);
    }
    let mut strangers = strangers.await.unwrap();
    assert!(strangers.len() >= CONNECTIONS * 9 / 10, "{} strangers came in", strangers.len());
    let admin = tests::Credentials::read(&authority.operator_directory());
    for _ in 0..20 {
        slowest = slowest.max(serve_one(&station).await);
        let list = proto::v1::ListWorkOrdersRequest::default();
        let operator = authority.caller(&admin);
        let mut work_orders = operator.work_orders();
        within(SERVED_WITHIN, "a new connection is served", work_orders.list(list))
            .await
            .expect("it is answered");
        // Handshakes that trickle in, a byte at a time.
        strangers.iter_mut().step_by(10).for_each(|stranger| drop(stranger.write_all(&[0])));
    }

    let grown = authority.process().resident_peak_kib().saturating_sub(resident_before);
    eprintln!("{} strangers: slowest answer {slowest:?}, memory grew by {grown} KiB", strangers.len());
    assert!(grown < GROWTH_KIB_MAX, "memory grew by {grown} KiB");

    drop(strangers);
    eventually(Duration::from_secs(30), "their files are closed", async || {
        (open_files(authority.process()) <= files_before + 20).then_some(())
    })
    .await;
    serve_one(&station).await;
}

/// A self-signed certificate proves a key. Anybody can make keys: those who make many keep out nobody of
/// another network, and no principal.
#[tokio::test(flavor = "multi_thread")]
async fn fresh_keys_of_one_network_keep_out_nobody_else() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(100_000, &["line-1"])).await;
    let birth = factory.born(&station, &order, &Device::new("cam-2", "SN999999")).await;
    let admin = tests::Credentials::read(&authority.operator_directory());
    let trust = admin.trust.clone();

    let mut attack = Attack::from(Ipv4Addr::new(127, 7, 7, 7));
    for _ in 0..10 {
        attack.idle(authority.grpc(), Some(&fresh_key(&trust)), &trust, 20);
    }
    eventually(Duration::from_secs(30), "the limit is reached", async || {
        (attack.tried() > 3 * BARE_KEY_CONNECTIONS).then_some(())
    })
    .await;
    for number in 0..10 {
        // Another key, from another network.
        let key = authority.caller(&fresh_key(&trust));
        let get = proto::v1::GetTrustBundleRequest::default();
        let mut enrollment = key.enrollment();
        let answer = within(SERVED_WITHIN, "a refusal", enrollment.get_trust_bundle(get)).await;
        let said = refused(&answer.expect_err("a key may call nothing"));
        assert_eq!((said.code, said.reason.as_str()), (Code::PermissionDenied, "BARE_KEY_NOT_ALLOWED"));
        let health = call_raw(key.channel(), "/grpc.health.v1.Health/Check", Bytes::new());
        within(SERVED_WITHIN, "health", health).await.expect("health is for everybody");
        // An operator, a device and a station, each on a new connection.
        let operator = authority.caller(&admin);
        let mut work_orders = operator.work_orders();
        within(SERVED_WITHIN, "an operator", work_orders.list(proto::v1::ListWorkOrdersRequest::default()))
            .await
            .expect("an operator is answered");
        let device = authority.caller(&birth);
        let mut enrollment = device.enrollment();
        within(SERVED_WITHIN, "a device", enrollment.get_trust_bundle(get))
            .await
            .expect("a device is answered");
        let request = Device::new("cam-2", &format!("SN{number:06}")).birth_request(&order);
        within(SERVED_WITHIN, "a station", ask(&station, request)).await.issued();
    }
    assert!(attack.open() <= BARE_KEY_CONNECTIONS, "{} of the attack are open", attack.open());
}

/// A credential directory with a self-signed certificate of a new key.
fn fresh_key(trust: &str) -> tests::Credentials {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
    let (chain, trust) = (String::new(), trust.to_owned());
    tests::Credentials { certificate, chain, key: key.serialize_pem(), trust }
}

fn may_open(files: u64) {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map_or(files, |maximum| maximum.max(files));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: Some(maximum) })
        .expect("this test needs a hard limit of 11,000 open files");
}

fn open_files(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.id())).expect("it runs").count()
}

/// More than any limit of the CA on connections or handshakes.
const CONNECTIONS: usize = 10_000;

/// The limit of the CA on connections of clients that only proved a key.
const BARE_KEY_CONNECTIONS: usize = 64;

/// No caller waits longer, however many others connect.
const SERVED_WITHIN: Duration = Duration::from_secs(5);

/// A handshake in flight may cost some ten KiB, and their number is limited.
const GROWTH_KIB_MAX: u64 = 160 * 1024;

/// A TLS record header that promises 512 bytes, and a handshake header; then nothing.
const HALF_A_CLIENT_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
