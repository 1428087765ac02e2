//! The sd_notify messages of the CA and the agent: ready, alive and stopping; alive only while they work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::{
    CertificateAuthority, Factory, FileSystem, Fleet, NotifySocket, OrderTerms, Process, plain_http,
};

#[test]
fn a_ca_is_ready_when_it_serves_then_alive_and_at_last_stopping() {
    let place = tempfile::tempdir().unwrap();
    let manager = NotifySocket::at(&place.path().join("notify"));
    let mut authority = CertificateAuthority::founded();
    for (name, value) in manager.environment(WATCHDOG) {
        authority.set_environment(name, &value);
    }
    authority.serve();
    assert!(manager.until("READY=1", SOON).is_empty(), "nothing is said before");
    let (head, _) = plain_http(authority.http(), "GET /readyz HTTP/1.0\r\nhost: ca\r\n\r\n", &[]);
    assert!(head.contains("200"), "who says READY=1 is ready: {head}");
    for _ in 0..3 {
        manager.until("WATCHDOG=1", SOON);
    }
    assert_eq!(authority.stop().code(), Some(0));
    let before = manager.until("STOPPING=1", SOON);
    assert!(before.iter().all(|said| said == "WATCHDOG=1"), "{before:?}");
    assert_eq!(manager.next(WATCHDOG), None, "who stops is not alive");
}

#[test]
fn a_ca_that_does_not_start_is_never_ready() {
    let place = tempfile::tempdir().unwrap();
    let manager = NotifySocket::at(&place.path().join("notify"));
    let mut authority = CertificateAuthority::founded();
    for (name, value) in manager.environment(WATCHDOG) {
        authority.set_environment(name, &value);
    }
    fs::remove_file(authority.directory().join("passphrase")).unwrap();
    authority.serve_within(Duration::from_secs(20)).unwrap_err();
    assert_eq!(manager.next(Duration::from_millis(50)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_whose_store_hangs_falls_silent_so_that_the_watchdog_acts() {
    let Some(disk) = FileSystem::on_a_loop_device(64) else { return };
    let manager = NotifySocket::at(&disk.beside("notify"));
    let mut authority =
        CertificateAuthority::founded_in(&disk.path().join("ca")).with_log(&disk.beside("ca.log"));
    for (name, value) in manager.environment(WATCHDOG) {
        authority.set_environment(name, &value);
    }
    authority.serve();
    manager.until("READY=1", SOON);
    let factory = Factory::of(&authority);
    factory.station("line-1").await;
    manager.until("WATCHDOG=1", SOON);

    // A disk that does not answer: every write blocks, and the committer with it. Reads and connections go
    // on.
    let frozen = Frozen::new(&disk);
    let order = tokio::spawn(async move { factory.order(OrderTerms::new(1, &["line-1"])).await });
    let silent = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        // Messages on their way may still arrive; then none for three times the watchdog's interval.
        while manager.next(WATCHDOG * 3).is_some() {
            assert!(began.elapsed() < SOON, "the CA says that it is alive while it can record nothing");
        }
        manager
    });
    let manager = silent.await.unwrap();
    assert!(authority.log().contains("the store has not committed"), "the log says why: {}", authority.log());
    drop(frozen);
    order.await.expect("what was asked meanwhile is done when the disk answers");
    tokio::task::spawn_blocking(move || manager.until("WATCHDOG=1", SOON)).await.unwrap();
    assert_eq!(authority.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_ready_alive_and_stopping_and_its_hook_is_not_asked_for_it() {
    let fleet = Fleet::born(1).await;
    let place = tempfile::tempdir().unwrap();
    let manager = NotifySocket::at(&place.path().join("notify"));
    let seen = place.path().join("environment");
    let mut command = fleet.agent("run", "SN000001");
    command.arg("--hook").arg(format!("sh -c 'env > {}'", seen.display()));
    let log = fs::File::create(place.path().join("log")).unwrap();
    command.envs(manager.environment(WATCHDOG)).stdout(Stdio::null()).stderr(log);
    let agent = Process::start(&mut command);
    assert!(manager.until("READY=1", SOON).is_empty(), "nothing is said before");
    manager.until("WATCHDOG=1", SOON);
    let end = Instant::now() + SOON;
    while !fs::read_to_string(&seen).is_ok_and(|text| text.contains("TOUCHMARK_SERIAL_NUMBER")) {
        assert!(Instant::now() < end, "the hook ran");
        manager.until("WATCHDOG=1", SOON);
    }
    let environment = fs::read_to_string(&seen).unwrap();
    assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");
    assert_eq!(agent.terminate(SOON).code(), Some(0));
    manager.until("STOPPING=1", SOON);
}

#[test]
fn an_agent_without_a_state_directory_is_never_ready() {
    let place = tempfile::tempdir().unwrap();
    let manager = NotifySocket::at(&place.path().join("notify"));
    let mut command = tests::Program::Agent.command();
    command.arg("run").arg("--state").arg(place.path().join("none")).envs(manager.environment(WATCHDOG));
    assert!(!command.output().unwrap().status.success());
    assert_eq!(manager.next(Duration::from_millis(50)), None);
}

/// A file system that answers no write until this is dropped.
struct Frozen {
    path: std::path::PathBuf,
}

impl Frozen {
    fn new(disk: &FileSystem) -> Self {
        let path = disk.path();
        assert!(Command::new("fsfreeze").arg("--freeze").arg(&path).status().unwrap().success());
        Self { path }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let thawed = Command::new("fsfreeze").arg("--unfreeze").arg(&self.path).status();
        assert!(thawed.is_ok_and(|status| status.success()), "{} is frozen", self.path.display());
    }
}

/// A short watchdog: the programs speak three times as often.
const WATCHDOG: Duration = Duration::from_millis(900);

/// On a busy machine.
const SOON: Duration = Duration::from_secs(30);
