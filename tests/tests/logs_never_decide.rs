//! A log that cannot be written, or that nobody reads, changes nothing: calls are answered, units are made,
//! signals are obeyed, results and exit statuses are right, in all four programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::v1::GetDeviceRequest;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tests::{
    CertificateAuthority, Device, Factory, Fleet, Operator, OrderTerms, Process, Sink, Site, Station, ask,
    eventually, hearing_hang_ups, line_file, plain_http,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_whose_log_goes_nowhere_answers_everybody_and_obeys() {
    for sink in Sink::all() {
        let authority = CertificateAuthority::founded_with_public_url()
            .with_stderr(sink.open())
            .with_environment("TOUCHMARK_LOG", "debug");
        let mut site = Site::around(authority);
        let station = site.factory.station("line-1").await;
        let order = site.factory.order(OrderTerms::new(1_000, &["line-1"])).await;
        for number in 100..140 {
            let device = Device::new("cam-2", &format!("SN{number:06}"));
            assert!(ask(&station, device.birth_request(&order)).await.is_issued(), "{}", sink.name);
        }
        assert_eq!(site.factory.counts(&order).await.issued, 40);
        refused_calls(&site, 30).await;

        // An OCSP request is answered, and does not leave another signer in the ledger each time.
        let holder = site.device(1).await;
        assert!(site.openssl_ocsp(&holder.operational, &[]).contains("good"), "{}", sink.name);
        let entries = site.authority.metric("touchmark_store_entries");
        for _ in 0..3 {
            assert!(site.openssl_ocsp(&holder.operational, &[]).contains("good"));
        }
        assert_eq!(site.authority.metric("touchmark_store_entries"), entries, "{}", sink.name);
        assert!(
            plain_http(
                site.authority.public(),
                "GET /crl/operational/full.crl HTTP/1.0\r\nhost: ca\r\n\r\n",
                &[]
            )
            .0
            .contains("200")
        );

        // A changed list of blocked keys is read, a reload is done, and nothing has broken.
        std::fs::write(site.authority.directory().join("blocked-keys.txt"), format!("{}\n", "ab".repeat(32)))
            .unwrap();
        eventually(WAIT, "the blocked keys are taken", async || {
            (site.authority.metric("touchmark_blocked_keys") == 1.0).then_some(())
        })
        .await;
        site.authority.signal(Signal::HUP);
        assert!(site.authority.readiness().0.contains("200"), "{}", sink.name);
        assert_eq!(site.authority.metric("touchmark_panics_total"), 0.0, "{}", sink.name);
        if sink.name != Sink::stalled().name {
            assert!(site.authority.metric("touchmark_log_lines_lost_total") > 0.0, "{}", sink.name);
        }
        assert_eq!(site.authority.stop().code(), Some(0), "{}", sink.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_on_learns_how_much_it_missed() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut authority = CertificateAuthority::founded()
        .with_stderr(File::from(writer))
        .with_environment("TOUCHMARK_LOG", "trace");
    authority.serve();
    // Many lines at once: each call logs some.
    let calls = authority.operator();
    eventually(WAIT * 3, "lines are lost", async || {
        let asked = (0..200).map(|_| {
            let calls = calls.clone();
            async move {
                let request = GetDeviceRequest { device: Some(Device::new("cam-2", "SN1").id) };
                assert!(calls.lifecycle().get_device(request).await.is_err());
            }
        });
        futures::future::join_all(asked).await;
        (authority.metric("touchmark_log_lines_lost_total") > 0.0).then_some(())
    })
    .await;
    let reading = std::thread::spawn(move || {
        let mut reader = std::io::BufReader::new(File::from(reader));
        let mut line = Vec::new();
        while std::io::BufRead::read_until(&mut reader, b'\n', &mut line).unwrap() > 0 {
            if String::from_utf8_lossy(&line).contains("log lines were lost") {
                return (String::from_utf8_lossy(&line).into_owned(), reader);
            }
            line.clear();
        }
        panic!("the log ended without a word about what was lost");
    });
    let told = eventually(WAIT, "it is told", async || reading.is_finished().then_some(())).await;
    let () = told;
    let (line, mut reader) = reading.join().unwrap();
    assert!(line.contains("WARN"), "{line}");
    let drained = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    assert_eq!(authority.stop().code(), Some(0));
    drop(authority);
    drained.join().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_fill_the_log() {
    let foreign = CertificateAuthority::founded();
    let site = Site::open();
    let stranger = tests::Credentials {
        trust: site.authority.operator_credentials().trust,
        ..foreign.operator_credentials()
    };
    for _ in 0..60 {
        let request = GetDeviceRequest { device: Some(Device::new("cam-2", "SN1").id) };
        assert!(site.authority.caller(&stranger).lifecycle().get_device(request).await.is_err());
    }
    refused_calls(&site, 60).await;
    let said = |log: &str, what: &str| log.lines().filter(|line| line.contains(what)).count();
    let log = site.authority.log();
    assert_eq!(said(&log, "refused a client certificate in the handshake peer"), 20, "{log}");
    assert!(said(&log, "refused /touchmark.v1") <= 20, "{log}");
    assert!(site.authority.metric("touchmark_log_lines_suppressed_total") >= 80.0);
    eventually(WAIT, "what was suppressed is counted", async || {
        let log = site.authority.log();
        let counted = said(&log, "more such lines were not logged") >= 2;
        counted.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_log_goes_nowhere_enrols_and_runs_and_obeys() {
    let fleet = Fleet::born(3).await;
    for (sink, serial) in Sink::all().into_iter().zip(["SN000001", "SN000002", "SN000003"]) {
        let enrolled = fleet.agent("enroll", serial).stderr(sink.open()).output().unwrap();
        assert_eq!(enrolled.status.code(), Some(0), "{}", sink.name);
        fleet.check_enrolled(serial).await;
        let before = fleet.held(serial);
        let renewed = fleet.agent("renew", serial).arg("--force").stderr(sink.open()).output().unwrap();
        assert_eq!(renewed.status.code(), Some(0), "{}", sink.name);
        assert_ne!(fleet.held(serial), before);

        let told = fleet.station.directory().join(format!("{serial}.told"));
        let mut run = fleet.agent("run", serial);
        run.args(["--hook", &format!("sh -c 'echo hello; touch {}'", told.display())]);
        run.env("TOUCHMARK_AGENT_LOG", "trace").stdout(Stdio::null()).stderr(sink.open());
        let mut daemon = Process::start(&mut run);
        // It has a renewal to report; then it runs, and obeys signals.
        eventually(WAIT, "the hook is run", async || told.exists().then_some(())).await;
        for _ in 0..5 {
            kill_process(Pid::from_child(daemon.child_mut()), Signal::HUP).unwrap();
        }
        assert_eq!(daemon.wait(Duration::from_millis(300)), None, "{}: it goes on", sink.name);
        assert_eq!(daemon.terminate(WAIT).code(), Some(0), "{}", sink.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_whose_screen_goes_nowhere_makes_its_units_and_obeys() {
    let bench = Bench::new().await;
    for sink in Sink::all() {
        let order = bench.order(3).await;
        let provision = bench
            .provision(&order)
            .stdout(Stdio::piped())
            .stderr(sink.open())
            .env("RUST_LOG", "debug")
            .output();
        let output = provision.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", sink.name);
        assert!(String::from_utf8_lossy(&output.stdout).contains("3"), "{}", sink.name);
        assert_eq!(bench.factory.counts(&order).await.confirmed, 3, "{}", sink.name);
    }
    // Unread results do not stop the work, and are reported by the exit status.
    for sink in [Sink::full(), Sink::gone()] {
        let order = bench.order(2).await;
        let output = bench.provision(&order).arg("--json").stdout(sink.open()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", sink.name);
        assert!(said.contains("3 lines could not be written to standard output"), "{said}");
        assert_eq!(bench.factory.counts(&order).await.confirmed, 2, "{}", sink.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_does_not_wait_for_a_terminal_that_is_stopped() {
    let bench = Bench::new().await;
    let order = bench.order(20).await;
    let (_master, terminal) = stopped_terminal();
    let output =
        bench.provision(&order).stderr(terminal.try_clone().unwrap()).stdout(Stdio::piped()).output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    assert_eq!(bench.factory.counts(&order).await.confirmed, 20);

    // A hangup stops it in order.
    let order = bench.order(500).await;
    let mut command = hearing_hang_ups(&bench.provision(&order));
    let mut line = Process::start(command.stderr(terminal).stdout(Stdio::null()));
    eventually(WAIT, "units are made", async || {
        (bench.factory.counts(&order).await.issued > 2).then_some(())
    })
    .await;
    kill_process(Pid::from_child(line.child_mut()), Signal::HUP).unwrap();
    assert_eq!(line.wait(WAIT).and_then(|status| status.code()), Some(1));
    let counts = bench.factory.counts(&order).await;
    assert_eq!(counts.issued, counts.confirmed, "the units on the bench were finished: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_program_prints_its_results_whatever_is_behind_its_errors() {
    let site = Site::open();
    site.device(1).await;
    let operator = Operator::of(&site.authority);
    for sink in Sink::all() {
        let listed = operator.command(&["device", "list"]).stderr(sink.open()).output().unwrap();
        assert_eq!(listed.status.code(), Some(0), "{}", sink.name);
        assert!(String::from_utf8_lossy(&listed.stdout).contains("SN000001"), "{}", sink.name);
        let refused =
            operator.command(&["device", "show", "cam-2/SN9"]).stderr(sink.open()).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{}", sink.name);

        // For years, and to the end of it.
        let lists = site.directory().join(sink.name);
        let mut watch = operator.command(&["revocations", "watch", "--write-crl", lists.to_str().unwrap()]);
        let mut watch = Process::start(watch.stdout(Stdio::null()).stderr(sink.open()));
        eventually(WAIT, "CRLs are written", async || lists.join("crls.pem").exists().then_some(())).await;
        std::fs::remove_file(lists.join("root.crl.pem")).unwrap();
        kill_process(Pid::from_child(watch.child_mut()), Signal::HUP).unwrap();
        assert_eq!(watch.terminate(WAIT).code(), Some(0), "{}", sink.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_nobody_reads_is_no_panic() {
    let fleet = Fleet::born(1).await;
    assert!(fleet.enroll("SN000001").status.success());
    let operator = Operator::of(&fleet.authority);
    let config = fleet.authority.directory().join("ca.toml");
    let ca = |arguments: &[&str]| {
        let mut command = tests::Program::CertificateAuthority.command();
        command.args(arguments);
        command
    };
    let report = || {
        let mut command = tests::Program::Station.command();
        command.arg("report").arg("--config").arg(fleet.station.directory().join("station.toml"));
        command
    };
    let commands: Vec<Box<dyn Fn() -> Command>> = vec![
        Box::new(|| operator.command(&["device", "list"])),
        Box::new(|| operator.command(&["--json", "certificate", "list", "--device", "cam-2/SN000001"])),
        Box::new(|| operator.command(&["completions", "bash"])),
        Box::new(|| ca(&["completions", "bash"])),
        Box::new(|| ca(&["check-config", "--config", config.to_str().unwrap()])),
        Box::new(|| fleet.agent("status", "SN000001")),
        Box::new(|| fleet.agent("doctor", "SN000001")),
        Box::new(report),
    ];
    for (place, command) in commands.iter().enumerate() {
        for (sink, status) in [(Sink::gone(), 0), (Sink::full(), 1)] {
            let output = command().stdout(sink.open()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "command {place}, {}: {said}", sink.name);
            assert!(!said.contains("panicked"), "command {place}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_whose_events_nobody_reads_can_be_stopped_and_keeps_its_place() {
    let site = Site::open();
    let (cursor, operator) = (site.directory().join("cursor"), Operator::of(&site.authority));
    site.device(1).await;
    operator.says(&["device", "hold", "cam-2/SN000001"]);
    let watch = |stdout: File| {
        let mut watch =
            operator.command(&["revocations", "watch", "--cursor-file", cursor.to_str().unwrap()]);
        Process::start(watch.stdout(stdout).stderr(Stdio::null()))
    };
    let sink = Sink::stalled();
    let mut stalled = watch(sink.open());
    assert_eq!(stalled.wait(Duration::from_secs(1)), None, "it waits for its reader");
    assert_eq!(stalled.terminate(WAIT).code(), Some(0));
    let mut unread = watch(Sink::gone().open());
    assert_eq!(unread.wait(WAIT).and_then(|status| status.code()), Some(1), "nobody reads");
    assert!(!cursor.exists(), "what nobody has read is told again");
    let once = ["revocations", "watch", "--once", "--cursor-file", cursor.to_str().unwrap()];
    assert!(operator.says(&once).contains("held"));
    assert_eq!(operator.says(&once), "", "and only once");
}

/// Calls that are refused, each with a line in the log.
async fn refused_calls(site: &Site, count: u32) {
    for _ in 0..count {
        let request = GetDeviceRequest { device: Some(Device::new("cam-2", "SN1").id) };
        assert!(site.authority.operator().lifecycle().get_device(request).await.is_err());
    }
}

/// A CA and a station.
struct Bench {
    _directory: tempfile::TempDir,
    _authority: CertificateAuthority,
    factory: Factory,
    station: Station,
    next: std::cell::Cell<usize>,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::start();
        let factory = Factory::of(&authority);
        let station = Station::set_up(&authority, "line-1", directory.path()).await;
        let next = std::cell::Cell::new(1);
        Self { _directory: directory, _authority: authority, factory, station, next }
    }

    /// An order of so many units, and its line file.
    async fn order(&self, units: usize) -> String {
        let order = self.factory.order(OrderTerms::new(units as u64, &["line-1"])).await;
        let first = self.next.replace(self.next.get() + units);
        let serials = (first..first + units).map(|number| format!("SN{number:06}"));
        line_file(&self.station.directory().join(format!("{order}.csv")), "cam-2", serials);
        order
    }

    fn provision(&self, order: &str) -> Command {
        self.station.provision(order, 2, &self.station.directory().join(format!("{order}.csv")))
    }
}

/// A terminal whose other end takes nothing, as after Ctrl-S.
fn stopped_terminal() -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name).unwrap();
    (master, terminal)
}

/// For what takes moments, on a busy machine.
const WAIT: Duration = Duration::from_secs(40);
