//! `touchmark-station doctor`: what it finds in healthy and in broken stations, with a real CA and real
//! links.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use prost::bytes::Bytes;
use proto::v1::ReserveUnitsRequest;
use serde_json::Value;
use tests::{
    Caller, CertificateAuthority, Credentials, Factory, OrderTerms, Program, Station, json_lines, line_file,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_station_is_told_so_before_its_first_run_and_nothing_is_made_or_changed() {
    let site = Site::open().await;
    let link = format!("exec:{} factory --state {} --stdio", site.agent(), site.path("board").display());
    let (status, findings) = site.doctor(&["--work-order", &site.order, "--link", &link]);
    assert_eq!(status, 0, "{findings:#?}");
    says(&findings, "credential", "good", "days)");
    says(&findings, "disk", "good", "MiB are free");
    says(&findings, "journal", "good", "the first run makes it");
    says(&findings, "CA", "good", "is trusted and takes this credential");
    says(&findings, "clock", "good", "agrees with the CA's");
    says(&findings, "work order", "good", "0 of 9 units of cam-2");
    says(&findings, "reservation", "good", "needs the CA for each unit");
    says(&findings, "link", "good", "1 slot");
    says(&findings, "slot 1", "good", "a unit without a serial number answers");
    assert!(!site.path("journal").exists(), "nothing was made");

    // Without an order and a link it says what it can.
    let (status, findings) = site.doctor(&[]);
    assert_eq!(status, 0, "{findings:#?}");
    says(&findings, "CA", "good", "is trusted");
    says(&findings, "link", "note", "the journal does not say one");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_run_it_knows_the_order_the_link_and_that_the_ca_has_the_same_certificates() {
    let site = Site::open().await;
    site.make(&["SN000001", "SN000002"]);
    let (status, findings) = site.doctor(&[]);
    assert_eq!(status, 0, "{findings:#?}");
    says(&findings, "journal", "good", "1 work order, 2 units");
    says(&findings, "journal", "good", "certificates of 2 units that were compared");
    says(&findings, "work order", "good", "2 of 9 units of cam-2 are issued, 2 confirmed");
    says(&findings, "link", "note", "it has {serial}");

    // A unit that has ended says who it is.
    let link =
        format!("exec:{} factory --state {} --stdio", site.agent(), site.path("devices/SN000001").display());
    let (status, findings) = site.doctor(&["--link", &link]);
    assert_eq!(status, 0, "{findings:#?}");
    says(&findings, "slot 1", "good", "cam-2/SN000001 answers");

    let credentials = Credentials::read(&site.path("credentials"));
    let station = Caller::new(site.authority.grpc(), &credentials);
    let request = ReserveUnitsRequest {
        request_id: Bytes::from_static(&[7; 16]),
        work_order: site.order.clone(),
        count: 3,
        ..ReserveUnitsRequest::default()
    };
    station.provisioning().reserve_units(request).await.unwrap();
    let (_, findings) = site.doctor(&[]);
    says(&findings, "reservation", "good", "3 units of wo-000001 are out for this station: rs-");

    // A line that runs has the fixtures for itself.
    let lock = File::open(site.path("journal/lock")).unwrap();
    lock.lock().unwrap();
    let (status, findings) = site.doctor(&["--link", &link]);
    assert_eq!(status, 0, "{findings:#?}");
    says(&findings, "link", "note", "a station runs with this journal");
    assert!(!findings.iter().any(|finding| finding["subject"] == "slot 1"), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_link_is_told_for_its_slot_with_what_to_do() {
    let site = Site::open().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("tcp:{}", silent.local_addr().unwrap());
    let nobody = format!("tcp:{}", free());
    let no_port = format!("serial:{}", site.path("ttyUSB{slot}").display());
    let file = format!("serial:{}", site.path("station.toml").display());
    let cases = [
        ("exec:no-such-program {slot}", 6, "link", "bad", "there is no program no-such-program"),
        ("exec:yes", 6, "slot 1", "bad", "bytes come that are no answer"),
        (no_port.as_str(), 6, "slot 1", "bad", "ttyUSB1 is not there"),
        (file.as_str(), 6, "slot 1", "bad", "is not a serial port"),
        ("serial:/dev/ttyUSB0", 6, "slot 2", "bad", "would share the serial port"),
        (nobody.as_str(), 0, "slot 1", "note", "onnection refused"),
        (silent.as_str(), 0, "slot 1", "note", "nothing answers"),
        ("exec:true", 0, "slot 1", "note", "the command ended"),
    ];
    for (link, expected, subject, verdict, words) in cases {
        let slots = if subject == "slot 2" { "2" } else { "1" };
        let (status, findings) = site.doctor(&["--link", link, "--slots", slots]);
        assert_eq!(status, expected, "{link}: {findings:#?}");
        says(&findings, subject, verdict, words);
        let finding = findings.iter().find(|finding| finding["verdict"] == verdict).unwrap();
        assert!(finding["advice"].is_string(), "{finding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_hangs_is_ended_and_said() {
    let site = Site::open().await;
    site.configure("connect-timeout-ms = 1000\nsends-max = 100\n");
    // A byte now and then: it is never silent and never answers.
    let drips = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("tcp:{}", drips.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = drips.accept().unwrap();
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let begun = Instant::now();
    let (status, findings) = site.doctor(&["--link", &link]);
    assert_eq!(status, 6, "{findings:#?}");
    says(&findings, "slot 1", "bad", "this check did not end within");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_away_a_stranger_or_not_one_is_told_apart() {
    let site = Site::open().await;
    let told = |server: &str, words: &str| {
        let mut doctor = site.station.command("doctor");
        doctor.env("TOUCHMARK_STATION_SERVER", server).arg("--json");
        let output = doctor.output().unwrap();
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        says(&json_lines(&String::from_utf8(output.stdout).unwrap()), "CA", "bad", words);
    };
    told(&format!("https://{}", free()), "does not answer");
    let other = CertificateAuthority::start();
    told(
        &format!("https://localhost:{}", other.grpc().port()),
        "is not of the CA that this credential trusts",
    );
    told(&format!("https://localhost:{}", site.authority.http().port()), "does not speak TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_damaged_torn_or_of_another_installation_is_told() {
    let site = Site::open().await;
    site.make(&["SN000001"]);
    let path = site.path(&format!("journal/{}.journal", site.order));
    let whole = std::fs::read(&path).unwrap();

    let mut torn = whole.clone();
    torn.extend_from_slice(b"0123");
    std::fs::write(&path, &torn).unwrap();
    let (status, findings) = site.doctor(&[]);
    assert_eq!(status, 0, "{findings:#?}");
    says(&findings, "journal", "note", "its last 4 bytes are torn");

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let (status, findings) = site.doctor(&[]);
    assert_eq!(status, 4, "{findings:#?}");
    says(&findings, "journal", "damaged", "is damaged in line");
    assert_eq!(std::fs::read(&path).unwrap(), damaged, "the doctor mends nothing");

    // The same serial numbers at another CA, whose first order has the same id.
    let other = Site::open().await;
    std::fs::create_dir(other.path("journal")).unwrap();
    std::fs::write(other.path(&format!("journal/{}.journal", other.order)), &whole).unwrap();
    let (status, findings) = other.doctor(&[]);
    assert_eq!(status, 6, "{findings:#?}");
    says(&findings, "journal", "bad", "SN000001 for example, for which the CA has none");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_line_for_each_finding_with_its_advice_below() {
    let site = Site::open().await;
    let output = site.station.command("doctor").args(["--link", "exec:no-such-program"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("good     credential    "), "{text}");
    assert!(text.contains("bad      link          there is no program no-such-program"), "{text}");
    assert!(text.contains("-> install it, or write its whole path into --link"), "{text}");
}

/// A CA, a station with its credential, and an order.
struct Site {
    authority: CertificateAuthority,
    home: tempfile::TempDir,
    station: Station,
    order: String,
}

impl Site {
    async fn open() -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let order = Factory::of(&authority).order(OrderTerms::new(9, &["line-1"])).await;
        let site = Self { authority, home, station, order };
        site.configure("answer-timeout-ms = 1000\n");
        site
    }

    fn configure(&self, lines: &str) {
        let path = self.path("station.toml");
        let text = std::fs::read_to_string(&path).unwrap() + lines;
        std::fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn agent(&self) -> String {
        Program::Agent.path().display().to_string()
    }

    /// Makes these units, each with an agent of its own.
    fn make(&self, serials: &[&str]) {
        let list = self.path("units");
        line_file(&list, "cam-2", serials.iter().map(|serial| (*serial).to_owned()));
        let output = self.station.provision(&self.order, 1, &list).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    fn doctor(&self, more: &[&str]) -> (i32, Vec<Value>) {
        let output = self.station.command("doctor").arg("--json").args(more).output().unwrap();
        let findings = json_lines(&String::from_utf8(output.stdout).unwrap());
        (output.status.code().unwrap(), findings)
    }
}

fn says(findings: &[Value], subject: &str, verdict: &str, words: &str) {
    let found = findings.iter().any(|finding| {
        finding["subject"] == subject
            && finding["verdict"] == verdict
            && finding["says"].as_str().unwrap().contains(words)
    });
    assert!(found, "{subject} {verdict} {words:?}: {findings:#?}");
}

/// An address at which nobody listens.
fn free() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
