//! The program that runs for years, for a minute: enrols, renews, tells, goes on, ends.

use agent::daemon::{self, DaemonRequest, Settings};
use agent::hook::Notifier;
use agent::key::KeyReaders;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, ExitStatus};
use std::time::Instant;

use supervisor::ServiceManager;
use tokio::sync::watch;

use crate::support::prelude::*;

#[test]
fn a_unit_enrols_renews_tells_its_applications_and_ends_when_asked() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    let told = home.path().join("told");
    let hook = format!("sh -c 'echo $TOUCHMARK_SERIAL_NUMBER $TOUCHMARK_DEVICE >> {}'", told.display());
    let daemon = Daemon::start(home.path(), &["--hook", &hook]);
    let first = daemon.until("it is enrolled", || current(home.path()));
    daemon.until("the hook was told", || read(&told).contains(&hex::encode(&first)).then_some(()));

    ca.state.lock().unwrap().window = Some((-7200, -3600));
    daemon.signal(Signal::HUP);
    let second = daemon.until("it is renewed", || current(home.path()).filter(|it| *it != first));
    daemon.until("the hook was told", || read(&told).contains(&hex::encode(&second)).then_some(()));
    assert!(read(&told).lines().all(|line| line.ends_with(" cam-2/SN1")));
    // The hook writes before the agent keeps that it ended well.
    daemon.until("it is kept that the hook was told", || {
        (json(&status(home.path()))["applications_told"] == true).then_some(())
    });
    assert_eq!(daemon.terminate().code(), Some(0));
    assert_eq!(read(&told).lines().count(), ca.state.lock().unwrap().issued.len(), "once for each");
    assert_eq!(ca.state.lock().unwrap().good(), 1);
}

#[test]
fn a_unit_whose_ca_is_away_goes_on_and_a_signal_makes_it_try_now() {
    let home = tempfile::tempdir().unwrap();
    let issuers = Issuers::new();
    // A port on which nobody listens yet.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    born(home.path(), &issuers, "SN1", &format!("https://{port}"));
    let daemon = Daemon::start(home.path(), &[]);
    daemon.until("it says so", || daemon.log().contains("cannot be reached").then_some(()));
    let ca = FakeCa::start_at(port, issuers, day(-20), (2090, 1, 1));
    daemon.until("it is enrolled", || {
        daemon.signal(Signal::HUP);
        current(home.path())
    });
    assert_eq!(ca.state.lock().unwrap().issued.len(), 1);
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[test]
fn a_unit_on_hold_asks_on_and_one_that_is_out_ends() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let first = current(home.path()).unwrap();
    ca.state.lock().unwrap().window = Some((-7200, -3600));
    ca.state.lock().unwrap().refusals = vec![(Code::Unauthenticated, "CLIENT_CERTIFICATE_HELD", None)];
    let mut daemon = Daemon::start(home.path(), &[]);
    daemon.signal_when_ready(Signal::HUP);
    daemon.until("it says so", || daemon.log().contains("CLIENT_CERTIFICATE_HELD").then_some(()));
    assert_eq!(current(home.path()), Some(first.clone()));
    daemon.signal(Signal::HUP);
    let second = daemon.until("it is released", || current(home.path()).filter(|it| *it != first));

    let birth = view(home.path()).certificate(CredentialLocation::Birth).unwrap().serial_number;
    daemon.until("it is at rest", || view(home.path()).record().renewal.is_none().then_some(()));
    ca.state.lock().unwrap().revoked.extend([birth, second]);
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.end().code(), Some(3), "{}", daemon.log());
}

