//! The figures of a line, as a monitoring system reads them: a real station, a real CA, real HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use tests::{CertificateAuthority, Factory, OrderTerms, Process, Station, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_line_shows_its_units_steps_slots_and_outages_while_it_runs() {
    let mut line = Line::open().await;
    line.begin();
    for serial in ["SN000001", "SN000002", "SN000003"] {
        line.feed(serial);
    }
    line.shows("touchmark_station_units_total{outcome=\"passed\",reason=\"\"}", 3.0).await;
    line.shows("touchmark_station_slots{state=\"idle\"}", 2.0).await;
    for step in ["hello", "generate_key", "issue", "install", "read_back", "confirm", "lock"] {
        let count = format!("touchmark_station_step_duration_seconds_count{{step=\"{step}\"}}");
        assert_eq!(line.figure(&count), Some(3.0), "{count}");
    }
    assert_eq!(line.figure("touchmark_station_unit_duration_seconds_count"), Some(3.0));
    assert_eq!(line.figure("touchmark_station_ca_reachable"), Some(1.0));
    assert!(line.figure("touchmark_station_ca_call_duration_seconds_count").unwrap() >= 6.0);
    assert!(line.figure("touchmark_station_journal_sync_duration_seconds_count").unwrap() >= 6.0);
    assert_eq!(line.figure("touchmark_station_ca_outages_total"), Some(0.0));
    compare_with_the_page(&ask(line.metrics, REQUEST).unwrap().1);

    line.authority.kill();
    line.feed("SN000004");
    line.shows("touchmark_station_ca_outages_total", 1.0).await;
    line.shows("touchmark_station_ca_reachable", 0.0).await;
    line.authority.serve();
    line.shows("touchmark_station_units_total{outcome=\"passed\",reason=\"\"}", 4.0).await;
    line.shows("touchmark_station_ca_reachable", 1.0).await;
    assert_eq!(line.end(), Some(0));
    assert!(TcpStream::connect(line.metrics).is_err(), "the listener ends with the line");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_are_limited_and_do_not_stay() {
    let mut line = Line::open().await;
    line.begin();
    line.shows("touchmark_station_ca_reachable", 1.0).await;
    let mut idle: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(line.metrics).unwrap()).collect();
    eventually(SOON, "a seventeenth connection is closed without an answer", async || {
        ask(line.metrics, REQUEST).is_none().then_some(())
    })
    .await;
    // They are closed when their request does not come, and then there is room.
    line.shows("touchmark_station_ca_reachable", 1.0).await;
    for stream in &mut idle {
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.read_to_end(&mut Vec::new()).ok();
    }
    let (head, _) = ask(line.metrics, "GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(head.contains("404"), "{head}");
    let (head, _) = ask(line.metrics, "POST /metrics HTTP/1.0\r\n\r\n").unwrap();
    assert!(head.contains("405"), "{head}");
    line.feed("SN000001");
    assert_eq!(line.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_and_the_line_runs_without_figures() {
    let mut line = Line::open().await;
    let taken = TcpListener::bind(line.metrics).unwrap();
    line.begin();
    line.feed("SN000001");
    assert_eq!(line.end(), Some(0));
    let said = std::fs::read_to_string(line.home.path().join("stderr")).unwrap();
    assert!(said.contains("the metrics are not served at 127.0.0.1:"), "{said}");
    assert!(said.contains("cam-2/SN000001 passed"), "{said}");
    drop(taken);
}

/// A line whose units come as lines of its standard input.
struct Line {
    authority: CertificateAuthority,
    station: Station,
    order: String,
    metrics: SocketAddr,
    home: tempfile::TempDir,
    running: Option<(Process, ChildStdin)>,
}

impl Line {
    async fn open() -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let order = Factory::of(&authority).order(OrderTerms::new(9, &["line-1"])).await;
        // Free now; the station has it before others ask for it.
        let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let path = station.directory().join("station.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}metrics = \"{metrics}\"\n")).unwrap();
        Self { authority, station, order, metrics, home, running: None }
    }

    fn begin(&mut self) {
        let mut command = self.station.provision(&self.order, 2, Path::new("-"));
        let stderr = File::create(self.home.path().join("stderr")).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
        let mut process = Process::start(&mut command);
        let stdin = process.child_mut().stdin.take().unwrap();
        self.running = Some((process, stdin));
    }

    fn feed(&mut self, serial: &str) {
        let (_, stdin) = self.running.as_mut().unwrap();
        stdin.write_all(format!("{serial}\n").as_bytes()).unwrap();
    }

    /// Ends the list, and waits for the line.
    fn end(&mut self) -> Option<i32> {
        let (mut process, stdin) = self.running.take().unwrap();
        drop(stdin);
        process.wait(SOON).expect("the line ends with its list").code()
    }

    /// Waits until a figure has this value.
    async fn shows(&self, name: &str, value: f64) {
        eventually(SOON, name, async || (self.figure(name)? == value).then_some(())).await;
    }

    fn figure(&self, name: &str) -> Option<f64> {
        let (head, text) = ask(self.metrics, REQUEST)?;
        assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

/// Every figure has a row in the documents, and every row is a figure.
fn compare_with_the_page(shown: &str) {
    let types = shown.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let figures: BTreeSet<&str> = types.filter_map(|rest| rest.split(' ').next()).collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    let (_, section) = page.split_once("## All figures of a station").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<BTreeSet<_>>(), figures);
}

/// Head and body of an answer; `None` if there is none.
fn ask(address: SocketAddr, request: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

const REQUEST: &str = "GET /metrics HTTP/1.0\r\n\r\n";

/// For what takes some processes some steps, on a slow and busy machine.
const SOON: Duration = Duration::from_secs(60);
