//! A line whose units are put into fixtures.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{
    CertificateAuthority, Credentials, Factory, OrderTerms, Program, Station, Terminal, eventually,
    json_lines,
};

/// A CA, an order, a station, and fixtures into which boards are put: a link to the board's directory.
pub(crate) struct Bench {
    pub(crate) authority: CertificateAuthority,
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
        let bench = Self { authority, factory, station, order, home };
        for directory in ["fixtures", "boards"] {
            std::fs::create_dir(bench.home.path().join(directory)).unwrap();
        }
        std::fs::write(bench.fixtures().join("fixture.sh"), FIXTURE).unwrap();
        bench.configure("probe-interval-ms = 200\nanswer-timeout-ms = 500\n");
        bench
    }

    pub(crate) async fn another_order(&self, serials: &str) -> String {
        let terms = OrderTerms { serials: serials.to_owned(), ..OrderTerms::new(9, &["line-1"]) };
        self.factory.order(terms).await
    }

    pub(crate) fn configure(&self, lines: &str) {
        let path = self.station.directory().join("station.toml");
        let text = std::fs::read_to_string(&path).unwrap() + lines;
        std::fs::write(path, text).unwrap();
    }

    /// `provision` in a terminal, with the fixtures. Units are reported to a file beside the screen.
    pub(crate) fn at_the_terminal(&self, more: &[&str]) -> Terminal {
        let (script, agent) = (self.fixtures().join("fixture.sh"), Program::Agent.path());
        let link = format!("exec:sh '{}' '{}' {{slot}}", script.display(), agent.display());
        let mut command = self.station.command("provision");
        command.args(["--work-order", &self.order, "--link", &link]).args(more);
        command.arg("--report").arg(self.home.path().join("report"));
        Terminal::start(&command, self.stdout())
    }

    pub(crate) fn fixtures(&self) -> PathBuf {
        self.home.path().join("fixtures")
    }

    pub(crate) fn insert(&self, slot: usize, board: &str) {
        symlink(self.home.path().join("boards").join(board), self.fixtures().join(format!("slot-{slot}")))
            .unwrap();
    }

    /// Takes a board away: its program ends as if it had no power.
    pub(crate) fn take_away(&self, slot: usize) {
        std::fs::remove_file(self.fixtures().join(format!("slot-{slot}"))).unwrap();
        // A program that starts just now has seen the board and not written its number yet.
        for _ in 0..30 {
            let running =
                std::fs::read_to_string(self.fixtures().join(format!("pid-{slot}"))).unwrap_or_default();
            if let Some(pid) = running.trim().parse().ok().and_then(Pid::from_raw) {
                let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                if command.contains(self.home.path().to_str().unwrap()) {
                    kill_process(pid, Signal::KILL).ok();
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn exchange(&self, slot: usize, board: &str) {
        self.take_away(slot);
        self.insert(slot, board);
    }

    /// Waits until so many units have passed and are reported.
    pub(crate) async fn passed(&self, units: usize) {
        eventually(SOON, "the units pass", async || {
            let passed = self.results().iter().filter(|unit| unit["outcome"] == "passed").count();
            (passed >= units).then_some(())
        })
        .await;
    }

    pub(crate) async fn confirmed(&self, units: u64) {
        eventually(SOON, "the units pass", async || {
            (self.factory.counts(&self.order).await.confirmed >= units).then_some(())
        })
        .await;
    }

    /// The CA counts so many units, and each board has the serial number that it was scanned for.
    pub(crate) async fn counts(&self, units: u64, boards: &[&str]) {
        let counts = self.factory.counts(&self.order).await;
        assert_eq!((counts.issued, counts.confirmed), (units, units));
        for board in boards {
            let (serial, board) = board.split_once(' ').unwrap();
            let held = Credentials::read(&self.home.path().join("boards").join(board).join("idevid"));
            let der = held.certificate_der();
            let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
            assert!(certificate.subject().to_string().contains(serial), "{board} is {serial}");
        }
    }

    pub(crate) fn stdout(&self) -> File {
        File::create(self.home.path().join("stdout")).unwrap()
    }

    pub(crate) fn stderr(&self) -> Stdio {
        File::create(self.home.path().join("stderr")).unwrap().into()
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default()
    }

    /// The units in the report of a terminal.
    pub(crate) fn results(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.home.path().join("report")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        json_lines(whole)
    }

    /// What was printed as the result.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stdout")).unwrap()
    }

    pub(crate) fn report(&self) -> String {
        let output = self.station.command("report").arg("--units").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command that says what is wrong and ends after its first answer, until it is mended.
    pub(crate) fn worn_out(&self) -> PathBuf {
        let path = self.fixtures().join("worn-out.sh");
        let (agent, boards) = (Program::Agent.path(), self.home.path().join("devices"));
        let script = format!(
            "agent() {{ '{}' factory --state '{}'/$1 --stdio; }}\n\
             if [ -e '{}' ]; then agent $1; else agent $1 | head -c 200; fi\n",
            agent.display(),
            boards.display(),
            self.fixtures().join("mended").display()
        );
        std::fs::create_dir_all(boards).unwrap();
        std::fs::write(&path, script).unwrap();
        path
    }
}

/// A fixture: without a board it is silent. `cut-SLOT` holds after how many bytes the contacts open, once.
pub(crate) const FIXTURE: &str = r#"
cd "$(dirname "$0")"
agent=$1 slot=slot-$2 cut=cut-$2
# Before the board is looked at: who takes it away then ends this process, whichever board it found.
echo $$ > "pid-$2"
[ -L "$slot" ] || exit 0
board=$(readlink "$slot")
own=$(cat "$(basename "$board").own" 2>/dev/null)
if [ -e "$cut" ]; then
    bytes=$(cat "$cut")
    rm "$cut" "$slot"
    "$agent" factory --state "$board" $own --stdio | head -c "$bytes"
    exit
fi
exec "$agent" factory --state "$board" $own --stdio
"#;

/// For what takes some processes some steps, on a slow and busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// For several units with reconnects.
pub(crate) const LONG: Duration = Duration::from_secs(120);
