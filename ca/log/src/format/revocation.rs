//! Revocations, alarms and requests to many devices on disk.

use std::time::Duration;

use bytes::Bytes;
use identity::{DeviceId, KeyFingerprint, RevocationReason, SerialNumber};
use ledger::{
    Clash, Event, Holder, JobId, RevocationTerms, RevokedCertificate, RotationTerms, Selection, WorkOrderId,
};

use super::proto::{self, selection::Kind};
use super::{milliseconds, octets, optional_time, serial_number, time};

pub(super) fn records(revoked: &[RevokedCertificate]) -> Vec<proto::RevokedCertificate> {
    let record = |one: &RevokedCertificate| proto::RevokedCertificate {
        serial_number: octets(one.serial_number.as_bytes()),
        since_ms: one.since.map(milliseconds),
    };
    revoked.iter().map(record).collect()
}

pub(super) fn revoked_certificates(records: &[proto::RevokedCertificate]) -> Option<Vec<RevokedCertificate>> {
    let one = |record: &proto::RevokedCertificate| {
        Some(RevokedCertificate {
            serial_number: serial_number(&record.serial_number)?,
            since: optional_time(record.since_ms)?,
        })
    };
    records.iter().map(one).collect()
}

impl proto::Alarm {
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
            None if self.other == DOCUMENT_SIGNER => Holder::DocumentSigner,
            None => Holder::Principal(self.other.parse().ok()?),
        };
        Some(Event::DuplicateRefused {
            device: self.device.parse().ok()?,
            other,
            certificate: serial_number(&self.certificate)?,
            what: [Clash::Key, Clash::Serial, Clash::Prime, Clash::Nonce, Clash::KeyStart, Clash::KeyEnd]
                .into_iter()
                .find(|what| i32::from(clash(*what)) == self.what)?,
            pauses: self.pauses,
        })
    }
}

impl proto::CertificatesRevoked {
    pub(super) fn event(self) -> Option<Event> {
        Some(Event::CertificatesRevoked {
            certificates: revoked_certificates(&self.certificates)?,
            reason: reason_of(self.reason)?,
            invalidity_date: optional_time(self.invalidity_date_ms)?,
            job: (self.job != 0).then_some(JobId(self.job)),
        })
    }
}

impl proto::RevocationBegun {
    pub(super) fn event(self) -> Option<Event> {
        let terms = RevocationTerms {
            selection: self.selection?.selection()?,
            reason: reason_of(self.reason)?,
            invalidity_date: optional_time(self.invalidity_date_ms)?,
            devices: self.devices,
            certificates: self.certificates,
        };
        Some(Event::RevocationBegun { job: JobId(self.job), terms })
    }
}

impl proto::DeviceEvent {
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

    fn device_and_certificates(&self) -> Option<(DeviceId, Vec<SerialNumber>)> {
        Some((self.device.parse().ok()?, serial_numbers(&self.certificates)?))
    }
}

impl proto::RotationRequested {
    pub(super) fn event(self) -> Option<Event> {
        Some(Event::RotationRequested(RotationTerms {
            selection: self.selection?.selection()?,
            spread: Duration::from_millis(self.spread_ms),
            reason: self.reason,
            until: time(self.until_ms)?,
        }))
    }
}

impl From<&Selection> for proto::Selection {
    fn from(selection: &Selection) -> Self {
        let kind = match selection {
            Selection::Device(device) => Kind::Device(device.to_string()),
            Selection::Certificate(serial_number) => Kind::Certificate(octets(serial_number.as_bytes())),
            Selection::Lineage(serial_number) => Kind::Lineage(octets(serial_number.as_bytes())),
            Selection::WorkOrder(work_order) => Kind::WorkOrder(work_order.0),
            Selection::Product(product) => Kind::Product(product.to_string()),
            Selection::Station(name) => Kind::Station(name.to_string()),
            Selection::Issued { from, until } => Kind::Issued(proto::IssuedBetween {
                from_ms: milliseconds(*from),
                until_ms: milliseconds(*until),
            }),
            Selection::Key(key) => Kind::Key(octets(key.as_bytes())),
        };
        Self { kind: Some(kind) }
    }
}

impl proto::Selection {
    fn selection(self) -> Option<Selection> {
        Some(match self.kind? {
            Kind::Device(device) => Selection::Device(device.parse().ok()?),
            Kind::Certificate(octets) => Selection::Certificate(serial_number(&octets)?),
            Kind::Lineage(octets) => Selection::Lineage(serial_number(&octets)?),
            Kind::WorkOrder(id) => Selection::WorkOrder(WorkOrderId(id)),
            Kind::Product(product) => Selection::Product(product.parse().ok()?),
            Kind::Station(name) => Selection::Station(name.parse().ok()?),
            Kind::Issued(issued) => {
                Selection::Issued { from: time(issued.from_ms)?, until: time(issued.until_ms)? }
            }
            Kind::Key(octets) => Selection::Key(KeyFingerprint::from(<[u8; 32]>::try_from(&*octets).ok()?)),
        })
    }
}

pub(super) fn octets_of(serial_numbers: &[SerialNumber]) -> Vec<Bytes> {
    serial_numbers.iter().map(|serial_number| octets(serial_number.as_bytes())).collect()
}

fn serial_numbers(octets: &[Bytes]) -> Option<Vec<SerialNumber>> {
    octets.iter().map(|octets| serial_number(octets)).collect()
}

pub(super) fn clash(what: Clash) -> proto::Clash {
    match what {
        Clash::Key => proto::Clash::Key,
        Clash::Serial => proto::Clash::Serial,
        Clash::Prime => proto::Clash::Prime,
        Clash::Nonce => proto::Clash::Nonce,
        Clash::KeyStart => proto::Clash::KeyStart,
        Clash::KeyEnd => proto::Clash::KeyEnd,
    }
}

fn reason_of(code: u32) -> Option<RevocationReason> {
    RevocationReason::from_code(u8::try_from(code).ok()?)
}

/// Before the name of an issuer: no role is called so.
pub(super) const ISSUER_PREFIX: &str = "issuer:";

pub(super) const DOCUMENT_SIGNER: &str = "document-signer";
