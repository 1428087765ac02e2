//! The journal's lines on disk, and their conversion to records.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, DeviceSerial, RequestId, SerialNumber};
use serde::{Deserialize, Serialize};

use super::UnitEnd;
use crate::crew::CrewNow;
use crate::report::milliseconds;
use crate::session::{BirthCertificate, Step};
use crate::stock::{Reservation, ReserveRequest, from_millis};

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
    /// The CA is about to be asked for units.
    Reserving(ReserveRequest),
    /// The CA has answered such a request; `None`: it reserved nothing.
    Reserved {
        request_id: RequestId,
        reservation: Option<Reservation>,
    },
    /// What the CA answered about the order, for times when it cannot be asked.
    Order(OrderFacts),
    /// Units of a reservation are no longer this station's: they were returned, or withdrawn.
    Returned {
        reservation: String,
        serials: Vec<DeviceSerial>,
    },
}

/// An answer of the CA about the order, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderFacts {
    /// By the station's clock.
    pub(crate) at: SystemTime,
    /// `GetWorkOrderResponse`.
    pub(crate) answer: Vec<u8>,
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
    Deferred {
        device: String,
        at_ms: u64,
        anchors_digest: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        shift: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        operator: String,
    },
    LockedDeferred {
        device: String,
    },
    Refused {
        device: String,
        reason: String,
        message: String,
    },
    Order {
        at_ms: u64,
        answer: String,
    },
    Reserving {
        request_id: String,
        #[serde(default)]
        count: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        serials: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    Reserved {
        request_id: String,
        reservation: String,
        ends_at_ms: u64,
        serials: Vec<String>,
    },
    NotReserved {
        request_id: String,
    },
    Returned {
        reservation: String,
        serials: Vec<String>,
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
        Record::Reserving(ReserveRequest { request_id, count, serials, duration }) => Line::Reserving {
            request_id: request_id.to_string(),
            count,
            serials: texts(&serials),
            seconds: duration.map(|duration| duration.as_secs()),
        },
        Record::Reserved { request_id, reservation: Some(Reservation { id, serials, ends_at }) } => {
            Line::Reserved {
                request_id: request_id.to_string(),
                reservation: id,
                ends_at_ms: to_millis(ends_at),
                serials: texts(&serials),
            }
        }
        Record::Reserved { request_id, reservation: None } => {
            Line::NotReserved { request_id: request_id.to_string() }
        }
        Record::Order(OrderFacts { at, answer }) => {
            Line::Order { at_ms: to_millis(at), answer: hex::encode(answer) }
        }
        Record::Returned { reservation, serials } => Line::Returned { reservation, serials: texts(&serials) },
    };
    serde_json::to_vec(&line)
}

fn to_millis(time: SystemTime) -> u64 {
    milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn texts(serials: &[DeviceSerial]) -> Vec<String> {
    serials.iter().map(ToString::to_string).collect()
}

fn serials(texts: &[String]) -> Option<Vec<DeviceSerial>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn id(text: &str) -> Option<RequestId> {
    RequestId::try_from(hex::decode(text).ok()?.as_slice()).ok()
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
        Step::Deferred { at, anchors_digest, crew: CrewNow { shift, operator } } => {
            let (at_ms, anchors_digest) = (to_millis(at), hex::encode(anchors_digest));
            Line::Deferred { device, at_ms, anchors_digest, shift, operator }
        }
        Step::LockedDeferred => Line::LockedDeferred { device },
        Step::Refused { reason, message } => Line::Refused { device, reason, message },
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
            step(&device, Step::Asked { request_id: id(&request_id)?, csr: hex::decode(csr).ok()? })
        }
        Line::Issued { device, serial_number, ledger_entry, certificate } => {
            let (der, serial_number) = (hex::decode(certificate).ok()?, number(&serial_number)?);
            step(&device, Step::Issued(BirthCertificate { der, serial_number, ledger_entry }))
        }
        Line::ReadBack { device, serial_number } => {
            step(&device, Step::ReadBack { serial_number: number(&serial_number)? })
        }
        Line::Deferred { device, at_ms, anchors_digest, shift, operator } => {
            let crew = CrewNow { shift, operator };
            let (at, anchors_digest) = (from_millis(at_ms), hex::decode(anchors_digest).ok()?);
            step(&device, Step::Deferred { at, anchors_digest, crew })
        }
        Line::LockedDeferred { device } => step(&device, Step::LockedDeferred),
        Line::Refused { device, reason, message } => step(&device, Step::Refused { reason, message }),
        Line::Order { at_ms, answer } => {
            Some(Record::Order(OrderFacts { at: from_millis(at_ms), answer: hex::decode(answer).ok()? }))
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
        Line::Reserving { request_id, count, serials: named, seconds } => {
            Some(Record::Reserving(ReserveRequest {
                request_id: id(&request_id)?,
                count,
                serials: serials(&named)?,
                duration: seconds.map(Duration::from_secs),
            }))
        }
        Line::Reserved { request_id, reservation, ends_at_ms, serials: reserved } => Some(Record::Reserved {
            request_id: id(&request_id)?,
            reservation: Some(Reservation {
                id: reservation,
                serials: serials(&reserved)?,
                ends_at: from_millis(ends_at_ms),
            }),
        }),
        Line::NotReserved { request_id } => {
            Some(Record::Reserved { request_id: id(&request_id)?, reservation: None })
        }
        Line::Returned { reservation, serials: returned } => {
            Some(Record::Returned { reservation, serials: serials(&returned)? })
        }
    }
}
