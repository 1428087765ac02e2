//! What stops a real factory line: reworks, used serial numbers, two stations on one order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tests::{CertificateAuthority, Factory, Operator, OrderTerms, Process, Program, Station, json_lines};

#[tokio::test(flavor = "multi_thread")]
async fn a_reworked_unit_is_made_again_at_the_station_that_made_it_and_its_report_has_the_new_certificate() {
    let bench = Bench::open("SN{1..5}", 3, &["line-1"]).await;
    assert_eq!(bench.make(&bench.order, &[]), (0, 3));
    let first = bench.certificate("SN2");

    bench.operator.says(&["device", "rework", "cam-2/SN2"]);
    // It was not erased: the replaced certificate does not pass a second time.
    let output = bench.provision(&bench.order, &[]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("erase the unit"), "{}", said(&output));
    assert_eq!(bench.report("SN2")["outcome"], "failed");

    std::fs::remove_dir_all(bench.station.device("SN2")).unwrap();
    assert_eq!(bench.make(&bench.order, &[]), (0, 1), "it alone is made again");
    let second = bench.certificate("SN2");
    assert_ne!(first, second);
    assert!(bench.operator.says(&["device", "show", "cam-2/SN2"]).contains(&second));
    assert_eq!(bench.make(&bench.order, &[]), (0, 0), "and only once");

    // The same with the line's own list.
    bench.operator.says(&["device", "rework", "cam-2/SN3"]);
    std::fs::remove_dir_all(bench.station.device("SN3")).unwrap();
    let list = bench.home.path().join("list.txt");
    std::fs::write(&list, "SN1\nSN3\n").unwrap();
    assert_eq!(bench.make(&bench.order, &["--serials", list.to_str().unwrap()]), (0, 1));
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!((counts.issued, counts.confirmed), (3, 3), "a rework is no unit more");
}

/// Whatever the journal holds, and wherever it is: the CA knows that the unit needs a rework.
#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_was_not_erased_for_its_rework_passes_at_no_station() {
    let bench = Bench::open("SN{1..5}", 3, &["line-1", "line-2"]).await;
    let other = tempfile::tempdir().unwrap();
    let other = Station::set_up(&bench.authority, "line-2", other.path()).await;
    assert_eq!(bench.make(&bench.order, &[]), (0, 3));
    let before = bench.certificate("SN2");
    bench.operator.says(&["device", "rework", "cam-2/SN2"]);
    let list = bench.home.path().join("list.txt");
    std::fs::write(&list, "SN2\n").unwrap();

    // The same board, at the other station, and at this one without its journal.
    let mut at_other = other.command("provision");
    at_other.args(["--work-order", &bench.order, "--link", &link(&bench.station), "--json", "--serials"]);
    let not_erased = |output: &Output| {
        assert_eq!(output.status.code(), Some(6), "{}", said(output));
        assert_eq!(json_lines(&String::from_utf8_lossy(&output.stdout))[0]["reason"], "not-erased");
    };
    not_erased(&at_other.arg(&list).output().unwrap());
    let journal = bench.station.directory().join("journal");
    std::fs::rename(&journal, bench.home.path().join("lost")).unwrap();
    not_erased(&bench.provision(&bench.order, &["--json", "--serials", list.to_str().unwrap()]));
    assert!(
        bench.operator.says(&["device", "show", "cam-2/SN2"]).contains(&before),
        "it has its certificate still"
    );

    // Once erased, another station makes it again, from the order alone.
    std::fs::remove_dir_all(bench.station.device("SN2")).unwrap();
    let mut at_other = other.command("provision");
    at_other.args(["--work-order", &bench.order, "--link", &link(&bench.station), "--json"]);
    let output = at_other.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let units = json_lines(&String::from_utf8_lossy(&output.stdout));
    assert_eq!((&units[0]["device"], &units[0]["outcome"]), (&"cam-2/SN2".into(), &"passed".into()));
    assert_ne!(units[0]["certificate_serial"], before.as_str());
    assert_eq!(units[1]["summary"]["passed"], 1);
}

