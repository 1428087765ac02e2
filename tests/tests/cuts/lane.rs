//! A CA, a station that reaches it through a relay, and a reservation: cases run on it one after the other.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::{CertificateAuthority, Factory, OrderTerms, Program, Station, json_lines};
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::cut::{Blade, Cut, Victim};
use crate::relay::Relay;

pub(crate) struct Lane {
    authority: CertificateAuthority,
    /// With a connection that does not go through the relay.
    pub(crate) factory: Factory,
    pub(crate) station: Station,
    pub(crate) order: String,
    home: tempfile::TempDir,
    /// Between station or agent and the CA.
    door: Relay,
    boards: usize,
    /// Whether the CA runs.
    serves: bool,
}

/// What a run said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None`: it was killed.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    #[expect(dead_code, reason = "is shown when a case fails")]
    pub(crate) stderr: String,
    /// Whether the cut happened.
    pub(crate) cut: bool,
    /// How many pieces crossed.
    pub(crate) pieces: usize,
    /// At which of them a side began to speak after another.
    pub(crate) turns: Vec<usize>,
}

impl Lane {
    /// With an order of so many units, of which one is made and the others are reserved.
    pub(crate) async fn open(units: usize) -> Self {
        let authority = block_in_place(CertificateAuthority::start);
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let terms = OrderTerms { serials: SERIALS.to_owned(), ..OrderTerms::new(units as u64, &["line-1"]) };
        let factory = Factory::of(&authority);
        let order = factory.order(terms).await;
        let door = Relay::to_authority(authority.grpc()).await;
        let config = home.path().join("station.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let direct = format!(":{}\"", authority.grpc().port());
        let text = text.replace(&direct, &format!(":{}\"", door.port));
        std::fs::write(&config, text + LINE).unwrap();
        let mut lane = Self { authority, factory, station, order, home, door, boards: 0, serves: true };
        // A run reserves a block, and makes one unit of it.
        let made = lane.run(lane.provision(&lane.boards_by_serial(), 1), Victim::Station, None, None).await;
        assert_eq!(made.status, Some(0), "{made:?}");
        assert_eq!(lane.counts().await, (1, units as u64 - 1, 1));
        lane
    }

    /// Makes so many units while the CA cannot be reached; their serial numbers.
    pub(crate) async fn make_deferred(&mut self, units: usize) -> Vec<String> {
        let mut command = self.away(&self.boards_by_serial(), units);
        command.args(["--slots", "3"]);
        let made = self.run(command, Victim::Station, None, None).await;
        let deferred = made.units_that_are("deferred");
        assert_eq!((made.status, deferred.len()), (Some(0), units), "{made:?}");
        deferred
    }

    /// `provision` without the CA.
    pub(crate) fn away(&self, link: &str, units: usize) -> Command {
        let mut command = self.provision(link, units);
        command.arg("--offline").env("TOUCHMARK_STATION_SERVER", NOBODY);
        command
    }

    fn provision(&self, link: &str, units: usize) -> Command {
        let mut command = self.station.command("provision");
        command.args(["--work-order", &self.order, "--link", link, "--limit", &units.to_string(), "--json"]);
        command
    }

    pub(crate) fn reconcile(&self) -> Command {
        let mut command = self.station.command("reconcile");
        command.arg("--json");
        command
    }

    pub(crate) fn finish(&self, link: &str, slots: usize) -> Command {
        let mut command = self.station.command("finish");
        command.args(["--work-order", &self.order, "--link", link, "--slots", &slots.to_string(), "--json"]);
        command
    }

    /// The first boot of a unit, which reaches the CA through the relay.
    pub(crate) fn enroll(&self, serial: &str) -> Command {
        let mut command = Program::Agent.command();
        command.args(["enroll", "--deadline", "60s", "--json"]);
        command.args(["--server", &format!("https://localhost:{}", self.door.port)]);
        command.arg("--state").arg(self.station.device(serial));
        command
    }

    fn boards_by_serial(&self) -> String {
        let state = self.home.path().join("devices/{serial}");
        format!("exec:'{}' factory --state '{}' --stdio", Program::Agent.path().display(), state.display())
    }

    /// A board that was never told anything.
    pub(crate) fn board(&mut self) -> PathBuf {
        self.boards += 1;
        self.home.path().join(format!("board-{}", self.boards))
    }

    /// Runs it to its end, and cuts it, if it is to be, by this blade or by the one between it and the CA. A
    /// CA that is killed comes back at once.
    pub(crate) async fn run(
        &mut self,
        mut command: Command,
        who: Victim,
        blade: Option<&Blade>,
        cut: Option<Cut>,
    ) -> Ran {
        let door = std::sync::Arc::clone(&self.door.blade);
        let blade = blade.unwrap_or(&door);
        let victims = cut.map_or(&[][..], |cut| cut.victims);
        blade.set(cut);
        if let Some(process) = self.serves.then(|| self.authority.process().id()) {
            blade.is_above(Victim::Authority, process);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        blade.is_above(who, running.id().unwrap());
        let mut ended = std::pin::pin!(timeout(RUN_WITHIN, running.wait_with_output()));
        let early = tokio::select! {
            output = &mut ended => Some(output),
            () = blade.falls() => None,
        };
        let (fell, ..) = blade.rest();
        if fell && victims.contains(&Victim::Authority) {
            self.kill_the_ca();
            self.serve();
        }
        let output = match early {
            Some(output) => output,
            None => ended.await,
        };
        let output = output.unwrap_or_else(|_| panic!("{cut:?}: {who:?} does not end")).unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        let (cut, pieces, turns) = blade.rest();
        Ran { status: output.status.code(), stdout, stderr, cut, pieces, turns }
    }

    pub(crate) fn kill_the_ca(&mut self) {
        self.authority.kill();
        self.serves = false;
    }

    pub(crate) fn serve(&mut self) {
        block_in_place(|| self.authority.serve());
        self.serves = true;
        self.factory = Factory::of(&self.authority);
    }

    /// What the report says.
    pub(crate) async fn report(&mut self) -> Ran {
        let mut command = self.station.command("report");
        command.args(["--units", "--json"]);
        let report = self.run(command, Victim::Station, None, None).await;
        assert_eq!(report.status, Some(0), "{report:?}");
        report
    }

    /// Issued, reserved and confirmed, by the CA. Nothing else ever happens to a unit here.
    pub(crate) async fn counts(&self) -> (u64, u64, u64) {
        let counts = self.factory.counts(&self.order).await;
        let proto::v1::WorkOrderCounts { issued, reserved, confirmed, .. } = counts;
        let nothing_else = proto::v1::WorkOrderCounts { issued, reserved, confirmed, ..Default::default() };
        assert_eq!(counts, nothing_else);
        (issued, reserved, confirmed)
    }
}

impl Ran {
    /// The serial numbers of the units of which it was said.
    pub(crate) fn units_that_are(&self, outcome: &str) -> Vec<String> {
        let lines = json_lines(&self.stdout);
        let units = lines.iter().filter(|line| line["outcome"] == outcome);
        units.map(|unit| unit["device"].as_str().unwrap().trim_start_matches("cam-2/").to_owned()).collect()
    }
}

/// One of them is made when a lane is opened.
const SERIALS: &str = "SN{0001..9999}";

/// On a busy machine an answer may take seconds: a request that is sent again would be a frame more.
const LINE: &str = "offline = \"allowed\"\nkeep-reservation = true\nanswer-timeout-ms = 30000\n";

/// No CA listens here.
const NOBODY: &str = "https://localhost:1";

/// The machine may be busy.
const RUN_WITHIN: Duration = Duration::from_secs(120);
