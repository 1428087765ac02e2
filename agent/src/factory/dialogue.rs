//! Answers to the station's messages; its only I/O is the state directory. Every message may come again at
//! any time, also after a power cut, and is then answered as before: the station resumes with Hello.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use diagnostics::error_chain;
use identity::{Clock, DeviceId};
use prost::Message;
use proto::v1;
use proto::v1::device_message::Response;
use proto::v1::station_message::Request;
use tracing::{info, warn};

use crate::key::{KeyError, certificate_request};
use crate::state::{CredentialLocation, FactoryStep, State, StateError};

use super::install;

/// The device at its end of the link.
pub struct Dialogue {
    state: State,
    clock: Arc<dyn Clock>,
    last: Option<(Vec<u8>, Vec<u8>)>,
    // The serial number is not from the line, which cannot take it back.
    identity_is_its_own: bool,
}

impl Dialogue {
    /// The dialogue of the device with this state.
    pub fn new(state: State, clock: Arc<dyn Clock>) -> Self {
        Self { state, clock, last: None, identity_is_its_own: false }
    }

    /// The same for a device whose serial number is not from the line: from a label, a fuse, an earlier step.
    pub fn with_an_identity_of_its_own(self) -> Self {
        Self { identity_is_its_own: true, ..self }
    }

    /// The answer to the payload of one frame. The payload that came last gets the same bytes again.
    pub fn answer(&mut self, payload: &[u8]) -> Vec<u8> {
        if let Some((question, answer)) = &self.last
            && question == payload
        {
            return answer.clone();
        }
        let Ok(message) = v1::StationMessage::decode(payload) else {
            return self.damaged_frame();
        };
        if message.exchange == 0 {
            return self.damaged_frame();
        }
        let response = match self.response(message.request) {
            Ok(response) => response,
            Err(fault) => {
                warn!(exchange = message.exchange, "refused: {}", fault.message);
                Response::Fault(fault)
            }
        };
        // Answers are remembered, but for failures of the disk, which may work at the next try.
        let decided = !matches!(&response, Response::Fault(fault) if fault.code() == Code::Storage);
        let answer = encoded(message.exchange, response);
        self.last = decided.then(|| (payload.to_vec(), answer.clone()));
        answer
    }

    /// The answer to a damaged frame.
    pub fn damaged_frame(&self) -> Vec<u8> {
        let fault = fault(Code::DamagedFrame, "the last frame cannot be read; send it again");
        encoded(0, Response::Fault(fault))
    }

    /// Whether a payload was sent by a device: the line echoes. An answer would be echoed again, without end.
    pub fn is_echo(payload: &[u8]) -> bool {
        v1::DeviceMessage::decode(payload).is_ok_and(|message| message.from_device)
    }

    /// Whether the device takes no more factory commands.
    pub fn is_locked(&self) -> bool {
        self.state.record().factory == FactoryStep::Locked
    }

    fn response(&mut self, request: Option<Request>) -> Result<Response, v1::DeviceFault> {
        match request {
            Some(Request::Hello(hello)) => self.hello(&hello).map(Response::Hello),
            Some(Request::GenerateKey(request)) => self.generate_key(&request).map(Response::GenerateKey),
            Some(Request::Install(request)) => self.install(request).map(Response::Install),
            Some(Request::ReadBack(request)) => self.read_back(&request).map(Response::ReadBack),
            Some(Request::Lock(_)) => self.lock().map(Response::Lock),
            None => Err(unexpected("this device does not know the question")),
        }
    }

