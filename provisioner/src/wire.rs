//! Conversion between the session's messages and protobuf.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, SerialNumber};
use prost::Message;
use prost::bytes::Bytes;
use proto::v1;

use crate::session::{
    BirthCertificate, DeviceRequest, DeviceResponse, FactoryStep, FaultCode, Greeting, PROTOCOL_VERSION,
    ProvisioningBundle, ReadBack, SerialStatus, Taken,
};
use crate::stock::{Reservation, ReserveRequest};

pub(crate) fn encode_request(exchange: u32, request: &DeviceRequest) -> Vec<u8> {
    use v1::station_message::Request;
    let request = match request {
        DeviceRequest::Hello { serial, product } => Request::Hello(v1::Hello {
            protocol_version: PROTOCOL_VERSION,
            assigned_serial: serial.as_ref().map(ToString::to_string).unwrap_or_default(),
            product: product.to_string(),
            withdrawn_serials: Vec::new(),
        }),
        DeviceRequest::GenerateKey => {
            Request::GenerateKey(v1::GenerateKey { key_type: crate::session::KEY_TYPE.to_owned() })
        }
        DeviceRequest::Install { certificate, bundle } => Request::Install(v1::Install {
            certificate: certificate.as_deref().map(Bytes::copy_from_slice).unwrap_or_default(),
            chain: if certificate.is_some() { bytes(&bundle.chain) } else { Vec::new() },
            trust_bundle: Some(v1::TrustBundle {
                version: bundle.anchors_version,
                anchors: bytes(&bundle.anchors),
            }),
            enrollment_url: bundle.enrollment_url.clone(),
        }),
        DeviceRequest::ReadBack { nonce } => {
            Request::ReadBack(v1::ReadBack { nonce: Bytes::copy_from_slice(nonce) })
        }
        DeviceRequest::Lock => Request::Lock(v1::Lock {}),
    };
    v1::StationMessage { exchange, request: Some(request), from_station: true }.encode_to_vec()
}

/// Whether a message is from a station. The line has one station, so it is an echo.
pub(crate) fn is_echo(message: &[u8]) -> bool {
    v1::StationMessage::decode(message).is_ok_and(|message| message.from_station)
}

/// Whether the bytes are a message that a device can send.
pub fn is_device_message(message: &[u8]) -> bool {
    decode_response(message).is_ok()
}

/// Decodes the exchange number and the answer of a message. The frame was whole, so an error is not damage.
pub(crate) fn decode_response(message: &[u8]) -> Result<(u32, DeviceResponse), NotTheProtocol> {
    let unreadable =
        |_| NotTheProtocol { exchange: None, what: "it sent a message that cannot be read".into() };
    let message = v1::DeviceMessage::decode(message).map_err(unreadable)?;
    let refused = |what| NotTheProtocol { exchange: Some(message.exchange), what };
    let response = message.response.ok_or_else(|| refused("its answer is empty".to_owned()))?;
    Ok((message.exchange, device_response(response).map_err(refused)?))
}

/// A whole frame with content that is not in the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTheProtocol {
    /// `None` when the exchange number cannot be read.
    pub(crate) exchange: Option<u32>,
    pub(crate) what: String,
}

fn device_response(response: v1::device_message::Response) -> Result<DeviceResponse, String> {
    use v1::device_message::Response;
    let response = match response {
        Response::Hello(hello) => DeviceResponse::Hello(Greeting {
            protocol_version: hello.protocol_version,
            step: step(hello.step)
                .ok_or_else(|| format!("its hello is at step {}, and the steps are 1 to 4", hello.step))?,
            device: hello.device.as_ref().and_then(device),
            firmware: for_people(&hello.firmware, FIRMWARE_CHARACTERS_MAX),
            key_types: hello.key_types,
            certificate_deferred: hello.certificate_deferred,
            takes_deferral: hello.capabilities.iter().any(|capability| capability == DEFERRAL),
        }),
        Response::GenerateKey(key) => DeviceResponse::Csr(key.csr.to_vec()),
        Response::Install(v1::InstallResponse {}) => DeviceResponse::Installed,
        Response::ReadBack(read_back) => DeviceResponse::ReadBack(ReadBack {
            certificate: read_back.certificate.to_vec(),
            chain: vectors(&read_back.chain),
            anchors_digest: read_back.anchors_digest.to_vec(),
            signature: read_back.signature.to_vec(),
        }),
        Response::Lock(v1::LockResponse {}) => DeviceResponse::Locked,
        Response::Fault(fault) => DeviceResponse::Fault {
            code: fault_code(fault.code()),
            message: for_people(&fault.message, FAULT_CHARACTERS_MAX),
        },
    };
    Ok(response)
}

/// The CA's record of a serial number. An unknown state counts as free: the CA decides when it issues.
pub(crate) fn serial_status(unit: &v1::Unit) -> SerialStatus {
    let whose = match (unit.other_order, unit.other_station) {
        (true, _) => Taken::OtherOrder,
        (_, true) => Taken::OtherStation,
        _ => Taken::ThisStation,
    };
    match unit.state() {
        _ if unit.revoked && whose != Taken::OtherOrder => SerialStatus::Taken(Taken::Revoked, true),
        v1::UnitState::Unspecified | v1::UnitState::Free => SerialStatus::Free,
        v1::UnitState::Rework => SerialStatus::Rework,
        v1::UnitState::Issued => SerialStatus::Taken(whose, false),
        v1::UnitState::Confirmed => SerialStatus::Taken(whose, true),
        v1::UnitState::Reserved if whose == Taken::ThisStation => SerialStatus::Free,
        v1::UnitState::Reserved => SerialStatus::Taken(whose, true),
        v1::UnitState::Withdrawn => SerialStatus::Taken(Taken::Withdrawn, true),
        v1::UnitState::GivenUp => SerialStatus::Taken(Taken::GivenUp, true),
        v1::UnitState::Gone if whose == Taken::OtherOrder => SerialStatus::Taken(whose, true),
        v1::UnitState::Gone => SerialStatus::Taken(Taken::Gone, true),
    }
}