/// What another station has reserved is told to no unit, whatever becomes of that station.
#[tokio::test(flavor = "multi_thread")]
async fn a_serial_number_that_another_station_has_reserved_is_told_to_no_unit() {
    let bench = Bench::open("SN{1..5}", 5, &["line-1", "line-2"]).await;
    let other = tempfile::tempdir().unwrap();
    let other = Station::set_up(&bench.authority, "line-2", other.path()).await;
    let mut command = other.command("provision");
    command.args([
        "--work-order",
        &bench.order,
        "--limit",
        "1",
        "--keep-reservation",
        "--link",
        &link(&other),
    ]);
    assert!(command.output().unwrap().status.success());
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!((counts.issued, counts.reserved), (1, 4), "a whole block is kept for the next shift");

    let list = bench.home.path().join("list");
    std::fs::write(&list, "SN3\n").unwrap();
    let output = bench.provision(&bench.order, &["--json", "--serials", list.to_str().unwrap()]);
    let unit = json_lines(&String::from_utf8_lossy(&output.stdout)).remove(0);
    assert_eq!(
        (&unit["outcome"], &unit["reason"]),
        (&"failed".into(), &"MADE_BY_ANOTHER_STATION".into()),
        "{unit}"
    );
    assert!(!bench.station.device("SN3").exists(), "its link was not even opened");

    // A run that keeps nothing brings home what no unit was told.
    let mut command = other.command("provision");
    command.args(["--work-order", &bench.order, "--limit", "1", "--link", &link(&other)]);
    assert!(command.output().unwrap().status.success());
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!((counts.issued, counts.reserved), (2, 0));
    assert_eq!(bench.make(&bench.order, &["--serials", list.to_str().unwrap()]), (0, 1));
}

