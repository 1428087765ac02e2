//! A CA, and devices that were born at its station, each with an agent.

use std::process::{Command, Output, Stdio};

use proto::v1::{
    CertificateStatus, CertificateSummary, DeviceId, DeviceState, GetDeviceRequest, GetDeviceResponse,
};

use crate::{CertificateAuthority, Credentials, Factory, OrderTerms, Program, Station, line_file};

/// A CA and devices in temporary directories.
#[derive(Debug)]
pub struct Fleet {
    _directory: tempfile::TempDir,
    pub authority: CertificateAuthority,
    pub station: Station,
}

impl Fleet {
    /// This many units of `cam-2`, from SN000001 on.
    pub async fn born(units: usize) -> Self {
        Self::born_at(CertificateAuthority::founded(), units).await
    }

    /// At a CA that was made and does not run yet.
    pub async fn born_at(authority: CertificateAuthority, units: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
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

    /// A command of a unit's agent.
    pub fn agent(&self, command: &str, serial: &str) -> Command {
        let mut agent = Program::Agent.command();
        agent.arg(command).arg("--state").arg(self.station.device(serial)).stdin(Stdio::null());
        agent
    }

    pub fn enroll(&self, serial: &str) -> Output {
        self.agent("enroll", serial).output().unwrap()
    }

    /// Checks that the device has one birth certificate and one operational certificate, which is in use.
    pub async fn check_enrolled(&self, serial: &str) {
        let record = self.record(serial).await;
        assert_eq!(record.device.unwrap().state(), DeviceState::Enrolled);
        let profiles: Vec<_> =
            record.certificates.iter().map(|one| (one.profile.as_str(), one.status())).collect();
        assert_eq!(profiles[0].0, "idevid");
        assert_eq!(profiles[1..], [("ldevid", CertificateStatus::InUse)], "exactly once");
        assert_eq!(self.held(serial), record.certificates[1].certificate.to_vec());
    }

    /// Checks the lineage: no operational certificate has two children, and the one in use is the device's.
    /// Returns the operational certificates, oldest first.
    pub async fn check_lineage(&self, serial: &str) -> Vec<CertificateSummary> {
        let certificates = self.record(serial).await.certificates;
        let operational: Vec<_> = certificates.into_iter().filter(|one| one.profile == "ldevid").collect();
        let in_use: Vec<_> =
            operational.iter().filter(|one| one.status() == CertificateStatus::InUse).collect();
        assert_eq!(in_use.len(), 1, "{serial}: one certificate is in use");
        assert_eq!(self.held(serial), in_use[0].certificate.to_vec(), "{serial}: the device holds it");
        for parent in &operational {
            let children =
                operational.iter().filter(|one| one.parent_serial_number == parent.serial_number).count();
            assert!(children <= 1, "{serial}: an operational certificate has {children} children");
        }
        operational
    }

    /// The CA's record of a unit.
    pub async fn record(&self, serial: &str) -> GetDeviceResponse {
        let request = GetDeviceRequest { device: Some(device(serial)) };
        self.authority.operator().lifecycle().get_device(request).await.unwrap().into_inner()
    }

    /// The certificate that applications of a unit use.
    pub fn held(&self, serial: &str) -> Vec<u8> {
        Credentials::read(&self.station.device(serial).join("current")).certificate_der()
    }
}

fn device(serial: &str) -> DeviceId {
    DeviceId { product: "cam-2".to_owned(), serial: serial.to_owned() }
}