    fn hello(&mut self, hello: &v1::Hello) -> Result<v1::HelloResponse, v1::DeviceFault> {
        if hello.protocol_version != PROTOCOL_VERSION {
            return Err(unexpected("this device speaks version 1 of the factory link"));
        }
        let device = match self.state.record().device.clone() {
            Some(device) if !self.is_serial_withdrawn(&device, hello) => known(device, hello)?,
            _ => {
                let device = assigned(hello)?;
                self.state.update(|record| record.device = Some(device.clone()))?;
                info!(device.id = %device, "this unit is now {device}");
                device
            }
        };
        Ok(v1::HelloResponse {
            protocol_version: PROTOCOL_VERSION,
            device: Some(v1::DeviceId {
                product: device.product.to_string(),
                serial: device.serial.to_string(),
            }),
            firmware: concat!("touchmark-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
            key_types: vec![KEY_TYPE.to_owned()],
            step: self.step().into(),
            capabilities: vec![DEFERRAL.to_owned()],
            certificate_deferred: self.state.record().certificate_deferred,
        })
    }

    /// Whether the line takes back the serial number of this unit: the CA has it on record for another.
    fn is_serial_withdrawn(&self, device: &DeviceId, hello: &v1::Hello) -> bool {
        !self.identity_is_its_own
            && self.state.record().factory < FactoryStep::Installed
            && hello.product == device.product.as_str()
            && !hello.assigned_serial.is_empty()
            && hello.withdrawn_serials.iter().any(|serial| serial == device.serial.as_str())
    }

    fn generate_key(
        &mut self,
        request: &v1::GenerateKey,
    ) -> Result<v1::GenerateKeyResponse, v1::DeviceFault> {
        self.refuse_when_locked()?;
        self.device()?;
        if request.key_type != KEY_TYPE {
            return Err(unexpected("this device makes keys of type p256"));
        }
        let key = match self.state.record().factory {
            FactoryStep::Blank => {
                let key = self.state.open_or_make_key(CredentialLocation::Birth)?;
                self.state.update(|record| record.factory = FactoryStep::KeyReady)?;
                info!(key.fingerprint = %key.public_key().fingerprint(), "made a key");
                key
            }
            _ => self.state.view().key(CredentialLocation::Birth)?,
        };
        let csr = certificate_request(&*key)?;
        Ok(v1::GenerateKeyResponse { csr: csr.into() })
    }

    fn install(&mut self, request: v1::Install) -> Result<v1::InstallResponse, v1::DeviceFault> {
        let device = self.device()?;
        if self.is_locked() {
            return self.install_on_locked(request, &device);
        }
        if self.state.record().factory == FactoryStep::Blank {
            return Err(unexpected("there is no key yet: ask for one first"));
        }
        let installable = self.checked(request, &device)?;
        if installable.takes_a_certificate_away(self.state.record()) {
            return Err(fault(Code::Rejected, "this unit has its certificate: it is not deferred any more"));
        }
        installable.keep(&mut self.state)?;
        match self.state.record().certificate_deferred {
            true => info!(device.id = %device, "installed all but the birth certificate of {device}"),
            false => info!(device.id = %device, "installed the birth certificate of {device}"),
        }
        Ok(v1::InstallResponse {})
    }

    /// A locked unit takes the one certificate that is deferred. What it has already it is told again.
    fn install_on_locked(
        &mut self,
        request: v1::Install,
        device: &DeviceId,
    ) -> Result<v1::InstallResponse, v1::DeviceFault> {
        if self.state.record().is_born() {
            let kept = self.state.view().credential(CredentialLocation::Birth)?;
            let same = request.certificate == kept.leaf.der && request.chain == kept.chain;
            return if same { Ok(v1::InstallResponse {}) } else { Err(locked()) };
        }
        if request.certificate.is_empty() {
            let same = self.checked(request, device)?.is_installed(&self.state)?;
            return if same { Ok(v1::InstallResponse {}) } else { Err(locked()) };
        }
        let anchors = self.state.view().anchors(CredentialLocation::Birth)?;
        let key = self.state.view().key(CredentialLocation::Birth)?;
        let credential = install::check_deferred(request, anchors, device, key.public_key(), self.now())
            .map_err(rejected)?;
        self.state.keep_deferred_certificate(&credential)?;
        info!(device.id = %device, "installed the deferred birth certificate of {device}");
        Ok(v1::InstallResponse {})
    }

    fn checked(
        &self,
        request: v1::Install,
        device: &DeviceId,
    ) -> Result<install::CheckedInstall, v1::DeviceFault> {
        let key = self.state.view().key(CredentialLocation::Birth)?;
        install::check(request, device, key.public_key(), self.now()).map_err(rejected)
    }

    fn now(&self) -> SystemTime {
        self.state.record().time_floor.now(&*self.clock)
    }

    fn read_back(&mut self, request: &v1::ReadBack) -> Result<v1::ReadBackResponse, v1::DeviceFault> {
        self.refuse_unless_installed()?;
        if request.nonce.len() != NONCE_BYTES {
            return Err(unexpected("a nonce has 32 bytes"));
        }
        // From the disk: this is what the next start will find.
        let view = self.state.view();
        let (certificate, chain, anchors) = if self.state.record().certificate_deferred {
            (Vec::new(), Vec::new(), view.anchors(CredentialLocation::Birth)?)
        } else {
            let kept = view.credential(CredentialLocation::Birth)?;
            (kept.leaf.der, kept.chain, kept.anchors)
        };
        let key = view.key(CredentialLocation::Birth)?;
        let signature = key.sign(&[READ_BACK_CONTEXT, &request.nonce].concat())?;
        let mut digest = Context::new(&SHA256);
        for anchor in &anchors {
            digest.update(&u32::try_from(anchor.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(anchor);
        }
        Ok(v1::ReadBackResponse {
            certificate: certificate.into(),
            chain: chain.into_iter().map(Into::into).collect(),
            anchors_digest: digest.finish().as_ref().to_vec().into(),
            signature: signature.into(),
        })
    }

    fn lock(&mut self) -> Result<v1::LockResponse, v1::DeviceFault> {
        self.refuse_unless_installed()?;
        if !self.is_locked() {
            self.state.update(|record| record.factory = FactoryStep::Locked)?;
            info!("locked: no more factory commands");
        }
        Ok(v1::LockResponse {})
    }

    fn refuse_when_locked(&self) -> Result<(), v1::DeviceFault> {
        if self.is_locked() { Err(locked()) } else { Ok(()) }
    }

    fn refuse_unless_installed(&self) -> Result<(), v1::DeviceFault> {
        if self.state.record().factory < FactoryStep::Installed {
            return Err(unexpected("nothing is installed yet"));
        }
        Ok(())
    }

    fn device(&self) -> Result<DeviceId, v1::DeviceFault> {
        self.state.record().device.clone().ok_or_else(|| unexpected("say hello first"))
    }

    fn step(&self) -> v1::FactoryStep {
        match self.state.record().factory {
            FactoryStep::Blank => v1::FactoryStep::Blank,
            FactoryStep::KeyReady => v1::FactoryStep::KeyReady,
            FactoryStep::Installed => v1::FactoryStep::Installed,
            FactoryStep::Locked => v1::FactoryStep::Locked,
        }
    }
}

fn encoded(exchange: u32, response: Response) -> Vec<u8> {
    v1::DeviceMessage { exchange, response: Some(response), from_device: true }.encode_to_vec()
}

/// The device's identity; an error if the line takes it for another.
fn known(device: DeviceId, hello: &v1::Hello) -> Result<DeviceId, v1::DeviceFault> {
    let other_serial = !hello.assigned_serial.is_empty() && hello.assigned_serial != device.serial.as_str();
    if other_serial || hello.product != device.product.as_str() {
        return Err(fault(Code::WrongDevice, &format!("this unit is {device}")));
    }
    Ok(device)
}

/// The identity that the line gives to a unit without one.
fn assigned(hello: &v1::Hello) -> Result<DeviceId, v1::DeviceFault> {
    if hello.assigned_serial.is_empty() {
        let why = "this unit has no serial number, and the line gave it none";
        return Err(fault(Code::WrongDevice, why));
    }
    let wrong = |error: identity::DeviceIdError| fault(Code::WrongDevice, &error.to_string());
    Ok(DeviceId {
        product: hello.product.parse().map_err(wrong)?,
        serial: hello.assigned_serial.parse().map_err(wrong)?,
    })
}

fn fault(code: Code, message: &str) -> v1::DeviceFault {
    let message = message.chars().take(FAULT_CHARACTERS_MAX).collect();
    v1::DeviceFault { code: code.into(), message }
}

fn locked() -> v1::DeviceFault {
    fault(Code::Locked, "this unit has left the factory")
}

fn rejected(why: install::Rejected) -> v1::DeviceFault {
    fault(Code::Rejected, &error_chain(&why))
}

fn unexpected(message: &str) -> v1::DeviceFault {
    fault(Code::Unexpected, message)
}

impl From<StateError> for v1::DeviceFault {
    fn from(error: StateError) -> Self {
        fault(Code::Storage, &error_chain(&error))
    }
}

impl From<KeyError> for v1::DeviceFault {
    fn from(error: KeyError) -> Self {
        fault(Code::Storage, &error.to_string())
    }
}

use v1::DeviceFaultCode as Code;

/// Of the factory link.
const PROTOCOL_VERSION: u32 = 1;

/// The one kind of key that this device makes.
const KEY_TYPE: &str = "p256";

/// It takes an installation without a certificate.
const DEFERRAL: &str = "deferral";

/// Fresh randomness of the station in a read-back.
const NONCE_BYTES: usize = 32;

/// What a read-back signature covers before the nonce, so that it can be nothing else.
const READ_BACK_CONTEXT: &[u8] = b"touchmark read-back v1\0";

/// The longest `DeviceFault.message`.
const FAULT_CHARACTERS_MAX: usize = 256;