/// A time of the CA; before 1970 it is 1970.
pub(crate) fn time(timestamp: &prost_types::Timestamp) -> SystemTime {
    let seconds = u64::try_from(timestamp.seconds).unwrap_or_default();
    let nanos = u32::try_from(timestamp.nanos).unwrap_or_default().min(NANOS_MAX);
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)).unwrap_or(UNIX_EPOCH)
}

/// A reservation with its serial numbers; `None` when it has no id, or a serial number is none.
pub(crate) fn reservation(answer: &v1::ReserveUnitsResponse) -> Option<Reservation> {
    let reservation = answer.reservation.as_ref().filter(|reservation| !reservation.id.is_empty())?;
    Some(Reservation {
        id: reservation.id.clone(),
        serials: answer.serials.iter().map(|serial| serial.parse().ok()).collect::<Option<_>>()?,
        ends_at: time(reservation.ends_at.as_ref()?),
    })
}

pub(crate) fn reserve_request(work_order: &str, request: &ReserveRequest) -> v1::ReserveUnitsRequest {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    v1::ReserveUnitsRequest {
        request_id: Bytes::copy_from_slice(request.request_id.as_bytes()),
        work_order: work_order.to_owned(),
        count: request.count,
        serials: request.serials.iter().map(ToString::to_string).collect(),
        duration: request
            .duration
            .map(|duration| prost_types::Duration { seconds: seconds(duration), nanos: 0 }),
    }
}

/// The serial number of a unit's last birth certificate; `None` when it has none.
pub(crate) fn birth_serial_number(unit: &v1::Unit) -> Option<SerialNumber> {
    SerialNumber::try_from(unit.birth_certificate.as_ref()).ok()
}

pub(crate) fn device_message(device: &DeviceId) -> v1::DeviceId {
    v1::DeviceId { product: device.product.to_string(), serial: device.serial.to_string() }
}

pub(crate) fn bundle(response: &v1::GetWorkOrderResponse) -> ProvisioningBundle {
    let bundle = response.trust_bundle.clone().unwrap_or_default();
    ProvisioningBundle {
        chain: vectors(&response.chain),
        anchors_version: bundle.version,
        anchors: vectors(&bundle.anchors),
        enrollment_url: response.enrollment_url.clone(),
    }
}

/// The issued certificate; `None` when the answer has none, or one with an invalid serial number.
pub(crate) fn birth_certificate(issued: Option<v1::IssuedCertificate>) -> Option<BirthCertificate> {
    let issued = issued?;
    Some(BirthCertificate {
        serial_number: SerialNumber::try_from(issued.serial_number.as_ref()).ok()?,
        der: issued.certificate.to_vec(),
        ledger_entry: issued.ledger_entry,
    })
}

/// A received text without characters that a terminal obeys or that change how others are read, shortened.
pub(crate) fn for_people(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).map(|c| if is_shown(c) { c } else { ' ' }).collect()
}

/// Neither a control character nor one that is invisible or turns the direction of a text (Unicode UAX #9).
fn is_shown(c: char) -> bool {
    let is_format =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !is_format
}

fn device(device: &v1::DeviceId) -> Option<DeviceId> {
    Some(DeviceId { product: device.product.parse().ok()?, serial: device.serial.parse().ok()? })
}

fn step(step: i32) -> Option<FactoryStep> {
    match v1::FactoryStep::try_from(step).ok()? {
        v1::FactoryStep::Unspecified => None,
        v1::FactoryStep::Blank => Some(FactoryStep::Blank),
        v1::FactoryStep::KeyReady => Some(FactoryStep::KeyReady),
        v1::FactoryStep::Installed => Some(FactoryStep::Installed),
        v1::FactoryStep::Locked => Some(FactoryStep::Locked),
    }
}

fn fault_code(code: v1::DeviceFaultCode) -> FaultCode {
    match code {
        v1::DeviceFaultCode::DamagedFrame => FaultCode::DamagedFrame,
        v1::DeviceFaultCode::Locked => FaultCode::Locked,
        v1::DeviceFaultCode::WrongDevice => FaultCode::WrongDevice,
        v1::DeviceFaultCode::Unexpected => FaultCode::Other("UNEXPECTED"),
        v1::DeviceFaultCode::Rejected => FaultCode::Other("REJECTED"),
        v1::DeviceFaultCode::Storage => FaultCode::Other("STORAGE"),
        v1::DeviceFaultCode::Unspecified => FaultCode::Other("UNKNOWN"),
    }
}

fn bytes(list: &[Vec<u8>]) -> Vec<Bytes> {
    list.iter().map(|item| Bytes::copy_from_slice(item)).collect()
}

fn vectors(list: &[Bytes]) -> Vec<Vec<u8>> {
    list.iter().map(|item| item.to_vec()).collect()
}

/// `HelloResponse.capabilities` in factory_link.proto: it takes an Install without a certificate.
const DEFERRAL: &str = "deferral";

/// `HelloResponse.firmware` in factory_link.proto.
const FIRMWARE_CHARACTERS_MAX: usize = 64;

const NANOS_MAX: u32 = 999_999_999;

/// `DeviceFault.message` in factory_link.proto.
const FAULT_CHARACTERS_MAX: usize = 256;
