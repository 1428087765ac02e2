//! The journal's lines on disk, and their conversion to records.

use std::collections::BTreeMap;

use identity::{DeviceId, RequestId, SerialNumber};
use serde::{Deserialize, Serialize};

use super::UnitEnd;
use crate::session::{BirthCertificate, Step};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Run(RunStart),
    /// A unit is about to be begun.
    Begun {
        device: DeviceId,
        /// Further columns of the line's list.
        columns: BTreeMap<String, String>,
    },
    /// A step of a unit is about to take effect.
    Step {
        device: DeviceId,
        step: Step,
    },
    Ended {
        device: DeviceId,
        end: UnitEnd,
    },
    /// The CA has recorded a unit as scrapped.
    Scrapped {
        device: DeviceId,
        reason: String,
    },
}

/// How a run was started, for `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RunStart {
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// How devices were reached; empty where people inserted the units, which `resume` cannot find.
    pub(crate) link: String,
    pub(crate) slots: usize,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Header {
    pub(super) touchmark_station_journal: u32,
    pub(super) work_order: String,
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum Line {
    Run {
        at_ms: u64,
        link: String,
        slots: usize,
    },
    Begun {
        device: String,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        columns: BTreeMap<String, String>,
    },
    Asked {
        device: String,
        request_id: String,
        csr: String,
    },
    Issued {
        device: String,
        serial_number: String,
        ledger_entry: u64,
        certificate: String,
    },
    ReadBack {
        device: String,
        serial_number: String,
    },
    Confirmed {
        device: String,
    },
    Passed {
        device: String,
    },
    Superseded {
        device: String,
        serial_number: String,
    },
    Ended {
        device: String,
        outcome: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        #[serde(default)]
        open: bool,
    },
    Scrapped {
        device: String,
        reason: String,
    },
}

pub(super) fn to_json(record: &Record) -> Result<Vec<u8>, serde_json::Error> {
    let line = match record.clone() {
        Record::Run(RunStart { at_ms, link, slots }) => Line::Run { at_ms, link, slots },
        Record::Begun { device, columns } => Line::Begun { device: device.to_string(), columns },
        Record::Step { device, step } => step_line(device.to_string(), step),
        Record::Ended { device, end: UnitEnd { outcome, reason, open } } => {
            Line::Ended { device: device.to_string(), outcome, reason, open }
        }
        Record::Scrapped { device, reason } => Line::Scrapped { device: device.to_string(), reason },
    };
    serde_json::to_vec(&line)
}

fn step_line(device: String, step: Step) -> Line {
    match step {
        Step::Asked { request_id, csr } => {
            Line::Asked { device, request_id: request_id.to_string(), csr: hex::encode(csr) }
        }
        Step::Issued(BirthCertificate { der, serial_number, ledger_entry }) => Line::Issued {
            device,
            serial_number: serial_number.to_string(),
            ledger_entry,
            certificate: hex::encode(der),
        },
        Step::ReadBack { serial_number } => {
            Line::ReadBack { device, serial_number: serial_number.to_string() }
        }
        Step::Confirmed => Line::Confirmed { device },
        Step::Passed => Line::Passed { device },
        Step::Superseded { serial_number } => {
            Line::Superseded { device, serial_number: serial_number.to_string() }
        }
    }
}

pub(super) fn from_json(json: &[u8]) -> Option<Record> {
    let step = |device: &str, step: Step| Some(Record::Step { device: device.parse().ok()?, step });
    let number = |text: &str| text.parse::<SerialNumber>().ok();
    match serde_json::from_slice(json).ok()? {
        Line::Run { at_ms, link, slots } => Some(Record::Run(RunStart { at_ms, link, slots })),
        Line::Begun { device, columns } => Some(Record::Begun { device: device.parse().ok()?, columns }),
        Line::Asked { device, request_id, csr } => {
            let request_id = RequestId::try_from(hex::decode(request_id).ok()?.as_slice()).ok()?;
            step(&device, Step::Asked { request_id, csr: hex::decode(csr).ok()? })
        }
        Line::Issued { device, serial_number, ledger_entry, certificate } => {
            let (der, serial_number) = (hex::decode(certificate).ok()?, number(&serial_number)?);
            step(&device, Step::Issued(BirthCertificate { der, serial_number, ledger_entry }))
        }
        Line::ReadBack { device, serial_number } => {
            step(&device, Step::ReadBack { serial_number: number(&serial_number)? })
        }
        Line::Confirmed { device } => step(&device, Step::Confirmed),
        Line::Passed { device } => step(&device, Step::Passed),
        Line::Superseded { device, serial_number } => {
            step(&device, Step::Superseded { serial_number: number(&serial_number)? })
        }
        Line::Ended { device, outcome, reason, open } => {
            Some(Record::Ended { device: device.parse().ok()?, end: UnitEnd { outcome, reason, open } })
        }
        Line::Scrapped { device, reason } => Some(Record::Scrapped { device: device.parse().ok()?, reason }),
    }
}
