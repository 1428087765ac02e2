//! The packages: installed in a fresh Debian root, the path of the quickstart as the packages' users, an
//! upgrade over the former version with a ledger in place, a removal that keeps the ledger; checked by
//! lintian, man and systemd-analyze.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tests::{DebianRoot, NotifySocket, Process, former_programs, json_lines, packages, packages_of};

#[test]
fn what_is_installed_makes_a_device_with_each_program_as_its_own_user_and_its_removal_keeps_the_ledger() {
    let site = Site::with(current());
    site.found();
    // As systemd starts it: root owns the passphrase file, and the CA alone can read it.
    let ca = site.serve();
    site.open_order();
    site.make_unit("SN000001");
    site.join_group();
    let agent = site.run_agent(&["--key-group", "users"]);
    site.until_enrolled("SN000001", "LDevID of a fresh installation");

    let key = site.root.inside("/var/lib/touchmark-agent/current/key.pem");
    assert_eq!(key.metadata().unwrap().mode() & 0o7777, 0o640, "the application's group reads the key");
    let read = |groups: &str| {
        let mut command = Command::new("chroot");
        command.args(["--userspec=nobody:nogroup", groups]).arg(site.root.path());
        command.args(["cat", "/var/lib/touchmark-agent/current/key.pem"]).output().unwrap().status.success()
    };
    assert!(read("--groups=users") && !read("--groups="));
    site.verify_with_openssl();
    let other = site.root.run("touchmark-station", &["cat", "/var/lib/touchmark-ca/ca/ca.toml"]);
    assert!(!other.status.success(), "no other user sees the CA's directory");

    // A running agent that learns of its revocation ends with another status.
    site.stop(agent);
    let revoke = ["device", "revoke", "cam-2/SN000001", "--reason", "keyCompromise", "--confirm", "2"];
    site.operator(&revoke);
    site.keep_crls_fresh();
    site.stop(ca);
    site.remove_and_install_again();
}

#[test]
fn an_upgrade_from_the_former_version_keeps_the_ledger_and_the_devices_and_they_go_on() {
    let Some(former) = former_programs() else { return };
    let site = Site::with(&packages_of(&former, Some("0.0.1"), &built("former")));
    assert_eq!(site.version("touchmark-ca"), "0.0.1");
    site.found();
    let ca = site.serve_without_service_manager();
    site.open_order();
    site.make_unit("SN000001");
    site.enroll();
    site.until_enrolled("SN000001", "of the former version");
    let before = site.certificates("SN000001");
    assert_eq!(before.len(), 2);
    site.stop(ca);
    let ledger = site.ledger();
    let defaults = site.root.inside("/etc/default/touchmark-agent");
    fs::write(&defaults, "TOUCHMARK_AGENT_OPTIONS=\"--key-group users\"\n").unwrap();

    site.root.install(current());
    assert_eq!(site.version("touchmark-ca"), env!("CARGO_PKG_VERSION"));
    assert_eq!(site.ledger(), ledger, "an upgrade does not touch the ledger");
    assert!(fs::read_to_string(&defaults).unwrap().contains("users"), "nor what the administrator wrote");

    let ca = site.serve();
    assert_eq!(site.certificates("SN000001"), before, "all of it is on record");
    site.join_group();
    let agent = site.run_agent(&[]);
    let state = "/var/lib/touchmark-agent";
    site.root.says("touchmark-agent", &["touchmark-agent", "renew", "--state", state, "--force"]);
    let after = site.certificates("SN000001");
    assert_eq!((after.len(), &after[..2]), (3, &before[..]), "the device renewed what it got before");
    site.make_another_unit("SN000002");
    site.stop(agent);
    site.stop(ca);
}

