//! The session's words to protobuf and back. The one door between the two.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, SerialNumber};
use prost::Message;
use prost::bytes::Bytes;
use proto::v1;

use crate::session::{
    Answer, BirthCertificate, FactoryStep, FaultCode, Greeting, Kit, PROTOCOL_VERSION, Question, ReadBack,
    Standing, Taken,
};

/// The message of a question.
pub(crate) fn encode_question(exchange: u32, question: &Question) -> Vec<u8> {
    use v1::station_message::Request;
    let request = match question {
        Question::Hello { serial, product, withdrawn } => Request::Hello(v1::Hello {
            protocol_version: PROTOCOL_VERSION,
            assigned_serial: serial.as_ref().map(ToString::to_string).unwrap_or_default(),
            product: product.to_string(),
            withdrawn_serials: withdrawn.iter().map(ToString::to_string).collect(),
        }),
        Question::GenerateKey => {
            Request::GenerateKey(v1::GenerateKey { key_type: crate::session::KEY_TYPE.to_owned() })
        }
        Question::Install { certificate, kit } => Request::Install(v1::Install {
            certificate: Bytes::copy_from_slice(certificate),
            chain: bytes(&kit.chain),
            trust_bundle: Some(v1::TrustBundle {
                version: kit.anchors_version,
                anchors: bytes(&kit.anchors),
            }),
            enrollment_url: kit.enrollment_url.clone(),
        }),
        Question::ReadBack { nonce } => {
            Request::ReadBack(v1::ReadBack { nonce: Bytes::copy_from_slice(nonce) })
        }
        Question::Lock => Request::Lock(v1::Lock {}),
    };
    v1::StationMessage { exchange, request: Some(request), from_station: true }.encode_to_vec()
}

/// Whether a message is one of a station: this one's, for there is no other on the line.
pub(crate) fn is_echo(message: &[u8]) -> bool {
    v1::StationMessage::decode(message).is_ok_and(|message| message.from_station)
}

/// Whether the bytes are a message that a device can send.
pub fn is_device_message(message: &[u8]) -> bool {
    decode_answer(message).is_ok()
}

/// The exchange number and the answer of a message.
///
/// # Errors
/// When it is none of the protocol. The frame was whole: the device meant it so.
pub(crate) fn decode_answer(message: &[u8]) -> Result<(u32, Answer), NotTheProtocol> {
    let unreadable =
        |_| NotTheProtocol { exchange: None, what: "it sent a message that cannot be read".into() };
    let message = v1::DeviceMessage::decode(message).map_err(unreadable)?;
    let refused = |what| NotTheProtocol { exchange: Some(message.exchange), what };
    let response = message.response.ok_or_else(|| refused("its answer is empty".to_owned()))?;
    Ok((message.exchange, answer(response).map_err(refused)?))
}

/// A whole frame with content that is not in the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTheProtocol {
    /// The exchange number it bears; `None` when not even that can be read.
    pub(crate) exchange: Option<u32>,
    /// What it holds.
    pub(crate) what: String,
}

fn answer(response: v1::device_message::Response) -> Result<Answer, String> {
    use v1::device_message::Response;
    let answer = match response {
        Response::Hello(hello) => Answer::Hello(Greeting {
            protocol_version: hello.protocol_version,
            step: step(hello.step)
                .ok_or_else(|| format!("its hello is at step {}, and the steps are 1 to 4", hello.step))?,
            device: hello.device.as_ref().and_then(device),
            firmware: for_people(&hello.firmware, FIRMWARE_CHARACTERS_MAX),
            key_types: hello.key_types,
        }),
        Response::GenerateKey(key) => Answer::Csr(key.csr.to_vec()),
        Response::Install(v1::InstallResponse {}) => Answer::Installed,
        Response::ReadBack(read_back) => Answer::ReadBack(ReadBack {
            certificate: read_back.certificate.to_vec(),
            chain: vectors(&read_back.chain),
            anchors_digest: read_back.anchors_digest.to_vec(),
            signature: read_back.signature.to_vec(),
        }),
        Response::Lock(v1::LockResponse {}) => Answer::Locked,
        Response::Fault(fault) => Answer::Fault {
            code: fault_code(fault.code()),
            message: for_people(&fault.message, FAULT_CHARACTERS_MAX),
        },
    };
    Ok(answer)
}

