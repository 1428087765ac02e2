//! Devices.

use std::time::SystemTime;

use authority::Refused;
use identity::DeviceId;
use ledger::{DeviceFacts, DeviceState};
use proto::v1;
use store::DeviceFilter;

use super::bad;
use super::certificate::serial_number_bytes;
use super::time::{time, timestamp};
use super::work_order::work_order_id;

pub(in crate::grpc) fn device_id(device: Option<v1::DeviceId>) -> Result<DeviceId, Refused> {
    let device = device.ok_or_else(|| bad("device", "is missing"))?;
    Ok(DeviceId {
        product: device.product.parse().map_err(|error| bad("device.product", error))?,
        serial: device.serial.parse().map_err(|error| bad("device.serial", error))?,
    })
}

pub(in crate::grpc) fn device_filter(message: &v1::ListDevicesRequest) -> Result<DeviceFilter, Refused> {
    let product = Some(message.product.as_str()).filter(|text| !text.is_empty());
    let work_order = Some(message.work_order.as_str()).filter(|text| !text.is_empty());
    let text = Some(message.text.as_str()).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > SEARCHED_BYTES_MAX) {
        return Err(bad("text", format_args!("has at most {SEARCHED_BYTES_MAX} bytes")));
    }
    let state = match v1::DeviceState::try_from(message.state) {
        Ok(v1::DeviceState::Unspecified) => None,
        Ok(v1::DeviceState::Issued) => Some(DeviceState::Issued),
        Ok(v1::DeviceState::Provisioned) => Some(DeviceState::Provisioned),
        Ok(v1::DeviceState::Enrolled) => Some(DeviceState::Enrolled),
        Ok(v1::DeviceState::Scrapped) => Some(DeviceState::Scrapped),
        Ok(v1::DeviceState::Held) => Some(DeviceState::Held),
        Ok(v1::DeviceState::Retired) => Some(DeviceState::Retired),
        Ok(v1::DeviceState::Revoked) => Some(DeviceState::Revoked),
        Err(_) => return Err(bad("state", "is unknown")),
    };
    Ok(DeviceFilter {
        product: product.map(|text| text.parse().map_err(|error| bad("product", error))).transpose()?,
        work_order: work_order.map(|text| work_order_id("work_order", text)).transpose()?,
        state,
        text: text.map(str::to_owned),
    })
}

/// Lists only devices that were not seen since; `None`: all.
pub(in crate::grpc) fn silent_since(message: &v1::ListDevicesRequest) -> Result<Option<SystemTime>, Refused> {
    let Some(since) = message.not_seen_since else { return Ok(None) };
    let filtered = !message.product.is_empty()
        || !message.work_order.is_empty()
        || !message.text.is_empty()
        || message.state != 0;
    if filtered {
        return Err(bad("not_seen_since", "is not for use together with other filters"));
    }
    time("not_seen_since", since).map(Some)
}

pub(in crate::grpc) fn device(record: &DeviceFacts) -> v1::Device {
    let state = match record.state() {
        DeviceState::Issued => v1::DeviceState::Issued,
        DeviceState::Provisioned => v1::DeviceState::Provisioned,
        DeviceState::Enrolled => v1::DeviceState::Enrolled,
        DeviceState::Scrapped => v1::DeviceState::Scrapped,
        DeviceState::Held => v1::DeviceState::Held,
        DeviceState::Retired => v1::DeviceState::Retired,
        DeviceState::Revoked => v1::DeviceState::Revoked,
    };
    v1::Device {
        id: Some(device_message(&record.id)),
        state: state.into(),
        work_order: record.work_order.to_string(),
        station: record.station.as_ref().map(ToString::to_string).unwrap_or_default(),
        born_at: Some(timestamp(record.born_at)),
        birth_serial_number: serial_number_bytes(record.birth),
        operational_serial_number: record.operational.map(serial_number_bytes).unwrap_or_default(),
        last_seen_at: Some(timestamp(record.seen_at)),
        rework_allowed: record.flags.rework,
        held: record.flags.held,
    }
}

pub(in crate::grpc) fn device_message(device: &DeviceId) -> v1::DeviceId {
    v1::DeviceId { product: device.product.to_string(), serial: device.serial.to_string() }
}

/// The longest text to search for; a `product/serial` is shorter.
const SEARCHED_BYTES_MAX: usize = 128;