#[test]
fn a_hook_that_fails_or_hangs_is_told_again_and_stops_no_renewal() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let first = current(home.path()).unwrap();
    ca.state.lock().unwrap().window = Some((-7200, -3600));
    let daemon = Daemon::start(home.path(), &["--hook", "sleep 1000", "--hook-time", "300ms"]);
    daemon.signal_when_ready(Signal::HUP);
    let hung = || daemon.log().matches("did not end within 300ms").count();
    daemon.until("it hung twice", || (hung() > 1).then_some(()));
    let renewed = || current(home.path()).filter(|it| *it != first);
    let second = daemon.until("it is renewed", renewed);
    daemon.signal(Signal::HUP);
    daemon.until("it is renewed again", || renewed().filter(|it| *it != second));
    assert_eq!(json(&status(home.path()))["applications_told"], false);
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[test]
fn a_process_that_a_file_names_gets_sighup() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let (pid, heard) = (home.path().join("pid"), home.path().join("heard"));
    let script = format!(
        "trap 'echo >> {}' HUP; echo $$ > {}; while :; do sleep 0.05; done",
        heard.display(),
        pid.display()
    );
    // A shell cannot trap what was ignored when it began, as under nohup.
    let mut broker = Command::new("env").args(["--default-signal=HUP", "sh", "-c", &script]).spawn().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while read(&pid).is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(POLL);
    }
    let renewed = renew(home.path(), &["--force", "--notify-pid-file", pid.to_str().unwrap()]);
    assert_eq!(renewed.status.code(), Some(0), "{}", stderr(&renewed));
    while read(&heard).is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(POLL);
    }
    broker.kill().unwrap();
    broker.wait().unwrap();
    let nobody = renew(home.path(), &["--force", "--notify-pid-file", pid.to_str().unwrap()]);
    assert_eq!(nobody.status.code(), Some(1), "that process has ended");
}

#[test]
fn a_ca_that_answers_nonsense_is_asked_again_and_costs_nothing() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let first = current(home.path()).unwrap();
    ca.state.lock().unwrap().window = Some((-7200, -3600));
    ca.state.lock().unwrap().wrong_answer = Some(WrongAnswer::OtherKey);
    let daemon = Daemon::start(home.path(), &[]);
    daemon.signal_when_ready(Signal::HUP);
    daemon.until("it says so", || daemon.log().contains("does not fit this unit").then_some(()));
    assert_eq!(current(home.path()), Some(first.clone()));
    ca.state.lock().unwrap().wrong_answer = None;
    daemon.until("it is renewed", || {
        daemon.signal(Signal::HUP);
        current(home.path()).filter(|it| *it != first)
    });
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[test]
fn a_damaged_or_missing_state_directory_ends_it() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    assert_eq!(Daemon::start(home.path(), &[]).end().code(), Some(3));
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    std::fs::write(home.path().join("a/cert.pem"), "").unwrap();
    assert_eq!(Daemon::start(home.path(), &[]).end().code(), Some(4));
}

/// R-LIFE-06: a clock that jumped costs a question, not a stream of them.
#[test]
fn a_clock_that_shows_1970_or_another_age_does_not_make_a_unit_spin() {
    let (ca, born) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(born.path(), &ca.issuers, "SN1", &ca.url());
    let now = now();
    for (name, moment) in [("1970", UNIX_EPOCH), ("2080", now + Duration::from_secs(54 * 365 * 86_400))] {
        let home = tempfile::tempdir().unwrap();
        copy(born.path(), home.path());
        let first = current(home.path());
        let settings = Settings {
            state: home.path().to_owned(),
            storage: Storage::default(),
            server: None,
            readers: KeyReaders::AsBefore,
            manager: ServiceManager::default(),
            notifier: Notifier { hook: None, hook_time: Duration::from_secs(1), pid_file: None },
        };
        let (wanted, watching) = watch::channel(DaemonRequest::CheckNow);
        let generator = StdRng::seed_from_u64(1);
        let asked = || ca.state.lock().unwrap().asked;
        let before = asked();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = Arc::new(ManualClock::at(moment));
            let daemon = daemon::run(settings, clock, generator, watching);
            let control = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                wanted.send_replace(DaemonRequest::CheckNow);
                // Long enough for hundreds of turns, if nothing held it back.
                tokio::time::sleep(Duration::from_secs(2)).await;
                wanted.send_replace(DaemonRequest::Stop);
            };
            let (ended, ()) = tokio::join!(daemon, control);
            ended.unwrap();
        });
        assert!((1..=2).contains(&(asked() - before)), "{name}: it asked {} times", asked() - before);
        assert_eq!(current(home.path()), first, "{name}: it is not due");
    }
}

/// A running daemon. Killed and reaped when it is dropped.
struct Daemon {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Daemon {
    fn start(home: &Path, more: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let child = agent()
            .args(["run", "--state"])
            .arg(home)
            .args(more)
            .stdin(Stdio::null())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        read(self.log.path())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// A signal before the program takes signals would end it.
    fn signal_when_ready(&self, signal: Signal) {
        self.until("it runs", || self.log().contains("running").then_some(()));
        self.signal(signal);
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }

    fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.end()
    }

    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn current(home: &Path) -> Option<Vec<u8>> {
    let view = view(home);
    let slot = view.current().unwrap()?;
    Some(view.certificate(CredentialLocation::Slot(slot)).unwrap().serial_number)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