/// What the CA says of a serial number; of what it does not say in words that are known here, that it is free: issuing will tell.
pub(crate) fn standing(unit: &v1::Unit) -> Standing {
    let whose = match (unit.other_order, unit.other_station) {
        (true, _) => Taken::OtherOrder,
        (_, true) => Taken::OtherStation,
        _ => Taken::ThisStation,
    };
    match unit.state() {
        _ if unit.revoked && whose != Taken::OtherOrder => Standing::Taken(Taken::Revoked, true),
        v1::UnitState::Unspecified | v1::UnitState::Free => Standing::Free,
        v1::UnitState::Rework => Standing::Rework,
        v1::UnitState::Issued => Standing::Taken(whose, false),
        v1::UnitState::Confirmed => Standing::Taken(whose, true),
        v1::UnitState::Gone if whose == Taken::OtherOrder => Standing::Taken(whose, true),
        v1::UnitState::Gone => Standing::Taken(Taken::Gone, true),
    }
}

/// A time of the CA's; before 1970 it is 1970.
pub(crate) fn time(timestamp: &prost_types::Timestamp) -> SystemTime {
    let seconds = u64::try_from(timestamp.seconds).unwrap_or_default();
    let nanos = u32::try_from(timestamp.nanos).unwrap_or_default().min(NANOS_MAX);
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)).unwrap_or(UNIX_EPOCH)
}

/// Of the last birth certificate of a unit; `None` when it has none.
pub(crate) fn birth_serial_number(unit: &v1::Unit) -> Option<SerialNumber> {
    SerialNumber::try_from(unit.birth_certificate.as_ref()).ok()
}

/// A device for the CA.
pub(crate) fn device_message(device: &DeviceId) -> v1::DeviceId {
    v1::DeviceId { product: device.product.to_string(), serial: device.serial.to_string() }
}

/// What every unit of an order is given.
pub(crate) fn kit(answer: &v1::GetWorkOrderResponse) -> Kit {
    let bundle = answer.trust_bundle.clone().unwrap_or_default();
    Kit {
        chain: vectors(&answer.chain),
        anchors_version: bundle.version,
        anchors: vectors(&bundle.anchors),
        enrollment_url: answer.enrollment_url.clone(),
    }
}

/// The CA's certificate; `None` when the answer has none, or one with a serial number that is not ours.
pub(crate) fn birth_certificate(issued: Option<v1::IssuedCertificate>) -> Option<BirthCertificate> {
    let issued = issued?;
    Some(BirthCertificate {
        serial_number: SerialNumber::try_from(issued.serial_number.as_ref()).ok()?,
        der: issued.certificate.to_vec(),
        ledger_entry: issued.ledger_entry,
    })
}

/// A stranger's text without control characters, cut.
pub(crate) fn for_people(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).map(|c| if c.is_control() { ' ' } else { c }).collect()
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
        v1::DeviceFaultCode::Unspecified => FaultCode::Unknown,
        v1::DeviceFaultCode::DamagedFrame => FaultCode::DamagedFrame,
        v1::DeviceFaultCode::Locked => FaultCode::Locked,
        v1::DeviceFaultCode::Unexpected => FaultCode::Unexpected,
        v1::DeviceFaultCode::Rejected => FaultCode::Rejected,
        v1::DeviceFaultCode::Storage => FaultCode::Storage,
        v1::DeviceFaultCode::WrongDevice => FaultCode::WrongDevice,
    }
}

fn bytes(list: &[Vec<u8>]) -> Vec<Bytes> {
    list.iter().map(|item| Bytes::copy_from_slice(item)).collect()
}

fn vectors(list: &[Bytes]) -> Vec<Vec<u8>> {
    list.iter().map(|item| item.to_vec()).collect()
}

/// `HelloResponse.firmware` in factory_link.proto.
const FIRMWARE_CHARACTERS_MAX: usize = 64;

/// Of a second.
const NANOS_MAX: u32 = 999_999_999;

/// `DeviceFault.message` in factory_link.proto.
const FAULT_CHARACTERS_MAX: usize = 256;
