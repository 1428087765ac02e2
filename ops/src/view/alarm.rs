//! An alarm as it is printed.

use proto::v1 as wire;
use serde::Serialize;

use super::{device_name, serial_text};
use crate::timestamp;

#[derive(Debug, Serialize)]
pub(crate) struct AlarmView {
    pub(crate) kind: &'static str,
    pub(crate) at: Option<String>,
    pub(crate) device: String,
    pub(crate) other: String,
    /// The certificate that was renewed again (fork), or that has the same key, serial number or prime.
    pub(crate) serial_number: Option<String>,
    pub(crate) child_serial_number: Option<String>,
    pub(crate) held: bool,
    /// Whether it paused the product of the device.
    pub(crate) product_paused: bool,
    pub(crate) reported_by: String,
    pub(crate) ledger_entry: u64,
}

impl From<wire::Alarm> for AlarmView {
    fn from(alarm: wire::Alarm) -> Self {
        let kind = match (alarm.kind(), alarm.clash()) {
            (wire::AlarmKind::Fork, _) => "fork",
            (wire::AlarmKind::Duplicate, wire::Clash::Key) => "same key",
            (wire::AlarmKind::Duplicate, wire::Clash::Serial) => "same serial number",
            (wire::AlarmKind::Duplicate, wire::Clash::Prime) => "shared prime",
            (wire::AlarmKind::Duplicate, wire::Clash::Nonce) => "same random number",
            (wire::AlarmKind::Duplicate, wire::Clash::KeyStart) => "same start of key",
            (wire::AlarmKind::Duplicate, wire::Clash::KeyEnd) => "same end of key",
            _ => "unknown",
        };
        Self {
            kind,
            at: timestamp::text(alarm.at.as_ref()),
            device: alarm.device.as_ref().map(device_name).unwrap_or_default(),
            other: alarm.other,
            serial_number: serial_text(&alarm.serial_number),
            child_serial_number: serial_text(&alarm.child_serial_number),
            held: alarm.held,
            product_paused: alarm.product_paused,
            reported_by: alarm.reported_by,
            ledger_entry: alarm.ledger_entry,
        }
    }
}

impl AlarmView {
    /// What two devices have in common, in a sentence.
    pub(crate) fn finding(&self) -> &'static str {
        match self.kind {
            "same key" => "two units have one key: a generator repeats itself, or a memory image was copied",
            "same random number" => {
                "two units signed their requests with the same random number: whoever has one can compute the private key of the other"
            }
            "same start of key" | "same end of key" => {
                "the keys of two units have the same 64 bits at one end: a generator repeats itself"
            }
            "shared prime" => {
                "the RSA keys of two units share a prime: everybody can compute both private keys"
            }
            _ => self.kind,
        }
    }

    /// The other device as it is written, or another holder.
    pub(crate) fn other_unit(&self) -> &str {
        self.other.strip_prefix("device:").unwrap_or(&self.other)
    }
}
