//! Revocations, alarms and requests to a fleet, on disk.

use std::time::Duration;

use identity::{DeviceId, KeyFingerprint, RevocationReason};
use ledger::{Clash, Event, Holder, JobId, RevokedCertificate, Selection, WorkOrderId};
use prost::Message;

use super::{EventRecord, milliseconds, octets, optional_time, serial_number, serial_numbers, time};

/// A certificate that an entry revoked.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RevokedCertificateRecord {
    #[prost(bytes = "vec", tag = "1")]
    serial_number: Vec<u8>,
    #[prost(uint64, optional, tag = "2")]
    since_ms: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AlarmRecord {
    #[prost(string, tag = "1")]
    device: String,
    /// The parent of a fork.
    #[prost(bytes = "vec", tag = "2")]
    parent: Vec<u8>,
    /// The child of a fork, or the certificate that has what a duplicate asked for.
    #[prost(bytes = "vec", tag = "3")]
    certificate: Vec<u8>,
    #[prost(bool, tag = "4")]
    held: bool,
    #[prost(bytes = "vec", repeated, tag = "5")]
    certificates: Vec<Vec<u8>>,
    /// A principal, or `issuer:` and a name.
    #[prost(string, tag = "6")]
    other: String,
    /// 1: the key, 2: the serial, 3: a prime of the key.
    #[prost(uint32, tag = "7")]
    what: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RevokedRecord {
    #[prost(message, repeated, tag = "1")]
    certificates: Vec<RevokedCertificateRecord>,
    #[prost(uint32, tag = "2")]
    reason: u32,
    #[prost(uint64, optional, tag = "3")]
    invalidity_date_ms: Option<u64>,
    #[prost(uint64, tag = "4")]
    job: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct JobRecord {
    #[prost(uint64, tag = "1")]
    job: u64,
    #[prost(message, optional, tag = "2")]
    selection: Option<SelectionRecord>,
    #[prost(uint32, tag = "3")]
    reason: u32,
    #[prost(uint64, optional, tag = "4")]
    invalidity_date_ms: Option<u64>,
    #[prost(uint64, tag = "5")]
    devices: u64,
    #[prost(uint64, tag = "6")]
    certificates: u64,
}

/// Something that happened to a device by itself.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DeviceEventRecord {
    #[prost(string, tag = "1")]
    device: String,
    #[prost(string, tag = "2")]
    note: String,
    #[prost(bytes = "vec", repeated, tag = "3")]
    certificates: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    revoked: Vec<RevokedCertificateRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RotationRecord {
    #[prost(message, optional, tag = "1")]
    selection: Option<SelectionRecord>,
    #[prost(uint64, tag = "2")]
    spread_ms: u64,
    #[prost(string, tag = "3")]
    reason: String,
    #[prost(uint64, tag = "4")]
    until_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct SelectionRecord {
    #[prost(oneof = "SelectionKind", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    kind: Option<SelectionKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum SelectionKind {
    #[prost(string, tag = "1")]
    Device(String),
    #[prost(bytes, tag = "2")]
    Certificate(Vec<u8>),
    #[prost(bytes, tag = "3")]
    Lineage(Vec<u8>),
    #[prost(uint64, tag = "4")]
    WorkOrder(u64),
    #[prost(string, tag = "5")]
    Product(String),
    #[prost(string, tag = "6")]
    Station(String),
    #[prost(message, tag = "7")]
    Issued(IssuedRecord),
    #[prost(bytes, tag = "8")]
    Key(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct IssuedRecord {
    #[prost(uint64, tag = "1")]
    from_ms: u64,
    #[prost(uint64, tag = "2")]
    until_ms: u64,
}

/// The record of an event that this file knows.
pub(super) fn record_of(event: &Event) -> EventRecord {
    match event {
        Event::ForkDetected { device, parent, child, held, certificates } => {
            EventRecord::ForkDetected(AlarmRecord {
                device: device.to_string(),
                parent: parent.as_bytes().to_vec(),
                certificate: child.as_bytes().to_vec(),
                held: *held,
                certificates: octets(certificates),
                ..AlarmRecord::default()
            })
        }
        Event::DuplicateRefused { device, other, certificate, what } => {
            EventRecord::DuplicateRefused(AlarmRecord {
                device: device.to_string(),
                certificate: certificate.as_bytes().to_vec(),
                other: match other {
                    Holder::Principal(principal) => principal.to_string(),
                    Holder::Issuer(issuer) => format!("{ISSUER_PREFIX}{issuer}"),
                },
                what: clash_code(*what),
                ..AlarmRecord::default()
            })
        }
        Event::CertificatesRevoked { certificates, reason, invalidity_date, job } => {
            EventRecord::CertificatesRevoked(RevokedRecord {
                certificates: records(certificates),
                reason: u32::from(reason.code()),
                invalidity_date_ms: invalidity_date.map(milliseconds),
                job: job.map_or(0, |job| job.0),
            })
        }
        Event::RevocationBegun { job, selection, reason, invalidity_date, devices, certificates } => {
            EventRecord::RevocationBegun(JobRecord {
                job: job.0,
                selection: Some(selection.into()),
                reason: u32::from(reason.code()),
                invalidity_date_ms: invalidity_date.map(milliseconds),
                devices: *devices,
                certificates: *certificates,
            })
        }
        Event::DeviceHeld { device, note, certificates } => EventRecord::DeviceHeld(DeviceEventRecord {
            device: device.to_string(),
            note: note.clone(),
            certificates: octets(certificates),
            ..DeviceEventRecord::default()
        }),
        Event::DeviceReleased { device, certificates } => EventRecord::DeviceReleased(DeviceEventRecord {
            device: device.to_string(),
            certificates: octets(certificates),
            ..DeviceEventRecord::default()
        }),
        Event::DeviceRetired { device, note, revoked } => EventRecord::DeviceRetired(DeviceEventRecord {
            device: device.to_string(),
            note: note.clone(),
            revoked: records(revoked),
            ..DeviceEventRecord::default()
        }),
        Event::ReworkAllowed { device } => EventRecord::ReworkAllowed(device.to_string()),
        Event::RotationRequested { selection, spread, reason, until } => {
            EventRecord::RotationRequested(RotationRecord {
                selection: Some(selection.into()),
                spread_ms: u64::try_from(spread.as_millis()).unwrap_or(u64::MAX),
                reason: reason.clone(),
                until_ms: milliseconds(*until),
            })
        }
        Event::RevocationFinished { job } => EventRecord::RevocationFinished(job.0),
        // The others have records of their own.
        _ => EventRecord::RevocationFinished(0),
    }
}

pub(super) fn records(revoked: &[RevokedCertificate]) -> Vec<RevokedCertificateRecord> {
    let record = |one: &RevokedCertificate| RevokedCertificateRecord {
        serial_number: one.serial_number.as_bytes().to_vec(),
        since_ms: one.since.map(milliseconds),
    };
    revoked.iter().map(record).collect()
}

pub(super) fn revoked_certificates(records: &[RevokedCertificateRecord]) -> Option<Vec<RevokedCertificate>> {
    let one = |record: &RevokedCertificateRecord| {
        Some(RevokedCertificate {
            serial_number: serial_number(&record.serial_number)?,
            since: optional_time(record.since_ms)?,
        })
    };
    records.iter().map(one).collect()
}

impl AlarmRecord {
    pub(super) fn fork(self) -> Option<Event> {
        Some(Event::ForkDetected {
            device: self.device.parse().ok()?,
            parent: serial_number(&self.parent)?,
            child: serial_number(&self.certificate)?,
            held: self.held,
            certificates: serial_numbers(&self.certificates)?,
        })
    }

    pub(super) fn duplicate(self) -> Option<Event> {
        let other = match self.other.strip_prefix(ISSUER_PREFIX) {
            Some(name) => Holder::Issuer(name.parse().ok()?),
            None => Holder::Principal(self.other.parse().ok()?),
        };
        Some(Event::DuplicateRefused {
            device: self.device.parse().ok()?,
            other,
            certificate: serial_number(&self.certificate)?,
            what: [Clash::Key, Clash::Serial, Clash::Prime]
                .into_iter()
                .find(|what| clash_code(*what) == self.what)?,
        })
    }
}

impl RevokedRecord {
    pub(super) fn event(self) -> Option<Event> {
        Some(Event::CertificatesRevoked {
            certificates: revoked_certificates(&self.certificates)?,
            reason: reason_of(self.reason)?,
            invalidity_date: optional_time(self.invalidity_date_ms)?,
            job: (self.job != 0).then_some(JobId(self.job)),
        })
    }
}

impl JobRecord {
    pub(super) fn event(self) -> Option<Event> {
        Some(Event::RevocationBegun {
            job: JobId(self.job),
            selection: self.selection?.selection()?,
            reason: reason_of(self.reason)?,
            invalidity_date: optional_time(self.invalidity_date_ms)?,
            devices: self.devices,
            certificates: self.certificates,
        })
    }
}

impl DeviceEventRecord {
    pub(super) fn held(self) -> Option<Event> {
        let (device, certificates) = self.device_and_certificates()?;
        Some(Event::DeviceHeld { device, note: self.note, certificates })
    }

    pub(super) fn released(self) -> Option<Event> {
        let (device, certificates) = self.device_and_certificates()?;
        Some(Event::DeviceReleased { device, certificates })
    }

    pub(super) fn retired(self) -> Option<Event> {
        let (device, _) = self.device_and_certificates()?;
        Some(Event::DeviceRetired { device, note: self.note, revoked: revoked_certificates(&self.revoked)? })
    }

    fn device_and_certificates(&self) -> Option<(DeviceId, Vec<identity::SerialNumber>)> {
        Some((self.device.parse().ok()?, serial_numbers(&self.certificates)?))
    }
}

impl RotationRecord {
    pub(super) fn event(self) -> Option<Event> {
        Some(Event::RotationRequested {
            selection: self.selection?.selection()?,
            spread: Duration::from_millis(self.spread_ms),
            reason: self.reason,
            until: time(self.until_ms)?,
        })
    }
}

impl From<&Selection> for SelectionRecord {
    fn from(selection: &Selection) -> Self {
        let kind = match selection {
            Selection::Device(device) => SelectionKind::Device(device.to_string()),
            Selection::Certificate(serial_number) => {
                SelectionKind::Certificate(serial_number.as_bytes().to_vec())
            }
            Selection::Lineage(serial_number) => SelectionKind::Lineage(serial_number.as_bytes().to_vec()),
            Selection::WorkOrder(work_order) => SelectionKind::WorkOrder(work_order.0),
            Selection::Product(product) => SelectionKind::Product(product.to_string()),
            Selection::Station(name) => SelectionKind::Station(name.to_string()),
            Selection::Issued { from, until } => SelectionKind::Issued(IssuedRecord {
                from_ms: milliseconds(*from),
                until_ms: milliseconds(*until),
            }),
            Selection::Key(key) => SelectionKind::Key(key.as_bytes().to_vec()),
        };
        Self { kind: Some(kind) }
    }
}

impl SelectionRecord {
    fn selection(self) -> Option<Selection> {
        Some(match self.kind? {
            SelectionKind::Device(device) => Selection::Device(device.parse().ok()?),
            SelectionKind::Certificate(octets) => Selection::Certificate(serial_number(&octets)?),
            SelectionKind::Lineage(octets) => Selection::Lineage(serial_number(&octets)?),
            SelectionKind::WorkOrder(id) => Selection::WorkOrder(WorkOrderId(id)),
            SelectionKind::Product(product) => Selection::Product(product.parse().ok()?),
            SelectionKind::Station(name) => Selection::Station(name.parse().ok()?),
            SelectionKind::Issued(issued) => {
                Selection::Issued { from: time(issued.from_ms)?, until: time(issued.until_ms)? }
            }
            SelectionKind::Key(octets) => {
                Selection::Key(KeyFingerprint::from(<[u8; 32]>::try_from(octets.as_slice()).ok()?))
            }
        })
    }
}

fn clash_code(what: Clash) -> u32 {
    match what {
        Clash::Key => 1,
        Clash::Serial => 2,
        Clash::Prime => 3,
    }
}

fn reason_of(code: u32) -> Option<RevocationReason> {
    RevocationReason::from_code(u8::try_from(code).ok()?)
}

/// Before the name of an issuer: no role is called so.
const ISSUER_PREFIX: &str = "issuer:";