#[test]
fn a_missing_or_wrong_passphrase_ends_the_ca_with_a_status_that_is_not_restarted() {
    let site = Site::with(current());
    site.found();
    let passphrase = site.root.inside("/etc/touchmark-ca/passphrase");
    fs::write(&passphrase, "another passphrase, long enough\n").unwrap();
    let unit = site.root.unit("touchmark-ca");
    let never: Vec<i32> =
        unit.one("RestartPreventExitStatus").split_whitespace().map(|one| one.parse().unwrap()).collect();
    let (mut command, manager) = site.root.service(&unit, &[]);
    let output = command.output().unwrap();
    let status = output.status.code().unwrap();
    assert!(never.contains(&status), "{output:?}");
    assert_eq!(manager.next(Duration::from_millis(50)), None, "it was never ready");
}

#[test]
fn lintian_finds_no_error_and_no_warning() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--no-cfg", "--fail-on", "error,warning"]);
    let output = lintian.args(current()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_has_a_man_page_that_man_reads_without_a_warning() {
    let place = unpacked();
    let pages: Vec<PathBuf> = fs::read_dir(place.path().join("usr/share/man/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("touchmark"))
        .collect();
    for wanted in
        ["touchmark.1.gz", "touchmark-ca.1.gz", "touchmark-ca-serve.1.gz", "touchmark-agent-run.1.gz"]
    {
        assert!(pages.iter().any(|path| path.ends_with(wanted)), "{wanted} is missing: {pages:?}");
    }
    for page in &pages {
        let mut man = Command::new("man");
        man.args(["--warnings", "--encoding=UTF-8", "--local-file"]).arg(page);
        let output =
            man.env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8").env("MAN_KEEP_STDERR", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        assert!(String::from_utf8_lossy(&output.stdout).contains("SYNOPSIS"), "{}", page.display());
    }
    for (shell, path, program) in [
        ("bash", "usr/share/bash-completion/completions/touchmark-agent", "touchmark-agent"),
        ("zsh", "usr/share/zsh/vendor-completions/_touchmark-ca", "touchmark-ca"),
        ("fish", "usr/share/fish/vendor_completions.d/touchmark.fish", "touchmark"),
    ] {
        let script = fs::read_to_string(place.path().join(path)).unwrap();
        assert!(script.contains(program), "{shell}: {path}");
    }
}

#[test]
fn every_unit_is_valid_and_exposed_below_two() {
    let place = unpacked();
    let units: Vec<PathBuf> = ["touchmark-ca", "touchmark-agent", "touchmark-revocations"]
        .map(|name| place.path().join(format!("lib/systemd/system/{name}.service")))
        .to_vec();
    for unit in &units {
        let name = unit.file_name().unwrap().to_string_lossy().into_owned();
        let mut verify = Command::new("systemd-analyze");
        let copy = stand_alone(place.path(), unit);
        let output = verify
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(copy.path().join(&name))
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");

        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--no-pager", "--threshold=19"]).arg(unit);
        let output = security.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = said.lines().last().unwrap_or_default().to_owned();
        assert!(output.status.success(), "{name}: {level}");
    }
}

/// The unit, with the path that its program has where it was unpacked.
fn stand_alone(root: &Path, unit: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(unit).unwrap();
    let programs = root.join("usr/bin/touchmark");
    let text = text.replace("ExecStart=/usr/bin/touchmark", &format!("ExecStart={}", programs.display()));
    fs::write(place.path().join(unit.file_name().unwrap()), text).unwrap();
    place
}

/// The packages of this version.
fn current() -> &'static [PathBuf] {
    static PACKAGES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PACKAGES.get_or_init(|| packages(&built("current")))
}

/// What is in the packages.
fn unpacked() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for package in current() {
        assert!(
            Command::new("dpkg-deb").arg("-x").arg(package).arg(place.path()).status().unwrap().success()
        );
    }
    place
}

/// A root with packages, a CA in it, and its ports.
struct Site {
    root: DebianRoot,
    ports: [u16; 4],
}

impl Site {
    fn with(packages: &[PathBuf]) -> Self {
        let root = DebianRoot::fresh();
        root.install(packages);
        let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        Self { root, ports: listeners.map(|listener| listener.local_addr().unwrap().port()) }
    }

    fn version(&self, package: &str) -> String {
        self.root.says("root", &["dpkg-query", "--show", "--showformat=${Version}", package])
    }

    /// Makes the CA, as install.md says: a passphrase apart from what it opens, and the rest as the CA's
    /// user.
    fn found(&self) {
        let script = "umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > /etc/touchmark-ca/passphrase \
                      && echo >> /etc/touchmark-ca/passphrase && chown touchmark-ca: /etc/touchmark-ca/passphrase";
        self.root.says("root", &["sh", "-c", script]);
        let [grpc, http, public, _] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let url = format!("https://127.0.0.1:{}", self.ports[0]);
        let init = [
            "touchmark-ca",
            "init",
            "--dir",
            "/var/lib/touchmark-ca/ca",
            "--organization",
            "Example Devices",
        ];
        let where_it_listens = ["--listen", &grpc, "--metrics-listen", &http, "--http-listen", &public];
        let rest = ["--enrollment-url", &url, "--passphrase-file", "/etc/touchmark-ca/passphrase"];
        self.root.says("touchmark-ca", &[&init[..], &where_it_listens, &rest].concat());
        // The operator is a person with a user of their own.
        self.root.says("root", &["useradd", "--create-home", "--user-group", "ops-person"]);
        let credentials = "/home/ops-person/credentials";
        self.root.says("root", &["cp", "-r", "/var/lib/touchmark-ca/ca/operators/admin", credentials]);
        self.root.says("root", &["chown", "-R", "ops-person:ops-person", credentials]);
    }

    /// Runs the CA as its unit says, and waits until it is ready.
    fn serve(&self) -> Process {
        let unit = self.root.unit("touchmark-ca");
        assert_eq!(unit.one("Type"), "notify");
        let (mut command, manager) = self.root.service(&unit, &[]);
        let process = Process::start(command.stdout(Stdio::null()).stderr(self.log("ca")));
        self.until_ready(&manager, "ca");
        process
    }

    /// Runs the CA and waits for its line on stdout.
    fn serve_without_service_manager(&self) -> Process {
        let words = ["touchmark-ca", "serve", "--config", "/var/lib/touchmark-ca/ca/ca.toml"];
        let mut command = self.root.command("touchmark-ca", &words);
        let mut process = Process::start(command.stdout(Stdio::piped()).stderr(self.log("ca")));
        let mut line = String::new();
        let stdout = process.child_mut().stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert!(line.contains("\"ready\":true"), "{line}{}", self.read_log("ca"));
        process
    }

    /// Makes the agent a member of the group that shall read its key, as device-agent.md says.
    fn join_group(&self) {
        self.root.says("root", &["usermod", "--append", "--groups", "users", "touchmark-agent"]);
    }

    fn run_agent(&self, options: &[&str]) -> Process {
        let options = options.join(" ");
        let variables = [("TOUCHMARK_AGENT_OPTIONS", options.as_str())];
        let variables = if options.is_empty() { &[][..] } else { &variables[..] };
        let (mut command, manager) = self.root.service(&self.root.unit("touchmark-agent"), variables);
        let process = Process::start(command.stdout(Stdio::null()).stderr(self.log("agent")));
        self.until_ready(&manager, "agent");
        process
    }

    fn until_ready(&self, manager: &NotifySocket, log: &str) {
        let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| manager.until("READY=1", SOON)));
        assert!(said.is_ok(), "{log} is not ready:\n{}", self.read_log(log));
        manager.until("WATCHDOG=1", SOON);
    }

    fn stop(&self, process: Process) {
        let status = process.terminate(SOON);
        assert_eq!(status.code(), Some(0), "{}{}", self.read_log("ca"), self.read_log("agent"));
    }

    /// `touchmark`, as the operator.
    fn operator(&self, words: &[&str]) -> String {
        let server = format!("https://127.0.0.1:{}", self.ports[0]);
        let with = ["touchmark", "--credentials", "/home/ops-person/credentials", "--server", &server];
        self.root.says("ops-person", &[&with[..], words].concat())
    }

    /// Runs the unit for brokers with a relying party's credential until the CRLs contain the revoked
    /// certificate.
    fn keep_crls_fresh(&self) {
        self.operator(&["principal", "issue", "relying-party", "broker", "--out", "/home/ops-person/broker"]);
        let place = "/etc/touchmark-revocations/credentials";
        self.root.says("root", &["mkdir", "/etc/touchmark-revocations"]);
        self.root.says("root", &["cp", "-r", "/home/ops-person/broker", place]);
        self.root.says("root", &["chown", "-R", "touchmark-revocations:", place]);
        let (mut command, _) = self.root.service(&self.root.unit("touchmark-revocations"), &[]);
        let process = Process::start(command.stdout(Stdio::null()).stderr(self.log("revocations")));
        let lists = self.root.inside("/var/lib/touchmark-revocations/lists/crls.pem");
        let end = Instant::now() + SOON;
        loop {
            let openssl =
                Command::new("openssl").args(["storeutl", "-crls", "-text", "-noout"]).arg(&lists).output();
            if String::from_utf8_lossy(&openssl.unwrap().stdout).contains("Key Compromise") {
                break;
            }
            assert!(Instant::now() < end, "no lists:\n{}", self.read_log("revocations"));
            std::thread::sleep(Duration::from_millis(50));
        }
        process.end(SOON);
    }

    /// A station with its credential, and an order for it.
    fn open_order(&self) {
        self.operator(&["principal", "issue", "station", "line-1", "--out", "/home/ops-person/line-1"]);
        let place = "/var/lib/touchmark-station/credentials";
        self.root.says("root", &["cp", "-r", "/home/ops-person/line-1", place]);
        self.root.says("root", &["chown", "-R", "touchmark-station:touchmark-station", place]);
        let config = format!(
            "server = \"https://127.0.0.1:{}\"\ncredentials = \"credentials\"\njournal = \"journal\"\n",
            self.ports[0]
        );
        fs::write(self.root.inside("/var/lib/touchmark-station/station.toml"), config).unwrap();
        let order = ["work-order", "create", "--product", "cam-2", "--quantity", "5"];
        self.operator(&[&order[..], &["--serials", "SN{000001..000005}", "--station", "line-1"]].concat());
    }

    /// A unit on the bench, over TCP: device and station are users who share nothing.
    fn make_unit(&self, serial: &str) {
        self.make_unit_in(serial, "/var/lib/touchmark-agent");
    }

    fn make_another_unit(&self, serial: &str) {
        self.root.says("root", &["install", "-d", "-o", "touchmark-agent", "/srv/another"]);
        self.make_unit_in(serial, "/srv/another");
    }

    fn make_unit_in(&self, serial: &str, state: &str) {
        let address = format!("127.0.0.1:{}", self.ports[3]);
        let factory = ["touchmark-agent", "factory", "--state", state, "--tcp", &address];
        let mut command = self.root.command("touchmark-agent", &factory);
        let mut device = Process::start(command.stdout(Stdio::null()).stderr(self.log("factory")));
        let listens = Instant::now() + SOON;
        while !self.read_log("factory").contains("waiting for a station") {
            assert!(Instant::now() < listens, "{}", self.read_log("factory"));
            std::thread::sleep(Duration::from_millis(10));
        }
        let units = self.root.inside("/var/lib/touchmark-station/units.csv");
        fs::write(units, format!("serial,product,hardware_revision\n{serial},cam-2,B1\n")).unwrap();
        let link = format!("tcp:{address}");
        let provision =
            ["touchmark-station", "provision", "--config", "/var/lib/touchmark-station/station.toml"];
        let rest = [
            "--work-order",
            "wo-000001",
            "--serials",
            "/var/lib/touchmark-station/units.csv",
            "--link",
            &link,
        ];
        self.root.says("touchmark-station", &[&provision[..], &rest].concat());
        assert!(device.wait(SOON).is_some_and(|status| status.success()), "{}", self.read_log("factory"));
        fs::remove_file(self.log_path("factory")).unwrap();
    }

    fn enroll(&self) {
        let state = "/var/lib/touchmark-agent";
        self.root.says("touchmark-agent", &["touchmark-agent", "enroll", "--state", state]);
    }

    fn until_enrolled(&self, serial: &str, what: &str) {
        let end = Instant::now() + SOON;
        let device = format!("cam-2/{serial}");
        while !self.operator(&["--json", "device", "show", &device]).contains("\"enrolled\"") {
            assert!(Instant::now() < end, "not enrolled, {what}:\n{}", self.read_log("agent"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The certificates' serial numbers, in their order.
    fn certificates(&self, serial: &str) -> Vec<String> {
        let shown = self.operator(&["--json", "device", "show", &format!("cam-2/{serial}")]);
        let shown = json_lines(&shown);
        let certificates = shown[0]["certificates"].as_array().expect("a list").iter();
        certificates.map(|one| one["serial_number"].as_str().expect("a number").to_owned()).collect()
    }

    fn verify_with_openssl(&self) {
        let current = self.root.inside("/var/lib/touchmark-agent/current");
        let file = |name: &str| current.join(name);
        let mut openssl = Command::new("openssl");
        openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(file("trust.pem")).arg("-untrusted");
        let output = openssl.arg(file("chain.pem")).arg(file("cert.pem")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Every file of the ledger, with its length.
    fn ledger(&self) -> Vec<(PathBuf, u64)> {
        let mut files = Vec::new();
        let mut places = vec![self.root.inside("/var/lib/touchmark-ca/ca/store")];
        while let Some(place) = places.pop() {
            for entry in fs::read_dir(place).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                match metadata.is_dir() {
                    true => places.push(entry.path()),
                    false => files.push((entry.path(), metadata.len())),
                }
            }
        }
        files.sort();
        assert!(!files.is_empty());
        files
    }

    /// Removes and purges all packages, and installs them again over what is left.
    fn remove_and_install_again(&self) {
        let names = ["touchmark-ca", "touchmark-station", "touchmark-agent", "touchmark"];
        let ledger = self.ledger();
        for how in ["--remove", "--purge"] {
            let output = self.root.run("root", &[&["dpkg", how][..], &names].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert_eq!(self.ledger(), ledger, "dpkg {how} keeps the ledger");
            if how == "--purge" {
                assert!(said.contains("/var/lib/touchmark-ca and the user touchmark-ca are kept"), "{said}");
            }
        }
        assert!(!self.root.inside("/usr/bin/touchmark-ca").exists());
        assert!(
            !self.root.inside("/etc/default/touchmark-ca").exists(),
            "a purge takes the configuration of the unit"
        );
        let mode = self.root.inside("/etc/touchmark-ca/passphrase").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the passphrase is kept: without it the issuing keys are lost");

        self.root.install(current());
        let ca = self.serve();
        assert_eq!(self.certificates("SN000001").len(), 2, "it serves what it served before");
        self.stop(ca);
    }

    fn log(&self, name: &str) -> fs::File {
        fs::File::options().create(true).append(true).open(self.log_path(name)).unwrap()
    }

    fn read_log(&self, name: &str) -> String {
        fs::read_to_string(self.log_path(name)).unwrap_or_default()
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.root.inside(&format!("/tmp/{name}.log"))
    }
}

/// Where the packages of a test are put.
fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages").join(name)
}

/// On a busy machine.
const SOON: Duration = Duration::from_secs(60);
