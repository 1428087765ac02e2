//! A device is born, boots for the first time, and has its operational certificate in use, whatever happens
//! in between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt;
use tests::{Fleet, Process, Seed};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_born_enrols_and_confirms_at_first_boot() {
    let site = Fleet::born(1).await;
    let output = site.enroll("SN000001");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.check_enrolled("SN000001").await;

    // Once more changes nothing.
    assert!(site.enroll("SN000001").status.success());
    site.check_enrolled("SN000001").await;
    let status = site.agent("status", "SN000001").output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_anywhere_and_run_again_converges() {
    let seed = Seed::of_this_run();
    let mut generator = seed.generator(1);
    let site = Fleet::born(6).await;
    for unit in 1..=6 {
        let serial = format!("SN{unit:06}");
        for _ in 0..12 {
            let agent =
                Process::start(site.agent("enroll", &serial).stdout(Stdio::null()).stderr(Stdio::null()));
            tokio::time::sleep(Duration::from_micros(generator.random_range(500..60_000))).await;
            agent.kill();
        }
        let output = site.enroll(&serial);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        site.check_enrolled(&serial).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_killed_under_the_agents_is_asked_again() {
    let seed = Seed::of_this_run();
    let mut generator = seed.generator(2);
    let mut site = Fleet::born(12).await;
    for unit in 1..=12 {
        let serial = format!("SN{unit:06}");
        let mut agent = site.agent("enroll", &serial);
        let agent = agent.stdout(Stdio::null()).stderr(Stdio::null());
        let mut agent = Process::start(agent);
        tokio::time::sleep(Duration::from_millis(generator.random_range(1..60))).await;
        site.authority.kill();
        site.authority.serve();
        // It continues by itself, or ends and is run again at the next boot.
        let ended = tokio::task::spawn_blocking(move || agent.wait(Duration::from_secs(30))).await.unwrap();
        if !ended.is_some_and(|status| status.success()) {
            let output = site.enroll(&serial);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        site.check_enrolled(&serial).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_clock_enrols() {
    assert!(Path::new("/usr/bin/faketime").exists(), "this test needs the Debian package `faketime`");
    let site = Fleet::born(1).await;
    let mut command = Command::new("faketime");
    let agent = site.agent("enroll", "SN000001");
    command.args(["-f", "@1970-01-01 00:00:10"]).arg(agent.get_program()).args(agent.get_args());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.check_enrolled("SN000001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_directory_is_reported_and_left_as_it_is() {
    let site = Fleet::born(4).await;
    let damages: [(&str, Damage); 4] = [
        ("SN000001", |state| {
            std::fs::write(state.join("idevid/key.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap()
        }),
        ("SN000002", |state| std::fs::write(state.join("idevid/cert.pem"), [0xff; 300]).unwrap()),
        ("SN000003", |state| std::fs::remove_file(state.join("idevid/key.pem")).unwrap()),
        ("SN000004", |state| std::fs::remove_file(state.join("idevid/trust.pem")).unwrap()),
    ];
    for (serial, damage) in damages {
        let state = site.station.device(serial);
        damage(&state);
        let before = contents(&state);
        let output = site.enroll(serial);
        assert_eq!(output.status.code(), Some(4), "{serial}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("idevid"), "it says what is damaged: {said}");
        assert_eq!(contents(&state), before, "nothing was replaced");
    }
}

/// What happens to a state directory.
type Damage = fn(&Path);

/// Every file below a directory, and what is in it.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.append(&mut contents(&entry.path()));
        } else if kind.is_file() {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}