/// The answer with the reservation was lost with the station: the next run has the same units.
#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_killed_loses_no_reserved_unit_and_the_next_run_brings_the_rest_home() {
    let bench = Bench::open("SN{001..200}", 200, &["line-1"]).await;
    for round in 0..6 {
        let mut command = bench.station.command("provision");
        command.args(["--work-order", &bench.order, "--link", &link(&bench.station), "--slots", "2"]);
        let running = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        tokio::time::sleep(Duration::from_millis(60 + 130 * round)).await;
        running.kill();
    }
    let (status, passed) = bench.make(&bench.order, &["--limit", "3", "--slots", "2"]);
    assert_eq!((status, passed), (0, 3));
    let mut resume = bench.station.resume();
    assert!(resume.output().unwrap().status.success());
    let counts = bench.factory.counts(&bench.order).await;
    // A unit that was told its serial number and never asked for a certificate is no unit less.
    assert_eq!(counts.reserved, 0, "{counts:?}");
    assert_eq!(counts.issued, counts.confirmed, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_numbers_that_another_order_has_used_are_named_and_the_exit_status_says_that_units_are_missing()
 {
    let bench = Bench::open("SN{1..3}", 3, &["line-1"]).await;
    assert_eq!(bench.make(&bench.order, &[]), (0, 3));
    let used_up = bench.another_order("SN{1..3}", 3, &["line-1"]).await;
    let before = bench.boards();
    let output = bench.provision(&used_up, &[]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("3 serial numbers used under another work order"), "{}", said(&output));
    assert!(said(&output).contains("3 units of wo-"), "{}", said(&output));
    assert_eq!(bench.boards(), before, "no unit was told anything");
    let dry = bench.provision(&used_up, &["--dry-run"]);
    assert_eq!(dry.status.code(), Some(6), "{}", said(&dry));
    assert!(said(&dry).contains("to make       0 units"), "{}", said(&dry));
    assert!(said(&dry).contains("not possible  3 units"), "{}", said(&dry));

    // A run makes the units that it can, and lists the others.
    let half = bench.another_order("SN{1..5}", 4, &["line-1"]).await;
    let output = bench.provision(&half, &[]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("2 passed, 0 failed"), "{}", said(&output));

    // A list of the line's own: each unit that cannot be made has failed, for the true reason.
    let list = bench.home.path().join("list.txt");
    std::fs::write(&list, "SN1\nSN6\n").unwrap();
    let listed = bench.another_order("SN{1..9}", 4, &["line-1"]).await;
    let output = bench.provision(&listed, &["--json", "--serials", list.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    let units = json_lines(&String::from_utf8_lossy(&output.stdout));
    assert_eq!((&units[0]["device"], &units[0]["outcome"]), (&"cam-2/SN1".into(), &"failed".into()));
    assert_eq!(units[0]["reason"], "USED_UNDER_ANOTHER_ORDER");
    assert_eq!((&units[1]["device"], &units[1]["outcome"]), (&"cam-2/SN6".into(), &"passed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_used_up_elsewhere_is_no_failure_of_this_station() {
    let bench = Bench::open("SN{1..9}", 4, &["line-1", "line-2"]).await;
    let other = tempfile::tempdir().unwrap();
    let other = Station::set_up(&bench.authority, "line-2", other.path()).await;
    let mut command = other.command("provision");
    command.args(["--work-order", &bench.order, "--limit", "3", "--link", &link(&other)]);
    assert!(command.output().unwrap().status.success());
    assert_eq!(bench.make(&bench.order, &[]), (0, 1));
    assert_eq!(bench.make(&bench.order, &[]), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stations_on_one_order_and_fixtures_without_serial_numbers_make_every_unit_once() {
    let bench = Bench::open("SN{01..12}", 12, &["line-1", "line-2"]).await;
    let other = tempfile::tempdir().unwrap();
    let other = Station::set_up(&bench.authority, "line-2", other.path()).await;
    both_make_all(&bench, &other).await;
}

/// Two journals of one station do not know each other: the CA keeps their units apart.
#[tokio::test(flavor = "multi_thread")]
async fn two_journals_of_one_station_never_tell_two_units_one_serial_number() {
    let bench = Bench::open("SN{01..12}", 12, &["line-1"]).await;
    let other = tempfile::tempdir().unwrap();
    let other = Station::set_up(&bench.authority, "line-1", other.path()).await;
    both_make_all(&bench, &other).await;
}

async fn both_make_all(bench: &Bench, other: &Station) {
    let fixtures = [Fixture::start(bench.home.path()), Fixture::start(other.directory())];
    let mut running = Vec::new();
    for (station, fixture) in [&bench.station, other].into_iter().zip(&fixtures) {
        let mut command = station.command("provision");
        command.args(["--work-order", &bench.order, "--json", "--link", &fixture.link()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        running.push(command.spawn().unwrap());
    }
    let mut passed = 0;
    for station in running {
        let output = tokio::task::spawn_blocking(move || station.wait_with_output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let summary = json_lines(&String::from_utf8_lossy(&output.stdout)).pop().unwrap();
        assert_eq!(summary["summary"]["failed"], 0, "{}", said(&output));
        passed += summary["summary"]["passed"].as_u64().unwrap();
    }
    assert_eq!(passed, 12);
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!((counts.issued, counts.confirmed, counts.reserved), (12, 12, 0));
    // The boards keep what they were told, also one that was told and not made.
    drop(fixtures);
    let mut told = Vec::new();
    for home in [bench.home.path(), other.directory()] {
        for board in home.join("boards").read_dir().unwrap() {
            let mut status = Program::Agent.command();
            status.args(["status", "--json", "--state"]).arg(board.unwrap().path());
            let status: serde_json::Value =
                serde_json::from_slice(&status.output().unwrap().stdout).unwrap_or_default();
            told.extend(status["device"].as_str().map(str::to_owned));
        }
    }
    told.sort();
    let all: Vec<String> = (1..=12).map(|number| format!("cam-2/SN{number:02}")).collect();
    assert_eq!(told, all, "each serial number was told to one board");
}

/// A CA, an order, a station, and boards that are directories.
struct Bench {
    authority: CertificateAuthority,
    factory: Factory,
    operator: Operator,
    station: Station,
    order: String,
    home: tempfile::TempDir,
}

impl Bench {
    async fn open(serials: &str, quantity: u64, stations: &[&str]) -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let (factory, operator) = (Factory::of(&authority), Operator::of(&authority));
        let order = order(&factory, serials, quantity, stations).await;
        Self { authority, factory, operator, station, order, home }
    }

    async fn another_order(&self, serials: &str, quantity: u64, stations: &[&str]) -> String {
        order(&self.factory, serials, quantity, stations).await
    }

    fn provision(&self, order: &str, more: &[&str]) -> Output {
        let mut command = self.station.command("provision");
        command.args(["--work-order", order, "--link", &link(&self.station)]).args(more);
        command.output().unwrap()
    }

    /// Exit status and how many units passed.
    fn make(&self, order: &str, more: &[&str]) -> (i32, u64) {
        let output = self.provision(order, &[&["--json"], more].concat());
        let summary = json_lines(&String::from_utf8_lossy(&output.stdout)).pop();
        let summary = summary.unwrap_or_else(|| panic!("{}", said(&output)));
        (output.status.code().unwrap(), summary["summary"]["passed"].as_u64().unwrap())
    }

    /// The station's report about a unit of the first order.
    fn report(&self, serial: &str) -> serde_json::Value {
        let mut command = self.station.command("report");
        let output = command.args(["--work-order", &self.order, "--units", "--json"]).output().unwrap();
        let device = format!("cam-2/{serial}");
        let mut units = json_lines(&String::from_utf8_lossy(&output.stdout)).into_iter();
        units.find(|unit| unit["device"] == device.as_str()).expect("the unit is in the report")
    }

    fn certificate(&self, serial: &str) -> String {
        let report = self.report(serial);
        assert_eq!(report["outcome"], "passed", "{report}");
        report["certificate_serial"].as_str().unwrap().to_owned()
    }

    fn boards(&self) -> usize {
        self.home.path().join("devices").read_dir().unwrap().count()
    }
}

async fn order(factory: &Factory, serials: &str, quantity: u64, stations: &[&str]) -> String {
    factory.order(OrderTerms { serials: serials.to_owned(), ..OrderTerms::new(quantity, stations) }).await
}

fn link(station: &Station) -> String {
    let (agent, state) = (Program::Agent.path(), station.directory().join("devices/{serial}"));
    format!("exec:'{}' factory --state '{}' --stdio", agent.display(), state.display())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A fixture with a TCP port: one board after another is on it, each without a serial number, until it is
/// locked.
struct Fixture {
    port: u16,
    over: Arc<AtomicBool>,
    feeder: Option<JoinHandle<()>>,
}

impl Fixture {
    fn start(home: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let (boards, is_over): (PathBuf, _) = (home.join("boards"), Arc::clone(&over));
        let feeder = std::thread::spawn(move || {
            for number in 0.. {
                let mut agent = Program::Agent.command();
                agent.args(["factory", "--state"]).arg(boards.join(format!("{port}-{number}")));
                agent.args(["--tcp", &format!("127.0.0.1:{port}")]);
                let mut agent = Process::start(agent.stdin(Stdio::null()).stderr(Stdio::null()));
                while agent.wait(Duration::from_millis(20)).is_none() {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        });
        Self { port, over, feeder: Some(feeder) }
    }

    fn link(&self) -> String {
        format!("tcp:127.0.0.1:{}", self.port)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.feeder.take().map(JoinHandle::join);
    }
}
