//! A CA in memory, with real certificates.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use identity::{DeviceId, RequestId, SerialNumber};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::super::*;

/// The makers of certificates: a root and a factory issuer.
pub(super) struct Makers {
    pub(super) bundle: Arc<ProvisioningBundle>,
    factory: Issuer<'static, KeyPair>,
}

pub(super) fn makers() -> &'static Makers {
    static MAKERS: OnceLock<Makers> = OnceLock::new();
    MAKERS.get_or_init(|| {
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let root_key = KeyPair::generate().unwrap();
        let root = authority("root");
        let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
        let root = Issuer::new(root, root_key);
        let factory_key = KeyPair::generate().unwrap();
        let factory = authority("factory");
        let factory_der = factory.signed_by(&factory_key, &root).unwrap().der().to_vec();
        let bundle = ProvisioningBundle {
            chain: vec![factory_der],
            anchors_version: 1,
            anchors: vec![root_der],
            enrollment_url: "https://ca.example.com:8443".into(),
        };
        Makers { bundle: Arc::new(bundle), factory: Issuer::new(factory, factory_key) }
    })
}

/// A CA in memory that keeps its promises: exactly once by request id (the same device and key; the bytes of
/// the CSR may differ), and by device and key.
#[derive(Default)]
pub(super) struct Ca {
    quota: usize,
    pub(super) requests: BTreeMap<RequestId, (DeviceId, Vec<u8>, BirthCertificate)>,
    pub(super) devices: BTreeMap<DeviceId, (Vec<u8>, BirthCertificate)>,
    pub(super) confirmed: BTreeMap<DeviceId, SerialNumber>,
    serials: u8,
}

impl Ca {
    pub(super) fn new(quota: usize) -> Self {
        Self { quota, ..Self::default() }
    }

    pub(super) fn ask(&mut self, request_id: RequestId, device: &DeviceId, csr: &[u8]) -> Event {
        let params = rcgen::CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        let key = rcgen::PublicKeyData::subject_public_key_info(&params.public_key);
        if let Some((of, asked, certificate)) = self.requests.get(&request_id) {
            let same = of == device && *asked == key;
            return if same { Event::Issued(certificate.clone()) } else { refused("REQUEST_ID_REUSED") };
        }
        if let Some((known, certificate)) = self.devices.get(device) {
            return if *known == key {
                Event::Issued(certificate.clone())
            } else {
                refused("DEVICE_ALREADY_ISSUED")
            };
        }
        if self.devices.len() >= self.quota {
            return refused("WORK_ORDER_EXHAUSTED");
        }
        self.serials += 1;
        let serial_number =
            SerialNumber::try_from([[0x40; 15].as_slice(), &[self.serials]].concat().as_slice());
        let certificate = issue(device, &params.public_key, serial_number.unwrap());
        self.requests.insert(request_id, (device.clone(), key.clone(), certificate.clone()));
        self.devices.insert(device.clone(), (key, certificate.clone()));
        Event::Issued(certificate)
    }

    pub(super) fn confirm(&mut self, device: &DeviceId, serial_number: SerialNumber) -> Event {
        match self.devices.get(device) {
            Some((_, certificate)) if certificate.serial_number == serial_number => {
                self.confirmed.insert(device.clone(), serial_number);
                Event::Confirmed
            }
            _ => refused("CERTIFICATE_NOT_FOUND"),
        }
    }
}

pub(super) fn issue(
    device: &DeviceId,
    key: &impl rcgen::PublicKeyData,
    serial_number: SerialNumber,
) -> BirthCertificate {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationalUnitName, device.product.as_str());
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), device.serial.as_str());
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial_number.as_bytes()));
    let der = params.signed_by(key, &makers().factory).unwrap().der().to_vec();
    BirthCertificate { der, serial_number, ledger_entry: 7 }
}

fn refused(reason: &str) -> Event {
    Event::Refused(Refusal::new(reason.into(), "no".into(), false))
}
