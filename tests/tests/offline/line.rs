//! A line whose CA can be killed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{CertificateAuthority, Factory, Operator, OrderTerms, Program, Station, json_lines};

/// A CA, an order, and a station whose units are state directories of agents.
pub(crate) struct Line {
    pub(crate) authority: CertificateAuthority,
    pub(crate) operator: Operator,
    pub(crate) station: Station,
    pub(crate) order: String,
    pub(crate) home: tempfile::TempDir,
    pub(crate) config: String,
}

impl Line {
    pub(crate) async fn open(quantity: u64) -> Self {
        Self::at(CertificateAuthority::start(), quantity).await
    }

    pub(crate) async fn at(authority: CertificateAuthority, quantity: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let terms = OrderTerms { serials: "SN{01..99}".into(), ..OrderTerms::new(quantity, &["line-1"]) };
        let order = Factory::of(&authority).order(terms).await;
        let operator = Operator::of(&authority);
        let config = std::fs::read_to_string(home.path().join("station.toml")).unwrap();
        Self { authority, operator, station, order, home, config }
    }

    pub(crate) fn configure(&self, more: &str) {
        std::fs::write(self.home.path().join("station.toml"), format!("{}{more}", self.config)).unwrap();
    }

    pub(crate) fn command(&self, more: &[&str]) -> std::process::Command {
        let (agent, state) = (Program::Agent.path(), self.home.path().join("devices/{serial}"));
        let link = format!("exec:'{}' factory --state '{}' --stdio", agent.display(), state.display());
        let mut command = self.station.command("provision");
        command.args(["--work-order", &self.order, "--link", &link]).args(more);
        command
    }

    pub(crate) fn run(&self, mut command: std::process::Command) -> Output {
        command.output().unwrap()
    }

    /// The exit status, and what was reported.
    pub(crate) fn provision(&self, more: &[&str]) -> (i32, Vec<Value>) {
        let output = self.run(self.command(&[&["--json"], more].concat()));
        (output.status.code().unwrap(), json_lines(&String::from_utf8_lossy(&output.stdout)))
    }

    pub(crate) fn reconcile(&self) -> (i32, Vec<Value>) {
        let output = self.run({
            let mut command = self.station.command("reconcile");
            command.arg("--json");
            command
        });
        (output.status.code().unwrap(), json_lines(&String::from_utf8_lossy(&output.stdout)))
    }

    /// All units that wait come to the bench, each on a slot of its own.
    pub(crate) fn finish_all(&self, units: u64) {
        let bench = self.home.path().join("bench");
        std::fs::create_dir(&bench).unwrap();
        let mut command = self.station.command("report");
        let reported = self.run({
            command.args(["--units", "--json"]);
            command
        });
        let reported = json_lines(&String::from_utf8_lossy(&reported.stdout));
        let waits = |unit: &&Value| unit["outcome"] == "deferred" || unit["outcome"] == "reconciled";
        for (slot, unit) in reported.iter().filter(waits).enumerate() {
            let serial = unit["device"].as_str().unwrap().trim_start_matches("cam-2/");
            symlink(self.station.device(serial), bench.join((slot + 1).to_string())).unwrap();
        }
        let link = format!(
            "exec:'{}' factory --state '{}' --stdio",
            Program::Agent.path().display(),
            bench.join("{slot}").display()
        );
        let mut command = self.station.command("finish");
        let slots = units.to_string();
        command.args(["--work-order", &self.order, "--link", &link, "--slots", &slots, "--json"]);
        let output = self.run(command);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let finished = json_lines(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(outcomes(&finished, "passed") as u64, units, "{finished:?}");
    }

    pub(crate) fn report(&self) -> Value {
        let mut command = self.station.command("report");
        let output = self.run({
            command.arg("--json");
            command
        });
        json_lines(&String::from_utf8_lossy(&output.stdout)).pop().unwrap_or_default()
    }

    pub(crate) async fn until(&self, is_so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let report = self.report();
            if is_so(&report) {
                return;
            }
            assert!(Instant::now() < deadline, "{report}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn until_said(&self, output: &Path, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !std::fs::read_to_string(output).unwrap().contains(words) {
            assert!(Instant::now() < deadline, "{words}: {}", std::fs::read_to_string(output).unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn counts(&self) -> proto::v1::WorkOrderCounts {
        Factory::of(&self.authority).counts(&self.order).await
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.home.path().join("journal").join(format!("{}.journal", self.order))
    }

    pub(crate) fn devices(&self) -> usize {
        self.home.path().join("devices").read_dir().unwrap().count()
    }

    pub(crate) fn device(&self, serial: &str) -> Value {
        let mut command = Program::Agent.command();
        command.args(["status", "--json", "--state"]).arg(self.station.device(serial));
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
    }

    /// The CA has one certificate of each unit, and the station's report has the same.
    pub(crate) async fn all_certificates_are_those_on_record(&self, units: usize) {
        let mut command = self.station.command("report");
        command.args(["--units", "--json"]);
        let reported = json_lines(&String::from_utf8_lossy(&self.run(command).stdout));
        let made: Vec<&Value> = reported.iter().filter(|unit| unit["outcome"] == "passed").collect();
        assert_eq!(made.len(), units);
        for unit in made {
            let shown = self.operator.says(&["device", "show", unit["device"].as_str().unwrap()]);
            assert!(shown.contains(unit["certificate_serial"].as_str().unwrap()), "{unit}: {shown}");
        }
    }
}

pub(crate) fn outcomes(units: &[Value], outcome: &str) -> usize {
    units.iter().filter(|unit| unit["outcome"] == outcome).count()
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
