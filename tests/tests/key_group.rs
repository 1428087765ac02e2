//! An application that runs as another user reads its device's key, if the agent was asked to let its group
//! read it; and no mode of a key file ends the agent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::{Fleet, Process, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_application_of_the_group_reads_the_key_before_and_after_a_renewal_and_nobody_else_does() {
    let unit = Unit::born().await;
    let agent = unit.run(&["--key-group", GROUP]);
    unit.until_enrolled().await;
    let first = unit.check_readable_by_the_group().await;

    // A command without the option keeps the group.
    let output = unit.fleet.agent("renew", SERIAL).arg("--force").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let second = unit.check_readable_by_the_group().await;
    assert_ne!(first, second, "there is a new key");
    assert_eq!(unit.access("idevid/key.pem").0, 0o600, "the birth certificate's key is for nobody else");
    for (command, status) in [("status", 0), ("doctor", 0)] {
        let output = unit.fleet.agent(command, SERIAL).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{command}: {output:?}");
    }

    let output = unit.fleet.agent("renew", SERIAL).arg("--no-key-group").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(unit.access("current/key.pem").0, 0o600, "and it is taken back");
    assert_eq!(agent.terminate(SOON).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_opens_the_key_is_told_of_and_the_agent_goes_on() {
    let unit = Unit::born().await;
    let hook = format!("sh -c 'cd $TOUCHMARK_CURRENT && chgrp {GROUP} key.pem && chmod 640 key.pem'");
    let agent = unit.run(&["--hook", &hook]);
    eventually(SOON, "the agent says what the hook did", async || {
        let log = unit.log();
        (log.contains("had mode 0640") && log.contains("--key-group")).then_some(())
    })
    .await;
    assert_eq!(unit.access("current/key.pem").0, 0o600, "the key is the agent's again");

    // The mode is changed while the agent runs: the next use of the key does not end it.
    unit.set_mode("current/key.pem", 0o644);
    let output = unit.fleet.agent("renew", SERIAL).args(["--force", "--hook", &hook]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("had mode 0644") && said.contains("had mode 0640"), "{said}");
    unit.set_mode("current/key.pem", 0o664);
    rustix::process::kill_process(pid(&agent), rustix::process::Signal::HUP).unwrap();
    eventually(SOON, "the running agent sets it right", async || {
        (unit.access("current/key.pem").0 == 0o600).then_some(())
    })
    .await;
    assert_eq!(agent.terminate(SOON).code(), Some(0), "{}", unit.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_not_give_the_key_to_the_group_says_what_to_do_and_goes_on() {
    let unit = Unit::born().await;
    unit.give_to(NOBODY);
    let mut agent = unit.run_as(NOBODY, "--clear-groups", &["--key-group", GROUP]);
    eventually(SOON, "the agent says what is missing", async || {
        unit.log().contains(&format!("member of the group {GROUP}")).then_some(())
    })
    .await;
    assert!(!unit.path("current").exists(), "applications get no key that they cannot read");
    assert_eq!(agent.wait(Duration::ZERO), None, "it tries again: {}", unit.log());
    agent.end(SOON);

    let group = format!("--groups={}", unit.group());
    let agent = unit.run_as(NOBODY, &group, &["--key-group", GROUP]);
    unit.until_enrolled().await;
    unit.check_readable_by_the_group().await;
    assert_eq!(agent.terminate(SOON).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_does_not_exist_is_wrong_usage() {
    let unit = Unit::born().await;
    let output = unit.fleet.agent("run", SERIAL).args(["--key-group", "no-such-group"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no group"), "{output:?}");
}

/// A device whose state directory others can reach, as it is where packages put it.
struct Unit {
    fleet: Fleet,
    log: tempfile::NamedTempFile,
}

impl Unit {
    async fn born() -> Self {
        let fleet = Fleet::born(1).await;
        for directory in [fleet.station.directory(), &fleet.station.directory().join("devices")] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { fleet, log: tempfile::NamedTempFile::new().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Process {
        let mut command = self.fleet.agent("run", SERIAL);
        Process::start(command.args(arguments).stdout(Stdio::null()).stderr(self.appended()))
    }

    /// The agent as an unprivileged user, with the groups that `setpriv` is told of.
    fn run_as(&self, user: u32, groups: &str, arguments: &[&str]) -> Process {
        let agent = self.fleet.agent("run", SERIAL);
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), groups]);
        command.arg(agent.get_program()).args(agent.get_args()).args(arguments);
        Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.appended()))
    }

    fn appended(&self) -> fs::File {
        fs::File::options().append(true).open(self.log.path()).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.fleet.station.device(SERIAL).join(name)
    }

    /// Mode and group of a file.
    fn access(&self, name: &str) -> (u32, u32) {
        let metadata = fs::metadata(self.path(name)).unwrap();
        (metadata.mode() & 0o7777, metadata.gid())
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn give_to(&self, user: u32) {
        give(&self.fleet.station.device(SERIAL), user);
    }

    /// The number of the group.
    fn group(&self) -> u32 {
        let groups = fs::read_to_string("/etc/group").unwrap();
        let line = groups.lines().find(|line| line.starts_with(&format!("{GROUP}:")));
        line.expect("the Debian package mosquitto makes it").split(':').nth(2).unwrap().parse().unwrap()
    }

    async fn until_enrolled(&self) {
        eventually(SOON, "the device is enrolled", async || {
            let record = self.fleet.record(SERIAL).await;
            let is_enrolled = record.device.unwrap().state() == proto::v1::DeviceState::Enrolled;
            (is_enrolled && self.path("current").exists()).then_some(())
        })
        .await;
    }

    /// The key in use can be read by an application of the group and by no other user; its content.
    async fn check_readable_by_the_group(&self) -> Vec<u8> {
        assert_eq!(self.access("current/key.pem"), (0o640, self.group()));
        let key = self.path("current/key.pem");
        let read = as_user(&key, GROUP, GROUP);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        assert_eq!(read.stdout, fs::read(&key).unwrap());
        assert!(!as_user(&key, "daemon", "daemon").status.success(), "another user does not read it");
        read.stdout
    }
}

/// What a program of this user, with this group and no other, reads.
fn as_user(path: &Path, user: &str, group: &str) -> std::process::Output {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups", "cat"]);
    command.arg(path).output().unwrap()
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
    }
}

fn pid(process: &Process) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(process.id().cast_signed()).unwrap()
}

const SERIAL: &str = "SN000001";

/// A group, and a user in it, that the Debian package of the same name makes.
const GROUP: &str = "mosquitto";

/// The user who owns nothing.
const NOBODY: u32 = 65534;

/// On a busy machine.
const SOON: Duration = Duration::from_secs(30);
