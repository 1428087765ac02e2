//! A device renews for years, at the real CA: whatever is killed, one line of descent and a device that can connect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use proto::v1::CertificateStatus;
use rand::RngExt;
use tests::{CertificateAuthority, Fleet, Process, Seed, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_renews_again_and_again_in_one_line_of_descent() {
    let fleet = Fleet::born(1).await;
    assert!(fleet.enroll(UNIT).status.success());
    let first = fleet.held(UNIT);
    let early = told(&fleet.agent("renew", UNIT).output().unwrap());
    assert!(early.contains("not due") && early.contains("scheduled"), "{early}");
    assert_eq!(fleet.held(UNIT), first, "it is not due");
    for renewals in 1..=3 {
        let before = fleet.held(UNIT);
        done(&fleet.agent("renew", UNIT).arg("--force").output().unwrap());
        assert_ne!(fleet.held(UNIT), before);
        assert_eq!(fleet.check_lineage(UNIT).await.len(), renewals + 1);
    }
    let certificates = fleet.check_lineage(UNIT).await;
    for pair in certificates.windows(2) {
        assert_eq!(pair[1].parent_serial_number, pair[0].serial_number, "each is its forerunner's child");
        assert!(matches!(pair[0].status(), CertificateStatus::Superseded | CertificateStatus::Revoked));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_anywhere_in_a_renewal_and_run_again_converges() {
    let mut generator = Seed::of_this_run().generator(1);
    let fleet = Fleet::born(4).await;
    for unit in 1..=4 {
        let serial = format!("SN{unit:06}");
        assert!(fleet.enroll(&serial).status.success());
        for _ in 0..15 {
            let mut agent = fleet.agent("renew", &serial);
            let agent = agent.arg("--force").stdout(Stdio::null()).stderr(Stdio::null());
            let agent = Process::start(agent);
            tokio::time::sleep(Duration::from_micros(generator.random_range(500..60_000))).await;
            agent.kill();
        }
        done(&fleet.agent("renew", &serial).output().unwrap());
        fleet.check_lineage(&serial).await;
        done(&fleet.agent("status", &serial).output().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_killed_under_renewing_agents_is_asked_again() {
    let mut generator = Seed::of_this_run().generator(2);
    let mut fleet = Fleet::born(6).await;
    for unit in 1..=6 {
        let serial = format!("SN{unit:06}");
        assert!(fleet.enroll(&serial).status.success());
        let mut agent = fleet.agent("renew", &serial);
        let mut agent = Process::start(agent.arg("--force").stdout(Stdio::null()).stderr(Stdio::null()));
        tokio::time::sleep(Duration::from_millis(generator.random_range(1..60))).await;
        fleet.authority.kill();
        fleet.authority.serve();
        tokio::task::spawn_blocking(move || agent.wait(Duration::from_secs(30))).await.unwrap();
        done(&fleet.agent("renew", &serial).output().unwrap());
        let certificates = fleet.check_lineage(&serial).await;
        assert!(certificates.len() <= 2, "{serial}: one renewal was asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_device_gets_nothing_after_the_device_renewed() {
    let fleet = Fleet::born(1).await;
    assert!(fleet.enroll(UNIT).status.success());
    let copy = tempfile::tempdir().unwrap();
    copy_state(&fleet.station.device(UNIT), copy.path());
    done(&fleet.agent("renew", UNIT).arg("--force").output().unwrap());
    let certificates = fleet.check_lineage(UNIT).await.len();
    for _ in 0..2 {
        let mut thief = tests::Program::Agent.command();
        let thief = thief.args(["renew", "--force", "--state"]).arg(copy.path()).output().unwrap();
        assert!(matches!(thief.status.code(), Some(6 | 7)), "{thief:?}");
    }
    let record = fleet.record(UNIT).await;
    assert_eq!(record.certificates.len(), certificates + 1, "the copy got none (and one is the IDevID)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_enrols_renews_and_tells_and_is_ended() {
    let fleet = Fleet::born(1).await;
    let told = tempfile::NamedTempFile::new().unwrap();
    let hook = format!("sh -c 'echo $TOUCHMARK_SERIAL_NUMBER >> {}'", told.path().display());
    let mut run = fleet.agent("run", UNIT);
    let daemon = Process::start(run.args(["--hook", &hook]).stderr(Stdio::null()));
    let lines = || std::fs::read_to_string(told.path()).unwrap().lines().count();
    eventually(Duration::from_secs(30), "it enrolled and told", async || (lines() == 1).then_some(())).await;
    fleet.check_enrolled(UNIT).await;
    // Another command on the same directory, while the daemon rests.
    done(&fleet.agent("renew", UNIT).arg("--force").output().unwrap());
    fleet.check_lineage(UNIT).await;
    let ended = tokio::task::spawn_blocking(move || daemon.terminate(Duration::from_secs(20))).await.unwrap();
    assert!(ended.success(), "{ended}");
}

/// R-LIFE-05: just ended, it renews; long ended, the birth certificate enrols it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_off_until_its_certificate_ended_comes_back() {
    for (days, by_its_own) in [(33, true), (60, false)] {
        let mut fleet = Fleet::born_at(with_setting("renewal-grace-days = 7"), 1).await;
        assert!(fleet.enroll(UNIT).status.success());
        let first = fleet.check_lineage(UNIT).await.remove(0);
        fleet.authority.kill();
        let fake = format!("+{days}d");
        let faked = [("LD_PRELOAD", FAKETIME), ("FAKETIME", &fake), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        for (name, value) in faked {
            fleet.authority.set_environment(name, value);
        }
        fleet.authority.serve();
        done(&fleet.agent("renew", UNIT).envs(faked).output().unwrap());
        let state = fleet.station.device(UNIT);
        let status = fleet.agent("status", UNIT).envs(faked).output().unwrap();
        assert!(status.status.success(), "{} {}", state.display(), told(&status));
        // The operator's own credential may have ended by then; the ledger is asked with today's clock.
        fleet.authority.kill();
        for (name, _) in faked {
            fleet.authority.set_environment(name, "");
        }
        fleet.authority.serve();
        let second = fleet.check_lineage(UNIT).await.remove(1);
        assert_eq!(second.parent_serial_number == first.serial_number, by_its_own, "after {days} days");
    }
}

/// A CA with one more line in the section of operational certificates.
fn with_setting(setting: &str) -> CertificateAuthority {
    let authority = CertificateAuthority::founded();
    let path = authority.directory().join("ca.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let (before, after) =
        config.split_once("[profiles.ldevid]\n").expect("a section for operational certificates");
    std::fs::write(&path, format!("{before}[profiles.ldevid]\n{setting}\n{after}")).unwrap();
    authority
}

fn copy_state(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", told(output));
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const UNIT: &str = "SN000001";

/// The Debian package `faketime`.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
