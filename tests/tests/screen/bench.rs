//! A CA, an order, a station, and fixtures into which boards are put.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{CertificateAuthority, Factory, OrderTerms, Program, Station, Terminal, json_lines};

use crate::SOON;

pub(crate) struct Bench {
    _authority: CertificateAuthority,
    pub(crate) factory: Factory,
    pub(crate) station: Station,
    pub(crate) order: String,
    pub(crate) home: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn open(quantity: u64) -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let factory = Factory::of(&authority);
        let terms = OrderTerms { serials: "SN{01..50}".to_owned(), ..OrderTerms::new(quantity, &["line-1"]) };
        let order = factory.order(terms).await;
        let bench = Self { _authority: authority, factory, station, order, home };
        for directory in ["fixtures", "boards"] {
            std::fs::create_dir(bench.home.path().join(directory)).unwrap();
        }
        std::fs::write(bench.fixtures().join("fixture.sh"), FIXTURE).unwrap();
        bench.configure("probe-interval-ms = 200\nanswer-timeout-ms = 500\n");
        bench
    }

    pub(crate) fn configure(&self, lines: &str) {
        let path = self.station.directory().join("station.toml");
        let text = std::fs::read_to_string(&path).unwrap() + lines;
        std::fs::write(path, text).unwrap();
    }

    /// `provision` with these fixtures.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let (script, agent) = (self.fixtures().join("fixture.sh"), Program::Agent.path());
        let link = format!("exec:sh '{}' '{}' {{slot}}", script.display(), agent.display());
        let mut command = self.station.command("provision");
        command.args(["--work-order", &self.order, "--link", &link]).args(more);
        command.arg("--report").arg(self.home.path().join("report"));
        command
    }

    /// With the screen, in a terminal of so many lines and columns.
    pub(crate) fn at_the_screen(&self, more: &[&str], size: (u16, u16)) -> Terminal {
        let mut command = self.command(more);
        Terminal::sized(command.arg("--screen"), self.stdout(), size)
    }

    /// A board with a name of its own.
    pub(crate) fn board(&self, board: &str, product: &str, serial: &str) {
        let own = format!("--product {product} --serial {serial}");
        std::fs::write(self.fixtures().join(format!("{board}.own")), own).unwrap();
    }

    pub(crate) fn insert(&self, slot: usize, board: &str) {
        let board = self.home.path().join("boards").join(board);
        symlink(board, self.fixtures().join(format!("slot-{slot}"))).unwrap();
    }

    /// Takes a board away: its program ends as if it had no power.
    pub(crate) fn take_away(&self, slot: usize) {
        std::fs::remove_file(self.fixtures().join(format!("slot-{slot}"))).unwrap();
        // A program that starts just now has seen the board and not written its number yet.
        for _ in 0..30 {
            let pid =
                std::fs::read_to_string(self.fixtures().join(format!("pid-{slot}"))).unwrap_or_default();
            if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
                let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                if command.contains(self.home.path().to_str().unwrap()) {
                    kill_process(pid, Signal::KILL).ok();
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends a run with Ctrl-C.
    pub(crate) fn ends(&self, station: &mut Terminal) {
        station.type_in("\x03");
        assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
        station.is_given_back(SOON);
    }

    pub(crate) fn stdout(&self) -> File {
        File::create(self.home.path().join("stdout")).unwrap()
    }

    /// The units in the report.
    pub(crate) fn results(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.home.path().join("report")).unwrap_or_default();
        json_lines(text.rfind('\n').map_or("", |end| &text[..end]))
    }

    /// What was printed as the result.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stdout")).unwrap()
    }

    pub(crate) fn fixtures(&self) -> PathBuf {
        self.home.path().join("fixtures")
    }
}

/// A fixture: without a board it is silent. `cut-SLOT` holds after how many bytes the contacts open, once.
const FIXTURE: &str = r#"
cd "$(dirname "$0")"
agent=$1 slot=slot-$2 cut=cut-$2
[ -e silent ] && [ ! -L "$slot" ] && exec sleep 600
[ -L "$slot" ] || exit 0
board=$(readlink "$slot")
own=$(cat "$(basename "$board").own" 2>/dev/null)
if [ -e "$cut" ]; then
    bytes=$(cat "$cut")
    rm "$cut" "$slot"
    "$agent" factory --state "$board" $own --stdio | head -c "$bytes"
    exit
fi
if [ -e "hang-$2" ]; then
    "$agent" factory --state "$board" $own --stdio | { head -c 300; sleep 60; }
    exit
fi
echo $$ > "pid-$2"
exec "$agent" factory --state "$board" $own --stdio
"#;
