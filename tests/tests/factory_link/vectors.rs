//! The vectors in tests/vectors/link, which were not made by this code (`make.py`).

use link::{Decoder, encode};
use prost::Message;
use proto::v1;
use proto::v1::{device_message, station_message};
use serde_json::{Value, json};

#[test]
fn payloads_are_framed_as_in_the_vectors() {
    for vector in rows(&read("frames.json")["frames"]) {
        let payload = bytes(&vector["payload"]);
        assert_eq!(hex::encode(encode(&payload).unwrap()), vector["frame"], "{vector}");
    }
}

#[test]
fn frames_are_found_in_damaged_streams_as_in_the_vectors() {
    for vector in rows(&read("frames.json")["streams"]) {
        let stream = bytes(&vector["bytes"]);
        let wanted: Vec<Option<String>> =
            rows(&vector["found"]).iter().map(|found| found.as_str().map(str::to_owned)).collect();
        for piece in [1, 3, stream.len().max(1)] {
            let mut decoder = Decoder::new();
            let pieces = stream.chunks(piece).flat_map(|piece| decoder.push(piece).collect::<Vec<_>>());
            let found: Vec<Option<String>> = pieces.map(|frame| frame.ok().map(hex::encode)).collect();
            assert_eq!(found, wanted, "{vector} in pieces of {piece} bytes");
        }
    }
}

#[test]
fn messages_of_the_station_have_the_bytes_of_the_vectors() {
    for vector in rows(&read("messages.json")["station"]) {
        let message = v1::StationMessage::decode(bytes(&vector["bytes"]).as_slice()).unwrap();
        assert_eq!(hex::encode(message.encode_to_vec()), vector["bytes"], "{vector}");
        let mut fields =
            json!({ "name": vector["name"], "bytes": vector["bytes"], "exchange": message.exchange });
        let (name, request) = match message.request.unwrap() {
            station_message::Request::Hello(hello) => ("hello", hello_fields(&hello)),
            station_message::Request::GenerateKey(it) => ("generate_key", json!({ "key_type": it.key_type })),
            station_message::Request::Install(install) => ("install", install_fields(&install)),
            station_message::Request::ReadBack(it) => {
                ("read_back", json!({ "nonce": hex::encode(&it.nonce) }))
            }
            station_message::Request::Lock(v1::Lock {}) => ("lock", json!({})),
        };
        fields[name] = request;
        assert!(message.from_station, "{vector}");
        assert_eq!(&fields, vector);
    }
}

#[test]
fn messages_of_the_device_have_the_bytes_of_the_vectors() {
    for vector in rows(&read("messages.json")["device"]) {
        let message = v1::DeviceMessage::decode(bytes(&vector["bytes"]).as_slice()).unwrap();
        assert_eq!(hex::encode(message.encode_to_vec()), vector["bytes"], "{vector}");
        let mut fields =
            json!({ "name": vector["name"], "bytes": vector["bytes"], "exchange": message.exchange });
        let (name, response) = match message.response.unwrap() {
            device_message::Response::Hello(hello) => ("hello", hello_response_fields(&hello)),
            device_message::Response::GenerateKey(it) => {
                ("generate_key", json!({ "csr": hex::encode(&it.csr) }))
            }
            device_message::Response::Install(v1::InstallResponse {}) => ("install", json!({})),
            device_message::Response::ReadBack(read_back) => ("read_back", read_back_fields(&read_back)),
            device_message::Response::Lock(v1::LockResponse {}) => ("lock", json!({})),
            device_message::Response::Fault(it) => {
                ("fault", json!({ "code": it.code, "message": it.message }))
            }
        };
        fields[name] = response;
        assert!(message.from_device, "{vector}");
        assert_eq!(&fields, vector);
    }
}

#[test]
fn digests_and_signed_messages_are_those_of_the_vectors() {
    let proof = read("proof.json");
    for vector in rows(&proof["anchors_digests"]) {
        let anchors: Vec<Vec<u8>> = rows(&vector["anchors"]).iter().map(bytes).collect();
        assert_eq!(hex::encode(provisioner::anchors_digest(&anchors)), vector["digest"], "{vector}");
    }
    let read_back = &proof["read_back"];
    let nonce: [u8; 32] = bytes(&read_back["nonce"]).try_into().unwrap();
    assert_eq!(hex::encode(provisioner::read_back_message(&nonce)), read_back["signed_message"]);
}

fn hello_fields(hello: &v1::Hello) -> Value {
    let mut fields = json!({ "protocol_version": hello.protocol_version, "product": hello.product });
    if !hello.assigned_serial.is_empty() {
        fields["assigned_serial"] = hello.assigned_serial.clone().into();
    }
    if !hello.withdrawn_serials.is_empty() {
        fields["withdrawn_serials"] = hello.withdrawn_serials.clone().into();
    }
    fields
}

fn install_fields(install: &v1::Install) -> Value {
    let bundle = install.trust_bundle.clone().unwrap();
    json!({
        "certificate": hex::encode(&install.certificate),
        "chain": all(&install.chain),
        "trust_bundle": { "version": bundle.version, "anchors": all(&bundle.anchors) },
        "enrollment_url": install.enrollment_url,
    })
}

fn hello_response_fields(hello: &v1::HelloResponse) -> Value {
    let device = hello.device.clone().unwrap();
    let mut fields = json!({
        "protocol_version": hello.protocol_version,
        "device": { "product": device.product, "serial": device.serial },
        "firmware": hello.firmware,
        "key_types": hello.key_types,
        "step": hello.step,
    });
    if !hello.capabilities.is_empty() {
        fields["capabilities"] = hello.capabilities.clone().into();
    }
    if hello.certificate_deferred {
        fields["certificate_deferred"] = true.into();
    }
    fields
}

fn read_back_fields(read_back: &v1::ReadBackResponse) -> Value {
    json!({
        "certificate": hex::encode(&read_back.certificate),
        "chain": all(&read_back.chain),
        "anchors_digest": hex::encode(&read_back.anchors_digest),
        "signature": hex::encode(&read_back.signature),
    })
}

fn all(items: &[prost::bytes::Bytes]) -> Vec<String> {
    items.iter().map(hex::encode).collect()
}

fn read(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/link").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows(list: &Value) -> &[Value] {
    list.as_array().unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    hex::decode(text.as_str().unwrap()).unwrap()
}
