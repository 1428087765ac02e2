//! The environment of a document's commands: a directory and a network namespace, so that every document can
//! use the default ports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::Program;

/// The state before the first command of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// An empty directory.
    Nothing,
    /// The state of README's tour before its revocation: `demo-ca` serves, station `line-1`, work order
    /// `wo-000001`, devices `cam-2/SN000001` to `SN000003`, the first one enrolled.
    Tour,
}

/// Runs a script and returns its output, or the failure.
pub(crate) fn run(script: &str, beginning: Beginning) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let script = match beginning {
        Beginning::Nothing => script.to_owned(),
        Beginning::Tour => {
            copy(template(), directory.path());
            format!("{SERVE}{script}")
        }
    };
    run_in(directory.path(), &script)
}

fn run_in(directory: &Path, script: &str) -> Result<String, String> {
    let file = directory.join(".script");
    fs::write(&file, script).unwrap();
    let log = directory.join(".output");
    let output = fs::File::create(&log).unwrap();
    let mut bash = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        bash.args(["--user", "--map-root-user"]);
    }
    // Processes that the script leaves running end with its process namespace.
    bash.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    bash.args(["bash", "-c", "ip link set lo up && exec bash .script"]);
    let path = format!("{}:{}", binaries().display(), std::env::var("PATH").unwrap_or_default());
    bash.current_dir(directory).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    for name in ["TOUCHMARK_CREDENTIALS", "TOUCHMARK_SERVER", "TOUCHMARK_LOG"] {
        bash.env_remove(name);
    }
    bash.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut running = bash.spawn().map_err(|error| format!("unshare (package util-linux): {error}"))?;
    let end = Instant::now() + SCRIPT_TIME_MAX;
    let status = loop {
        if let Some(status) = running.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            running.kill().ok();
            running.wait().ok();
            return Err(format!("not done after {SCRIPT_TIME_MAX:?}\n{}", said(&log)));
        }
        std::thread::sleep(POLL);
    };
    if status.success() { Ok(said(&log)) } else { Err(format!("{status}\n{}", said(&log))) }
}

fn said(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned()
}

fn binaries() -> PathBuf {
    Program::CertificateAuthority.path().parent().unwrap().to_owned()
}

/// The tour's installation, made once for all documents.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        run_in(directory.path(), TOUR).unwrap_or_else(|failed| panic!("the tour fails: {failed}"));
        directory
    });
    template.path()
}

fn copy(from: &Path, to: &Path) {
    let from = format!("{}/.", from.display());
    assert!(Command::new("cp").args(["-a", &from]).arg(to).status().unwrap().success());
}

/// As README does it.
const TOUR: &str = r#"set -euo pipefail
touchmark-ca init --dir demo-ca --organization "Example Devices" --public-url http://127.0.0.1:8080
touchmark-ca serve --config demo-ca/ca.toml 2>ca.log &
CA=$!
for i in $(seq 300); do curl -sf http://127.0.0.1:9443/readyz >/dev/null && break; sleep 0.1; done
export TOUCHMARK_CREDENTIALS=demo-ca/operators/admin
touchmark principal issue station line-1 --out line-1
touchmark work-order create --product cam-2 --quantity 3 --serials 'SN{000001..000100}' --station line-1
printf 'serial\nSN000001\nSN000002\nSN000003\n' |
  touchmark-station provision --config line-1/station.toml --work-order wo-000001 --serials - --slots 2 \
    --link 'exec:touchmark-agent factory --state devices/{serial} --stdio'
touchmark-agent enroll --state devices/SN000001
kill $CA
wait $CA
"#;

/// Serves the copied installation, with the environment of the tour.
const SERVE: &str = r#"export TOUCHMARK_CREDENTIALS=demo-ca/operators/admin
touchmark-ca serve --config demo-ca/ca.toml 2>ca.log &
CA_PID=$!
for i in $(seq 300); do curl -sf http://127.0.0.1:9443/readyz >/dev/null && break; sleep 0.1; done
curl -sf http://127.0.0.1:9443/readyz >/dev/null || { cat ca.log; exit 98; }
"#;

/// A document has a few dozen commands, each of a second at most on a busy machine.
const SCRIPT_TIME_MAX: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(50);
