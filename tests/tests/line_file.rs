//! A line file of a thousand units goes through a station with eight slots and an agent process for each
//! unit; a station that is killed in the middle continues.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::collections::HashSet;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::v1::{DeviceState, ListDevicesRequest, PageRequest, WorkOrderCounts};
use tests::{
    CertificateAuthority, Credentials, Factory, OrderTerms, Process, Program, Station, eventually, line_file,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_units_leave_the_line_each_with_its_own_certificate() {
    let line = Line::new(1_000).await;
    let started = Instant::now();
    line.run(&mut line.provision(), Duration::from_secs(300)).await;
    eprintln!("1,000 units in {:.1?}", started.elapsed());
    line.check_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_was_killed_goes_on_where_it_was() {
    let line = Line::new(150).await;
    for issued in [20, 60, 100] {
        let station = Process::start(line.provision().stdout(Stdio::null()).stderr(line.log()));
        eventually(Duration::from_secs(60), "it is in the middle", async || {
            (line.factory.counts(&line.order).await.issued >= issued).then_some(())
        })
        .await;
        station.kill();
    }
    line.run(&mut line.station.resume(), Duration::from_secs(120)).await;
    line.run(&mut line.provision(), Duration::from_secs(120)).await;
    line.check_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_scrapped_is_revoked_and_never_returns() {
    let line = Line::new(4).await;
    line.run(&mut line.provision(), Duration::from_secs(60)).await;
    for _ in 0..2 {
        let scrap =
            line.station.scrap(&line.order, "cracked lens", &["SN000001", "SN000002"]).output().unwrap();
        assert!(scrap.status.success(), "{}", String::from_utf8_lossy(&scrap.stderr));
    }
    let expected = WorkOrderCounts { issued: 4, confirmed: 2, scrapped: 2, ..WorkOrderCounts::default() };
    assert_eq!(line.factory.counts(&line.order).await, expected);

    // Its certificate is refused, and the line names it, with its journal and without.
    let agent =
        Program::Agent.command().args(["enroll", "--state"]).arg(line.station.device("SN000001")).output();
    let refused = String::from_utf8_lossy(&agent.unwrap().stderr).into_owned();
    assert!(refused.contains("CLIENT_CERTIFICATE_REVOKED"), "{refused}");
    let output = line.provision().arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.matches(r#""reason":"SCRAPPED_OR_RETIRED""#).count(), 2, "{said}");

    // Nor does another board return under its serial number, made by a station without a record of it.
    std::fs::remove_dir_all(line.station.directory().join("journal")).unwrap();
    std::fs::remove_dir_all(line.station.device("SN000001")).unwrap();
    let output = line.provision().arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.matches(r#""reason":"SCRAPPED_OR_RETIRED""#).count(), 2, "{said}");
    assert_eq!(line.factory.counts(&line.order).await, expected);

    let unknown = line.station.scrap(&line.order, "never made", &["SN000009"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(6), "{}", String::from_utf8_lossy(&unknown.stdout));
}

/// A CA, a station, an order and its line file.
struct Line {
    _directory: tempfile::TempDir,
    authority: CertificateAuthority,
    factory: Factory,
    station: Station,
    order: String,
    units: u64,
}

impl Line {
    async fn new(units: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::start();
        let factory = Factory::of(&authority);
        let station = Station::set_up(&authority, "line-1", directory.path()).await;
        let order = factory.order(OrderTerms::new(units, &["line-1"])).await;
        line_file(&directory.path().join("units.csv"), "cam-2", serials(units));
        Self { _directory: directory, authority, factory, station, order, units }
    }

    fn provision(&self) -> Command {
        self.station.provision(&self.order, 8, &self.station.directory().join("units.csv"))
    }

    async fn run(&self, command: &mut Command, deadline: Duration) {
        let mut station = Process::start(command.stdout(self.log()).stderr(self.log()));
        let ended = tokio::task::spawn_blocking(move || station.wait(deadline)).await.unwrap();
        let log = std::fs::read_to_string(self.station.directory().join("station.log")).unwrap();
        let tail: Vec<_> = log.lines().rev().take(20).collect();
        let ended = ended.unwrap_or_else(|| panic!("not done within {deadline:?}: {tail:#?}"));
        assert!(ended.success(), "{ended}: {tail:#?}");
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.station.directory().join("station.log")).unwrap()
    }

    /// Every unit is counted once, has a key of its own, and holds what the ledger says.
    async fn check_all(&self) {
        let units = self.units;
        let expected = WorkOrderCounts { issued: units, confirmed: units, ..WorkOrderCounts::default() };
        assert_eq!(self.factory.counts(&self.order).await, expected);
        let mut keys = HashSet::new();
        for serial in serials(units) {
            let held = Credentials::read(&self.station.device(&serial).join("idevid"));
            let der = held.certificate_der();
            let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
            assert!(
                certificate.subject().to_string().contains(&serial),
                "{serial} holds its own certificate"
            );
            assert!(keys.insert(certificate.public_key().raw.to_vec()), "{serial} has a key of its own");
        }
        let mut request = ListDevicesRequest {
            work_order: self.order.clone(),
            state: DeviceState::Provisioned.into(),
            page: Some(PageRequest { size: 300, cursor: String::new() }),
            ..ListDevicesRequest::default()
        };
        let mut listed = Vec::new();
        loop {
            let page = self
                .authority
                .operator()
                .lifecycle()
                .list_devices(request.clone())
                .await
                .unwrap()
                .into_inner();
            listed.extend(page.devices.into_iter().map(|device| device.id.unwrap().serial));
            if page.next_cursor.is_empty() {
                break;
            }
            request.page = Some(PageRequest { size: 300, cursor: page.next_cursor });
        }
        assert_eq!(listed, serials(units).collect::<Vec<_>>(), "the listing has every unit once, in order");
    }
}

fn serials(units: u64) -> impl Iterator<Item = String> {
    (1..=units).map(|number| format!("SN{number:06}"))
}
