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
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::{CertificateAuthority, Device, Factory, OrderTerms, Process, ask, eventually, within};

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

/// The longest that a caller may wait during the attack.
const SERVED_WITHIN: Duration = Duration::from_secs(5);

/// A handshake in flight may cost some ten KiB, and their number is limited.
const GROWTH_KIB_MAX: u64 = 160 * 1024;

/// A TLS record header that promises 512 bytes, and a handshake header; then nothing.
const HALF_A_CLIENT_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
