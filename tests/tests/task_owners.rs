//! Background work has an owner: it ends with a reason and a status, or continues; it reloads when asked to,
//! and leaves nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::v1::Role;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit, setrlimit};
use tests::{
    CertificateAuthority, Device, Factory, Fleet, Operator, OrderTerms, Process, Program, Site, ask,
    eventually, hearing_hang_ups,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_can_record_nothing_more_says_so_and_ends_with_status_1() {
    let mut authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = authority.caller(&factory.credential(Role::Station, "line-1").await);
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    // The ledger is removed under it.
    let ledger = authority.directory().join("store/ledger/00000000000000000001.ledger");
    fs::rename(&ledger, ledger.with_extension("away")).unwrap();
    let device = Device::new("cam-2", "SN000001");
    assert_eq!(ask(&station, device.birth_request(&order)).await.reason(), "STORE_UNAVAILABLE");
    let status = authority.ended_within(WAIT).expect("it ends by itself");
    assert_eq!(status.code(), Some(1), "{}", authority.log());
    let log = authority.log();
    assert!(log.contains("the CA ended because the store can record nothing more"), "{log}");

    // Nothing that was acknowledged is lost.
    fs::rename(ledger.with_extension("away"), &ledger).unwrap();
    authority.serve();
    let station = authority.caller(&Factory::of(&authority).credential(Role::Station, "line-1").await);
    assert!(ask(&station, device.birth_request(&order)).await.is_issued());
    // A written but unacknowledged entry may be there; then it has the same answer.
    assert_eq!(Factory::of(&authority).counts(&order).await.issued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_takes_a_new_server_certificate_and_blocked_keys_at_sighup() {
    let mut authority = CertificateAuthority::start();
    // As docs/operations/server-certificate.md says.
    let made = authority.directory().join("server-2");
    let issue =
        ["principal", "issue", "service", "ca", "--host", "localhost", "--out", made.to_str().unwrap()];
    Operator::of(&authority).says(&issue);
    let (operator, before) = (authority.operator(), shown(&authority));
    let orders = || proto::v1::ListWorkOrdersRequest::default();
    operator.work_orders().list(orders()).await.unwrap();

    // Half a credential is not used.
    let server = authority.directory().join("server");
    fs::copy(made.join("cert.pem"), server.join("cert.pem")).unwrap();
    authority.signal(Signal::HUP);
    let refused = "the server's credentials cannot be used; those before stay in use";
    eventually(WAIT, "it says why not", async || authority.log().contains(refused).then_some(())).await;
    assert_eq!(shown(&authority), before);

    fs::copy(made.join("key.pem"), server.join("key.pem")).unwrap();
    fs::write(authority.directory().join("blocked-keys.txt"), format!("{}\n", "ab".repeat(32))).unwrap();
    authority.signal(Signal::HUP);
    eventually(WAIT, "it shows another certificate", async || (shown(&authority) != before).then_some(()))
        .await;
    eventually(WAIT, "it says what it read", async || {
        authority.log().contains("read again what is read at SIGHUP").then_some(())
    })
    .await;
    assert_eq!(authority.metric("touchmark_blocked_keys"), 1.0);
    assert!(authority.log().contains("took the server's credentials"));
    // Open connections continue, and new ones work.
    operator.work_orders().list(orders()).await.unwrap();
    authority.operator().work_orders().list(orders()).await.unwrap();
    assert_eq!(authority.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_may_change_is_refused_by_serve_and_by_check_config() {
    let mut authority = CertificateAuthority::founded();
    let dir = authority.directory().to_owned();
    let modes = [
        ("store/ledger/00000000000000000001.ledger", 0o666, 4),
        ("store/ledger/00000000000000000001.ledger", 0o600, 0),
        ("store/ledger", 0o777, 4),
        ("store", 0o777, 4),
        ("", 0o777, 4),
        ("crl-epoch", 0o666, 4),
        ("ca.toml", 0o666, 3),
        ("issuers", 0o777, 3),
        ("server/cert.pem", 0o666, 3),
        ("blocked-keys.txt", 0o666, 3),
    ];
    for (name, mode, status) in modes {
        let path = dir.join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for command in ["check-config", "serve"] {
            if status == 0 && command == "serve" {
                continue;
            }
            let output = certificate_authority(command, &dir);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(status), "{command}, {name:?}: {said}");
            if status != 0 {
                let words = format!("can be written by others (mode {mode:04o})");
                assert!(said.contains(&words) && said.contains("chmod go-w"), "{command}, {name:?}: {said}");
            }
        }
        fs::set_permissions(&path, before).unwrap();
    }
    if std::os::unix::fs::chown(dir.join("crl-epoch"), Some(65_534), None).is_ok() {
        for command in ["check-config", "serve"] {
            let output = certificate_authority(command, &dir);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(4), "{command}: {said}");
            assert!(said.contains("belongs to another user (uid 65534)"), "{command}: {said}");
        }
        std::os::unix::fs::chown(dir.join("crl-epoch"), Some(0), None).unwrap();
    }
    fs::rename(dir.join("crl-epoch"), dir.join("elsewhere")).unwrap();
    assert_eq!(certificate_authority("check-config", &dir).status.code(), Some(4));
    fs::rename(dir.join("elsewhere"), dir.join("crl-epoch")).unwrap();
    authority.serve();
}

fn certificate_authority(command: &str, dir: &Path) -> std::process::Output {
    let mut program = Program::CertificateAuthority.command();
    program.arg(command).arg("--config").arg(dir.join("ca.toml"));
    for name in ["LISTEN", "METRICS_LISTEN", "HTTP_LISTEN"] {
        program.env(format!("TOUCHMARK_CA_{name}"), "127.0.0.1:0");
    }
    program.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_program_that_holds_keys_leaves_a_core_dump() {
    // The programs inherit it, so that the limit is zero only when a program has set it.
    let limit = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    // Whether this machine writes core files at all, without the limit.
    let sleep = Process::start(Command::new("sleep").arg("1000").current_dir(std::env::temp_dir()));
    let dumps = abort(sleep);
    let mut fleet = Fleet::born(1).await;
    assert!(fleet.enroll("SN000001").status.success());
    let quiet = |command: &mut Command| Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let mut run = fleet.agent("run", "SN000001");
    let agent = quiet(&mut run);
    let operator = Operator::of(&fleet.authority);
    let touchmark = quiet(&mut operator.command(&["revocations", "watch"]));
    // One that waits for a device that says nothing.
    let order = Factory::of(&fleet.authority).order(OrderTerms::new(1, &["line-1"])).await;
    let units = fleet.station.directory().join("one.csv");
    tests::line_file(&units, "cam-2", ["SN000009".to_owned()].into_iter());
    let mut provision = Program::Station.command();
    provision.arg("provision").arg("--config").arg(fleet.station.directory().join("station.toml"));
    provision.args(["--work-order", &order, "--link", "exec:sleep 100", "--serials"]).arg(&units);
    let station = quiet(provision.stdin(Stdio::null()));
    let authority = fleet.authority.take_process();
    for (what, process) in
        [("agent", agent), ("touchmark", touchmark), ("station", station), ("CA", authority)]
    {
        until_core_limit_is_zero(what, process.id()).await;
        assert!(!abort(process), "the {what} left a core dump");
    }
    if !dumps {
        eprintln!("this machine writes no core files: only the limit was seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_writes_without_end_does_not_fill_the_log() {
    let fleet = Fleet::born(1).await;
    assert!(fleet.enroll("SN000001").status.success());
    let hook = "sh -c 'echo first; head -c 300000000 /dev/zero | tr \"\\0\" x; echo; echo last'";
    let output = fleet.agent("renew", "SN000001").args(["--force", "--hook", hook]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(output.stderr.len() < 16 * 1024, "{} bytes", output.stderr.len());
    assert!(said.contains("the hook sh said: first | xxx") && said.contains("| last"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_runs_once_ends_with_a_status_whatever_becomes_of_its_hook() {
    let site = Site::open();
    site.device(1).await;
    let operator = Operator::of(&site.authority);
    let (lists, cursor) = (site.directory().join("lists"), site.directory().join("cursor"));
    let once = |hook: &str| {
        let mut once = operator.command(&["revocations", "watch", "--once", "--quiet", "--hook", hook]);
        once.arg("--write-crl").arg(&lists).arg("--cursor-file").arg(&cursor).output().unwrap()
    };
    operator.says(&["device", "hold", "cam-2/SN000001"]);
    let failed = once("echo because; exit 3");
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("it failed: exit status: 3; it said: because"), "{said}");
    assert!(!cursor.exists(), "the next run tells the hook again");
    let told = site.directory().join("told");
    let done = once(&format!("touch {}", told.display()));
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.exists() && cursor.exists());

    // A CA that is not there is no reason to wait for ever either.
    let mut site = site;
    site.authority.kill();
    assert!(!once("true").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_checks_all_crls_at_sighup_unless_nohup_made_it_deaf() {
    let site = Site::open();
    let operator = Operator::of(&site.authority);
    let lists = site.directory().join("lists");
    let (root, log) = (lists.join("root.crl.pem"), site.directory().join("watch.log"));
    let watch = operator.command(&["revocations", "watch", "--write-crl", lists.to_str().unwrap()]);
    let log_file = fs::File::create(&log).unwrap();
    let mut hearing = hearing_hang_ups(&watch);
    let mut watcher = Process::start(hearing.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file));
    eventually(WAIT, "CRLs are written", async || root.exists().then_some(())).await;
    kill_process(Pid::from_child(watcher.child_mut()), Signal::HUP).unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    eventually(WAIT, "it says so", async || said().contains("SIGHUP").then_some(())).await;
    assert_eq!(watcher.terminate(WAIT).code(), Some(0));

    let mut nohup = Command::new("nohup");
    nohup.arg(watch.get_program()).args(watch.get_args()).stdin(Stdio::null());
    let log_file = fs::File::create(&log).unwrap();
    fs::remove_file(&root).unwrap();
    let mut watcher = Process::start(nohup.stdout(Stdio::null()).stderr(log_file));
    eventually(WAIT, "CRLs are written", async || root.exists().then_some(())).await;
    kill_process(Pid::from_child(watcher.child_mut()), Signal::HUP).unwrap();
    assert_eq!(watcher.wait(Duration::from_millis(500)), None);
    assert!(!said().contains("SIGHUP"));
    assert_eq!(watcher.terminate(WAIT).code(), Some(0));
}

/// The serial number of the certificate that the CA shows to a new connection.
fn shown(authority: &CertificateAuthority) -> String {
    let script = format!(
        "openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -serial",
        authority.grpc()
    );
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let serial = String::from_utf8(output.stdout).unwrap();
    assert!(serial.starts_with("serial="), "{serial}");
    serial
}

/// Takes the limit of core files away and lets a process abort; whether the system says that it dumped core.
fn abort(mut process: Process) -> bool {
    let pid = Pid::from_child(process.child_mut());
    let limit = getrlimit(Resource::Core);
    let unlimited = Rlimit { current: limit.maximum, maximum: limit.maximum };
    prlimit(Some(pid), Resource::Core, unlimited).unwrap();
    kill_process(pid, Signal::ABORT).unwrap();
    process.wait(WAIT).expect("it ends").core_dumped()
}

async fn until_core_limit_is_zero(what: &str, id: u32) {
    let limits = Path::new("/proc").join(id.to_string()).join("limits");
    eventually(WAIT, what, async || {
        let limits = fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        (line.split_whitespace().nth(4) == Some("0")).then_some(())
    })
    .await;
}

/// For what takes moments, on a busy machine.
const WAIT: Duration = Duration::from_secs(40);
