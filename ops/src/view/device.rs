//! A device as it is printed.

use proto::v1 as wire;
use serde::Serialize;

use super::{device_name, serial_text, word};
use crate::timestamp;

#[derive(Debug, Serialize)]
pub(crate) struct DeviceView {
    pub(crate) device: String,
    pub(crate) state: String,
    pub(crate) work_order: String,
    pub(crate) station: String,
    pub(crate) born_at: Option<String>,
    pub(crate) last_seen_at: Option<String>,
    pub(crate) rework_allowed: bool,
    pub(crate) held: bool,
    pub(crate) birth_serial_number: Option<String>,
    pub(crate) operational_serial_number: Option<String>,
}

impl From<wire::Device> for DeviceView {
    fn from(device: wire::Device) -> Self {
        Self {
            state: word(device.state().as_str_name(), "DEVICE_STATE_"),
            device: device.id.as_ref().map(device_name).unwrap_or_default(),
            work_order: device.work_order,
            station: device.station,
            born_at: timestamp::text(device.born_at.as_ref()),
            last_seen_at: timestamp::text(device.last_seen_at.as_ref()),
            rework_allowed: device.rework_allowed,
            held: device.held,
            birth_serial_number: serial_text(&device.birth_serial_number),
            operational_serial_number: serial_text(&device.operational_serial_number),
        }
    }
}

impl DeviceView {
    pub(crate) fn state_text(&self) -> &'static str {
        match self.state.as_str() {
            "issued" => "issued: it has a birth certificate; the station has not confirmed that it arrived",
            "provisioned" => {
                "provisioned: the station read its birth certificate back; no operational certificate is in use"
            }
            "enrolled" => "enrolled: it has an operational certificate in use",
            "revoked" if self.rework_allowed && self.held => {
                "revoked, and on hold: its certificates are revoked for ever; a rework is allowed, and when it is released the next birth certificate brings it back"
            }
            "revoked" if self.rework_allowed => {
                "revoked: its certificates are revoked for ever; a rework is allowed, and the next birth certificate brings it back"
            }
            "revoked" => {
                "revoked: its certificates are revoked for ever; it can neither call nor enrol, and no release brings it back"
            }
            "held" => "held: none of its certificates is good until it is released, and it gets no others",
            "retired" => "retired: its life has ended; its serial number and its keys are never used again",
            "scrapped" => "scrapped: it failed in the factory; its serial number is never used again",
            _ => "unknown to this program",
        }
    }
}
