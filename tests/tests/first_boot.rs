//! A device is born, boots for the first time, and has its operational certificate in use, whatever happens in between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use proto::v1::{CertificateStatus, DeviceId, DeviceState, GetDeviceRequest, GetDeviceResponse};
use rand::RngExt;
use tests::{
    CertificateAuthority, Credentials, Factory, OrderTerms, Process, Program, Seed, Station, line_file,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_born_enrols_and_confirms_at_first_boot() {
    let site = Site::new(1).await;
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
    let site = Site::new(6).await;
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
    let mut site = Site::new(12).await;
    for unit in 1..=12 {
        let serial = format!("SN{unit:06}");
        let mut agent = site.agent("enroll", &serial);
        let agent = agent.stdout(Stdio::null()).stderr(Stdio::null());
        let mut agent = Process::start(agent);
        tokio::time::sleep(Duration::from_millis(generator.random_range(1..60))).await;
        site.authority.kill();
        site.authority.serve();
        // It goes on by itself, or ends and is run again at the next boot.
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
    let site = Site::new(1).await;
    let mut command = Command::new("faketime");
    let agent = site.agent("enroll", "SN000001");
    command.args(["-f", "@1970-01-01 00:00:10"]).arg(agent.get_program()).args(agent.get_args());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.check_enrolled("SN000001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_directory_is_reported_and_left_as_it_is() {
    let site = Site::new(4).await;
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

/// A CA, and devices that were born.
struct Site {
    _directory: tempfile::TempDir,
    authority: CertificateAuthority,
    station: Station,
}

impl Site {
    async fn new(units: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::founded();
        let mut authority = authority.with_enrollment_at_its_own_address();
        authority.serve();
        let station = Station::set_up(&authority, "line-1", directory.path()).await;
        let order = Factory::of(&authority).order(OrderTerms::new(units as u64, &["line-1"])).await;
        let file = directory.path().join("units.csv");
        line_file(&file, "cam-2", (1..=units).map(|number| format!("SN{number:06}")));
        let output = station.provision(&order, 4, &file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { _directory: directory, authority, station }
    }

    fn agent(&self, command: &str, serial: &str) -> Command {
        let mut agent = Program::Agent.command();
        agent.arg(command).arg("--state").arg(self.station.device(serial)).stdin(Stdio::null());
        agent
    }

    fn enroll(&self, serial: &str) -> Output {
        self.agent("enroll", serial).output().unwrap()
    }

    /// One birth certificate, one operational certificate, in use, and the device holds it.
    async fn check_enrolled(&self, serial: &str) {
        let record = self.record(serial).await;
        assert_eq!(record.device.unwrap().state(), DeviceState::Enrolled);
        let profiles: Vec<_> =
            record.certificates.iter().map(|one| (one.profile.as_str(), one.status())).collect();
        assert_eq!(profiles[0].0, "idevid");
        assert_eq!(profiles[1..], [("ldevid", CertificateStatus::InUse)], "exactly once");
        let held = Credentials::read(&self.station.device(serial).join("current"));
        assert_eq!(held.certificate_der(), record.certificates[1].certificate.to_vec());
    }

    async fn record(&self, serial: &str) -> GetDeviceResponse {
        let device = DeviceId { product: "cam-2".to_owned(), serial: serial.to_owned() };
        let request = GetDeviceRequest { device: Some(device) };
        self.authority.operator().lifecycle().get_device(request).await.unwrap().into_inner()
    }
}

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
