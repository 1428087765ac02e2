//! A CA and a station on which fixtures are tried, each run under an order of its own.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto::v1::WorkOrderCounts;
use serde_json::Value;
use tests::{CertificateAuthority, Factory, OrderTerms, Station};
use tokio::process::Command;
use tokio::time::timeout;

pub(crate) struct Bench {
    _authority: CertificateAuthority,
    pub(crate) factory: Factory,
    station: Station,
    orders: AtomicUsize,
    pub(crate) home: tempfile::TempDir,
}

/// What a run of the station said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    /// In the order of their ends.
    pub(crate) units: Vec<Value>,
    pub(crate) summary: Value,
    /// Standard error.
    pub(crate) said: String,
    pub(crate) counts: WorkOrderCounts,
}

impl Bench {
    pub(crate) async fn open() -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let factory = Factory::of(&authority);
        Self { _authority: authority, factory, station, orders: AtomicUsize::new(1), home }
    }

    /// Exit status and all output of a run that makes no unit.
    pub(crate) async fn try_out(&self, link: &str, slots: usize, more: &[&str]) -> (i32, String) {
        let order = self.order(1).await;
        let mut command = Command::from(self.station.command("provision"));
        command.args(["--work-order", &order, "--link", link, "--slots", &slots.to_string()]).args(more);
        let output = timeout(RUN_WITHIN, command.kill_on_drop(true).output()).await;
        let output = output.expect("the station ends").unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    async fn order(&self, units: usize) -> String {
        let number = self.orders.fetch_add(1, Ordering::Relaxed);
        let serials = format!("T{number:03}-{{00..99}}");
        self.factory.order(OrderTerms { serials, ..OrderTerms::new(units as u64, &["line-1"]) }).await
    }

    /// Makes so many units with this link, and with these lines in `station.toml`.
    pub(crate) async fn run(&self, link: &str, slots: usize, units: usize, config: &str) -> Run {
        let order = self.order(units).await;
        let path = self.station.directory().join("station.toml");
        let plain = std::fs::read_to_string(&path).unwrap();
        let plain = plain
            .lines()
            .take_while(|line| *line != MARK)
            .fold(String::new(), |text, line| text + line + "\n");
        std::fs::write(&path, format!("{plain}{MARK}\n{config}\n")).unwrap();
        let mut command = Command::from(self.station.command("provision"));
        command.args(["--work-order", &order, "--link", link, "--slots", &slots.to_string(), "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ended = timeout(RUN_WITHIN, command.spawn().unwrap().wait_with_output()).await;
        let output = ended.expect("the station ends").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut units: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = units.pop().unwrap_or_else(|| panic!("{said}"))["summary"].clone();
        let counts = self.factory.counts(&order).await;
        Run { status: output.status.code().unwrap(), units, summary, said, counts }
    }
}

impl Run {
    /// All of so many units passed, were counted once, and nothing else.
    pub(crate) fn passed(&self, units: u64, what: &str) {
        assert_eq!(self.status, 0, "{what}: {self:#?}");
        assert_eq!(self.summary["passed"], units, "{what}: {self:#?}");
        let expected = WorkOrderCounts { issued: units, confirmed: units, ..WorkOrderCounts::default() };
        assert_eq!(self.counts, expected, "{what}");
    }

    /// The only unit failed so.
    pub(crate) fn failed(&self, cause: &str, what: &str) -> &Value {
        assert_eq!(self.units.len(), 1, "{what}: {self:#?}");
        let unit = &self.units[0];
        assert_eq!(
            (&unit["cause"], self.summary["passed"].as_u64()),
            (&cause.into(), Some(0)),
            "{what}: {self:#?}"
        );
        assert_eq!(self.counts.confirmed, 0, "{what}");
        unit
    }

    pub(crate) fn resent(&self) -> u64 {
        self.units.iter().filter_map(|unit| unit["resent"].as_u64()).sum()
    }
}

/// Behind it are the lines of the present run.
const MARK: &str = "# this run";

/// A noisy line is slow, and so is a busy machine.
const RUN_WITHIN: Duration = Duration::from_secs(180);
