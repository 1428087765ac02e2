//! A device in memory, with a real key.

use identity::DeviceId;
use rcgen::{CertificateParams, KeyPair};

use super::super::*;

/// A device whose flash survives a crash and whose last answer does not.
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) key: Option<KeyPair>,
    pub(super) installed: Option<(Vec<u8>, Arc<ProvisioningBundle>)>,
    pub(super) locked: bool,
    pub(super) last: Option<(u32, DeviceResponse)>,
    /// Whether a locked device answers what it has done already, as ADR 0068 wants it.
    pub(super) answers_again: bool,
}

impl Device {
    pub(super) fn new(id: DeviceId) -> Self {
        Self { id, key: None, installed: None, locked: false, last: None, answers_again: false }
    }

    pub(super) fn response(&mut self, exchange: u32, request: &DeviceRequest) -> DeviceResponse {
        if let Some((last, response)) = &self.last
            && *last == exchange
        {
            return response.clone();
        }
        let response = self.work(request);
        self.last = Some((exchange, response.clone()));
        response
    }

    pub(super) fn work(&mut self, request: &DeviceRequest) -> DeviceResponse {
        let fault = |code| DeviceResponse::Fault { code, message: String::new() };
        match request {
            DeviceRequest::Hello { .. } => {
                let step = match (&self.key, &self.installed, self.locked) {
                    (_, _, true) => FactoryStep::Locked,
                    (_, Some(_), _) => FactoryStep::Installed,
                    (Some(_), ..) => FactoryStep::KeyReady,
                    _ => FactoryStep::Blank,
                };
                DeviceResponse::Hello(Greeting {
                    protocol_version: PROTOCOL_VERSION,
                    device: Some(self.id.clone()),
                    firmware: "1.0".into(),
                    key_types: vec![KEY_TYPE.into()],
                    step,
                    certificate_deferred: self.is_deferred(),
                    takes_deferral: true,
                })
            }
            DeviceRequest::Install { certificate: Some(certificate), .. } if self.locked => {
                match &mut self.installed {
                    Some((installed, _)) if installed.is_empty() || installed == certificate => {
                        installed.clone_from(certificate);
                        DeviceResponse::Installed
                    }
                    _ => fault(FaultCode::Locked),
                }
            }
            DeviceRequest::ReadBack { .. } | DeviceRequest::Lock if self.locked && self.answers_again => {
                self.unlocked(request)
            }
            _ if self.locked => fault(FaultCode::Locked),
            _ => self.unlocked(request),
        }
    }

    fn is_deferred(&self) -> bool {
        self.installed.as_ref().is_some_and(|(certificate, _)| certificate.is_empty())
    }

    fn unlocked(&mut self, request: &DeviceRequest) -> DeviceResponse {
        let fault = |code| DeviceResponse::Fault { code, message: String::new() };
        match request {
            DeviceRequest::Hello { .. } => fault(FaultCode::Other("UNEXPECTED")),
            DeviceRequest::GenerateKey => {
                let key = self.key.get_or_insert_with(|| KeyPair::generate().unwrap());
                let request = CertificateParams::default().serialize_request(key).unwrap();
                DeviceResponse::Csr(request.der().to_vec())
            }
            DeviceRequest::Install { certificate, bundle } => {
                let certificate = certificate.clone().unwrap_or_default();
                self.installed = Some((certificate, Arc::clone(bundle)));
                DeviceResponse::Installed
            }
            DeviceRequest::ReadBack { nonce } => match (&self.installed, &self.key) {
                (Some((certificate, bundle)), Some(key)) => DeviceResponse::ReadBack(ReadBack {
                    certificate: certificate.clone(),
                    chain: if certificate.is_empty() { Vec::new() } else { bundle.chain.clone() },
                    anchors_digest: anchors_digest(&bundle.anchors),
                    signature: rcgen::SigningKey::sign(key, &read_back_message(nonce)).unwrap(),
                }),
                _ => fault(FaultCode::Other("UNEXPECTED")),
            },
            DeviceRequest::Lock => {
                self.locked = true;
                DeviceResponse::Locked
            }
        }
    }
}
