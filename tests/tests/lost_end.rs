//! A ledger that lost its end is not served: the CA knows its end from the recorded end and from the
//! projection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use identity::{Clock, SystemClock};
use proto::v1::ListDevicesRequest;
use tests::{CertificateAuthority, Device, Factory, OrderTerms, Process, Program, eventually};

/// The end is recorded each second; the machine may be busy.
const NOTED_WITHIN: Duration = Duration::from_secs(20);

const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// No restart helps: an operator must act.
const STATE_IS_NOT_WHAT_IT_MUST_BE: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_ca_notes_the_end_of_its_ledger_and_a_shorter_one_is_refused_until_an_operator_accepts_it() {
    let mut authority = CertificateAuthority::start();
    let head = units(&authority, 1..=3).await;
    // Nothing happens any more, and no CRL changes.
    eventually(NOTED_WITHIN, "the end is noted", async || (noted(&authority) == head).then_some(())).await;
    authority.kill();
    lose_the_end(&authority);
    fs::remove_dir_all(authority.directory().join("store/projection")).unwrap();
    let segment = last_segment(&authority.directory().join("store/ledger"));
    let short = fs::read(&segment).unwrap();

    for _ in 0..2 {
        let said = refused(&authority);
        assert_eq!(fs::read(&segment).unwrap(), short, "a refused start changes nothing: {said}");
        assert!(!said.contains("never acknowledged"), "{said}");
        assert!(said.contains(&format!("saw entry {head}")), "{said}");
        assert!(said.contains("accept-restored-store"), "{said}");
    }
    // Nor does anything else add to it.
    let credential = authority.directory().join("another");
    let output = run(&authority, "credential", &["--operator", "eve", "--out", credential.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(STATE_IS_NOT_WHAT_IT_MUST_BE), "{output:?}");
    assert!(!credential.exists());
    let now = humantime::format_rfc3339_seconds(SystemClock.now()).to_string();
    let output = run(&authority, "confirm-time", &["--time", &now]);
    assert_eq!(output.status.code(), Some(STATE_IS_NOT_WHAT_IT_MUST_BE), "{output:?}");
    assert_eq!(fs::read(&segment).unwrap(), short, "what is left of the end is still there");

    let accepted = run(&authority, "accept-restored-store", &["--yes"]);
    assert!(accepted.status.success(), "{accepted:?}");
    authority.serve();
    units(&authority, 4..=4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_ends_before_what_the_listings_have_seen_is_refused_until_an_operator_accepts_it() {
    let mut authority = CertificateAuthority::start();
    units(&authority, 1..=1).await;
    // As if the end had not been recorded since.
    let early = fs::read(authority.directory().join("crl-epoch")).unwrap();
    let head = units(&authority, 2..=3).await;
    let listed = authority.operator().lifecycle().list_devices(ListDevicesRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().devices.len(), 3, "the listings have seen everything");
    // The projection is flushed when nothing happens.
    tokio::time::sleep(FLUSHED_WITHIN).await;
    authority.kill();
    fs::write(authority.directory().join("crl-epoch"), early).unwrap();
    lose_the_end(&authority);

    for _ in 0..2 {
        let said = refused(&authority);
        assert!(said.contains("the ledger lost its end"), "{said}");
        assert!(said.contains(&format!("has seen entry {head}")), "{said}");
        assert!(said.contains("accept-restored-store"), "{said}");
    }
    let accepted = run(&authority, "accept-restored-store", &["--yes"]);
    assert!(accepted.status.success(), "{accepted:?}");
    authority.serve();
    // The projection was rebuilt from the present ledger.
    let listed = authority.operator().lifecycle().list_devices(ListDevicesRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().devices.len(), 2);
    authority.kill();
    authority.serve();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_ledger_that_lacks_nothing_there_is_nothing_to_accept() {
    let mut authority = CertificateAuthority::start();
    units(&authority, 1..=1).await;
    assert!(authority.stop().success());
    let numbers = authority.directory().join("crl-epoch");
    let before = fs::read(&numbers).unwrap();
    for confirmed in [&["--yes"][..], &[]] {
        let accepted = run(&authority, "accept-restored-store", confirmed);
        assert!(accepted.status.success(), "{accepted:?}");
        assert!(String::from_utf8_lossy(&accepted.stdout).contains("Nothing to accept"), "{accepted:?}");
        assert_eq!(fs::read(&numbers).unwrap(), before);
    }
    // Without the file it starts from the beginning.
    fs::remove_file(&numbers).unwrap();
    let accepted = run(&authority, "accept-restored-store", &["--yes"]);
    assert!(accepted.status.success() && numbers.exists(), "{accepted:?}");
    authority.serve();
}

/// Units with these numbers, each with an order of its own; returns the number of the last ledger entry.
async fn units(authority: &CertificateAuthority, numbers: std::ops::RangeInclusive<u32>) -> u64 {
    let factory = Factory::of(authority);
    for number in numbers {
        let name = format!("line-{number}");
        let station = factory.station(&name).await;
        let order = factory.order(OrderTerms::new(1, &[&name])).await;
        factory.born(&station, &order, &Device::new("cam-2", &format!("SN{number:06}"))).await;
    }
    // A birth certificate is the last thing that was recorded.
    let entries = authority.operator().lifecycle().list_devices(ListDevicesRequest::default()).await.unwrap();
    let last = entries.into_inner().devices.last().cloned().unwrap();
    let selection = proto::v1::list_certificates_request::Selection::Device(last.id.unwrap());
    let request = proto::v1::ListCertificatesRequest { selection: Some(selection), page: None };
    let certificates =
        authority.operator().lifecycle().list_certificates(request).await.unwrap().into_inner();
    certificates.certificates.last().unwrap().ledger_entry
}

/// The recorded end of the ledger.
fn noted(authority: &CertificateAuthority) -> u64 {
    let text = fs::read_to_string(authority.directory().join("crl-epoch")).unwrap();
    let line = text.lines().find(|line| line.starts_with("ledger-entry")).unwrap();
    line.split('=').next_back().unwrap().trim().parse().unwrap()
}

/// Cuts off the last entry, as a file system can that lost acknowledged data.
fn lose_the_end(authority: &CertificateAuthority) {
    let path = last_segment(&authority.directory().join("store/ledger"));
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
}

fn last_segment(ledger: &Path) -> PathBuf {
    let segments = fs::read_dir(ledger).unwrap().map(|file| file.unwrap().path());
    segments.filter(|path| fs::metadata(path).unwrap().len() > 200).max().unwrap()
}

/// Starts the CA, which must end by itself with its status for damaged state; what it said.
fn refused(authority: &CertificateAuthority) -> String {
    let config = authority.directory().join("ca.toml");
    let log = authority.directory().join("refused.log");
    let mut serve = Program::CertificateAuthority.command();
    serve.arg("serve").arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null());
    for name in ["LISTEN", "METRICS_LISTEN", "HTTP_LISTEN"] {
        serve.env(format!("TOUCHMARK_CA_{name}"), "127.0.0.1:0");
    }
    let mut process = Process::start(serve.stderr(File::create(&log).unwrap()));
    let ended = process.wait(ENDED_WITHIN).expect("it ends by itself");
    let said = fs::read_to_string(log).unwrap();
    assert_eq!(ended.code(), Some(STATE_IS_NOT_WHAT_IT_MUST_BE), "{said}");
    said
}

fn run(authority: &CertificateAuthority, command: &str, arguments: &[&str]) -> Output {
    let mut program: Command = Program::CertificateAuthority.command();
    program.arg(command).arg("--config").arg(authority.directory().join("ca.toml")).args(arguments);
    program.output().unwrap()
}

/// The projection's thread runs each second; nothing reports its flush.
const FLUSHED_WITHIN: Duration = Duration::from_secs(4);
