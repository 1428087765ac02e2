//! A real mosquitto and a real nginx refuse a revoked device within seconds and without a restart, and go on
//! serving the others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use proto::v1::ConfirmInstalledRequest;
use tests::{
    Admission, Broker, CertificateAuthority, Credentials, Device, Factory, Operator, OrderTerms, Process,
    eventually,
};

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_refuses_a_revoked_device_and_serves_the_others() {
    the_life_of_a_device_seen_by(Broker::mosquitto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_refuses_a_revoked_device_and_serves_the_others() {
    the_life_of_a_device_seen_by(Broker::nginx).await;
}

async fn the_life_of_a_device_seen_by(broker: fn(&Path, &Credentials, &Path) -> Broker) {
    let mut site = Site::new().await;
    let (stolen, held, good) = (site.device(1).await, site.device(2).await, site.device(3).await);
    site.write_crls_once();
    let own = site.directory.path().join("own");
    let issue = ["principal", "issue", "service", "broker", "--host", "localhost", "--out"];
    site.operator.says(&[&issue[..], &[own.to_str().unwrap()]].concat());
    let own = Credentials::read(&own);
    let broker = broker(&site.directory.path().join("broker"), &own, &site.lists().join("crls.pem"));
    // A signal before the broker's loop runs would end it.
    site.until(&broker, &good, "the broker runs", |it| *it == Admission::Served).await;
    site.watch(&broker);
    for device in [&stolen, &held, &good] {
        site.until(&broker, device, "a good device is served", |it| *it == Admission::Served).await;
    }

    site.operator.says(&[
        "device",
        "revoke",
        "cam-2/SN000001",
        "--reason",
        "keyCompromise",
        "--confirm",
        "2",
    ]);
    site.until_refused(&broker, &stolen).await;
    site.operator.says(&["device", "hold", "cam-2/SN000002"]);
    site.until_refused(&broker, &held).await;
    site.until(&broker, &good, "the others are served", |it| *it == Admission::Served).await;
    site.operator.says(&["device", "release", "cam-2/SN000002"]);
    site.until(&broker, &held, "a released device is served", |it| *it == Admission::Served).await;

    // The watcher reconnects to the CA by itself.
    site.authority.kill();
    site.authority.serve();
    site.operator.says(&["device", "retire", "cam-2/SN000002", "--confirm", "1"]);
    site.until_refused(&broker, &held).await;
    site.until_refused(&broker, &stolen).await;
    site.until(&broker, &good, "the others are served", |it| *it == Admission::Served).await;
}

struct Site {
    authority: CertificateAuthority,
    operator: Operator,
    order: String,
    station: tests::Caller,
    watcher: Option<Process>,
    directory: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let authority = CertificateAuthority::start();
        let factory = Factory::of(&authority);
        let station = factory.station("line-1").await;
        let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
        let operator = Operator::of(&authority);
        let directory = tempfile::tempdir().unwrap();
        Self { authority, operator, order, station, watcher: None, directory }
    }

    /// A device with its operational certificate in use.
    async fn device(&self, number: u32) -> Credentials {
        let factory = Factory::of(&self.authority);
        let device = Device::new("cam-2", &format!("SN{number:06}"));
        let birth = factory.born(&self.station, &self.order, &device).await;
        let operational = factory.enrolled(&birth).await;
        let serial = x509_serial(&operational.certificate_der());
        let request = ConfirmInstalledRequest { serial_number: serial.into() };
        self.authority.caller(&operational).enrollment().confirm_installed(request).await.unwrap();
        operational
    }

    fn lists(&self) -> PathBuf {
        self.directory.path().join("lists")
    }

    /// The CRLs must exist before a broker starts.
    fn write_crls_once(&self) {
        let lists = self.lists();
        self.operator.says(&["revocations", "watch", "--once", "--write-crl", lists.to_str().unwrap()]);
    }

    /// Keeps the CRLs up to date and notifies the broker, until the test ends.
    fn watch(&mut self, broker: &Broker) {
        let (lists, cursor) = (self.lists(), self.directory.path().join("cursor"));
        let hook = format!("kill -HUP {}", broker.id());
        let mut command = self.operator.command(&["revocations", "watch", "--hook", &hook]);
        command.arg("--write-crl").arg(lists).arg("--cursor-file").arg(cursor);
        let log = File::create(self.directory.path().join("watch.log")).unwrap();
        command.stdout(Stdio::from(log.try_clone().unwrap())).stderr(log);
        self.watcher = Some(Process::start(&mut command));
    }

    async fn until_refused(&self, broker: &Broker, device: &Credentials) {
        let what = "a revoked device is refused";
        self.until(broker, device, what, Admission::is_refusal_of_the_certificate).await;
    }

    async fn until(
        &self,
        broker: &Broker,
        device: &Credentials,
        what: &str,
        wanted: impl Fn(&Admission) -> bool + Copy,
    ) {
        let watched = self.directory.path().join("watch.log");
        let end = tokio::time::Instant::now() + NOTICED_WITHIN;
        let asked = eventually(NOTICED_WITHIN * 2, what, || async {
            match broker.admits(device).await {
                Some(admission) if wanted(&admission) => Some(Ok(())),
                other if tokio::time::Instant::now() > end => Some(Err(other)),
                _ => None,
            }
        });
        if let Err(last) = asked.await {
            let watched = std::fs::read_to_string(watched).unwrap_or_default();
            let log = broker.log();
            let log: Vec<_> = log.lines().rev().take(20).collect();
            panic!("not so: {what}: {last:?}\nwatcher:\n{watched}\nbroker, last first:\n{}", log.join("\n"));
        }
    }
}

fn x509_serial(der: &[u8]) -> Vec<u8> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
    certificate.raw_serial().to_vec()
}

/// Publication and the feed take a second, the reload a moment; the machine may be busy.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
