//! How units end at the station: scrapped, made again, given up; and an order that is paused while it is
//! worked to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use serde_json::Value;
use tests::{CertificateAuthority, Factory, Operator, OrderTerms, Program, Station, json_lines};

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_made_again_from_the_station_and_the_report_shows_the_new_certificate() {
    let bench = Bench::open(3).await;
    assert_eq!(bench.provision(&[]).status.code(), Some(0));
    let first = bench.report("SN000001")["certificate_serial"].clone();
    let (status, lines) = bench.end("rework", &["--reason", "new board", "--operator", "7", "SN000001"]);
    assert_eq!((status, &lines[0]["outcome"]), (0, &Value::from("rework")), "{lines:?}");
    assert_eq!(lines[1]["summary"]["rework"], 1);
    assert_eq!(bench.report("SN000001")["outcome"], "rework", "the journal forgot the old certificate");
    std::fs::remove_dir_all(bench.station.device("SN000001")).unwrap();
    assert_eq!(bench.provision(&[]).status.code(), Some(0));
    let again = bench.report("SN000001");
    assert_eq!(again["outcome"], "passed");
    assert_ne!(again["certificate_serial"], first);
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!((counts.issued, counts.confirmed, counts.reworked), (3, 3, 1));

    let (status, lines) = bench.end("rework", &["--reason", "new board", "SN000009"]);
    assert_eq!((status, &lines[0]["reason"]), (6, &Value::from("DEVICE_NOT_FOUND")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_number_is_given_up_from_the_station_and_no_station_makes_it() {
    let bench = Bench::open(3).await;
    let (status, lines) = bench.end("give-up", &["--reason", "torn label", "--operator", "7", "SN000001"]);
    assert_eq!((status, &lines[0]["outcome"]), (0, &Value::from("given-up")), "{lines:?}");
    let made = bench.provision(&["--json"]);
    assert_eq!(bench.factory.counts(&bench.order).await.given_up, 1);
    let units = json_lines(&String::from_utf8_lossy(&made.stdout));
    assert!(units.iter().all(|unit| unit["device"] != "cam-2/SN000001"), "{units:?}");
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!((counts.issued, counts.confirmed, counts.given_up), (2, 2, 1), "{units:?}");
    assert_eq!(made.status.code(), Some(0), "the order is worked to its end: {units:?}");

    // Another station, and one without its journal, are told by the CA.
    std::fs::remove_dir_all(bench.station.directory().join("journal")).unwrap();
    let list = bench.home.path().join("list.txt");
    std::fs::write(&list, "SN000001\n").unwrap();
    let refused = bench.provision(&["--json", "--serials", list.to_str().unwrap()]);
    let units = json_lines(&String::from_utf8_lossy(&refused.stdout));
    assert_eq!(
        (refused.status.code(), &units[0]["reason"]),
        (Some(6), &Value::from("GIVEN_UP")),
        "{units:?}"
    );

    let (status, lines) = bench.end("give-up", &["--reason", "x", "SN000002"]);
    assert_eq!((status, &lines[0]["reason"]), (6, &Value::from("DEVICE_ALREADY_ISSUED")), "{lines:?}");
    let (status, _) = bench.end("scrap", &["--reason", "bent", "--operator", "7", "SN000002"]);
    assert_eq!(status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_acts_on_the_next_unit_and_the_line_goes_on_after_it() {
    let bench = Bench::open(40).await;
    let mut command = bench.command(&["--json"]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        lines.next().unwrap().unwrap();
    }
    bench.operator.says(&["work-order", "pause", &bench.order]);
    let at_pause = bench.factory.counts(&bench.order).await.issued;
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(running.wait().unwrap().code(), Some(7), "later: {rest:?}");
    let counts = bench.factory.counts(&bench.order).await;
    assert_eq!(counts.issued, at_pause, "nothing was issued after it");
    assert_eq!(counts.confirmed, counts.issued, "what had its certificate was finished");
    assert!(at_pause < 40);
    bench.operator.says(&["work-order", "resume", &bench.order]);
    assert_eq!(bench.provision(&[]).status.code(), Some(0));
    assert_eq!(bench.factory.counts(&bench.order).await.confirmed, 40);
}

struct Bench {
    _authority: CertificateAuthority,
    factory: Factory,
    operator: Operator,
    station: Station,
    order: String,
    home: tempfile::TempDir,
}

impl Bench {
    /// An order for so many units, from SN000001 on.
    async fn open(quantity: u64) -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let (factory, operator) = (Factory::of(&authority), Operator::of(&authority));
        let mut terms = OrderTerms::new(quantity, &["line-1"]);
        terms.serials = format!("SN{{000001..{quantity:06}}}");
        let order = factory.order(terms).await;
        Self { _authority: authority, factory, operator, station, order, home }
    }

    fn command(&self, more: &[&str]) -> std::process::Command {
        let (agent, state) = (Program::Agent.path(), self.station.directory().join("devices/{serial}"));
        let link = format!("exec:'{}' factory --state '{}' --stdio", agent.display(), state.display());
        let mut command = self.station.command("provision");
        command.args(["--work-order", &self.order, "--link", &link]).args(more);
        command
    }

    fn provision(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// `scrap`, `rework` or `give-up`: its exit status and its JSON.
    fn end(&self, subcommand: &str, more: &[&str]) -> (i32, Vec<Value>) {
        let mut command = self.station.command(subcommand);
        let output =
            command.args(["--work-order", &self.order, "--yes", "--json"]).args(more).output().unwrap();
        (output.status.code().unwrap(), json_lines(&String::from_utf8_lossy(&output.stdout)))
    }

    fn report(&self, serial: &str) -> Value {
        let output = self.station.command("report").args(["--units", "--json"]).output().unwrap();
        let lines = json_lines(&String::from_utf8_lossy(&output.stdout));
        let device = format!("cam-2/{serial}");
        lines.into_iter().find(|line| line["device"] == device.as_str()).expect("the journal knows it")
    }
}
