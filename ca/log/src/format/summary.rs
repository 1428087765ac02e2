//! The entries that there are many of, in brief: what an index and a projection need, without a copy of the
//! certificate.

use identity::{
    GeneratorTraces, IssuerName, KeyFingerprint, Principal, ProfileName, RequestId, Role, SerialNumber,
};
use ledger::{EntryNumber, SignedCertificate, WorkOrderId};

use super::proto::{self, entry::Event};
use super::{EntryRecord, certificate};

/// An entry in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntrySummary<'a> {
    /// The entry's number.
    pub number: EntryNumber,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Who asked.
    pub caller: Caller<'a>,
    /// The request id; `None`: it has none.
    pub request: Option<RequestId>,
    /// The device that it is about.
    pub device: DeviceName<'a>,
    /// The event.
    pub event: SummaryEvent,
}

/// What happened to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum SummaryEvent {
    /// A first birth certificate, or one of a rework that revoked nothing.
    BirthIssued {
        /// The order that it counts against.
        work_order: WorkOrderId,
        certificate: CertificateSummary,
        /// What the request showed of the unit's random generator.
        traces: GeneratorTraces,
    },
    /// The station confirmed the unit.
    UnitConfirmed {
        /// The order of its birth certificate.
        work_order: WorkOrderId,
        serial_number: SerialNumber,
    },
    /// An operational certificate.
    OperationalIssued { certificate: CertificateSummary },
    /// A certificate came into use and nothing was revoked or timed for it.
    InstallConfirmed { serial_number: SerialNumber },
}

/// The fields of a certificate that an index holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Who signed it.
    pub issuer: IssuerName,
    /// The profile that it was made by.
    pub profile: ProfileName,
    /// The shard of its issuer's CRL.
    pub shard: Option<u32>,
    /// RFC 5280, section 4.1.2.2.
    pub serial_number: SerialNumber,
    /// SHA-256 over its SubjectPublicKeyInfo.
    pub key: KeyFingerprint,
    /// Its last second, since 1970.
    pub not_after_s: u64,
}

/// A device by its names. Its hash is that of its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName<'a> {
    /// The product.
    pub product: &'a str,
    /// The serial number within the product.
    pub serial: &'a str,
}

/// Who asked, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller<'a> {
    /// The CA itself.
    Nobody,
    /// A principal that is not a device.
    Named(Role, &'a str),
    /// A device.
    Device(DeviceName<'a>),
}

impl From<&SignedCertificate> for CertificateSummary {
    fn from(certificate: &SignedCertificate) -> Self {
        Self {
            issuer: certificate.issuer,
            profile: certificate.profile,
            shard: certificate.shard,
            serial_number: certificate.serial_number,
            key: certificate.key,
            not_after_s: super::milliseconds(certificate.validity.not_after()) / 1000,
        }
    }
}

impl<'a> From<&'a identity::DeviceId> for DeviceName<'a> {
    fn from(device: &'a identity::DeviceId) -> Self {
        Self { product: device.product.as_str(), serial: device.serial.as_str() }
    }
}

impl<'a> From<Option<&'a Principal>> for Caller<'a> {
    fn from(principal: Option<&'a Principal>) -> Self {
        match principal {
            None => Self::Nobody,
            Some(Principal::Named { role, name }) => Self::Named(*role, name.as_str()),
            Some(Principal::Device(device)) => Self::Device(device.into()),
        }
    }
}

impl EntryRecord {
    /// The entry in brief, borrowed from the record; `None`: its kind is rare, and the whole entry must be
    /// looked at.
    pub fn summary(&self, number: EntryNumber) -> Option<EntrySummary<'_>> {
        let record = &self.0;
        let (device, event) = match record.event.as_ref()? {
            Event::BirthIssued(issued) if issued.replaces.is_empty() => {
                let (work_order, certificate) = (WorkOrderId(issued.work_order), issued.summary()?);
                let traces = issued.traces()?;
                (&issued.holder, SummaryEvent::BirthIssued { work_order, certificate, traces })
            }
            Event::UnitConfirmed(unit) => {
                let (work_order, serial_number) = (WorkOrderId(unit.work_order), unit.certificate()?);
                (&unit.device, SummaryEvent::UnitConfirmed { work_order, serial_number })
            }
            Event::OperationalIssued(issued) => {
                (&issued.holder, SummaryEvent::OperationalIssued { certificate: issued.summary()? })
            }
            Event::InstallConfirmed(unit) if unit.revoked.is_empty() && unit.parent_ends_ms.is_none() => {
                (&unit.device, SummaryEvent::InstallConfirmed { serial_number: unit.certificate()? })
            }
            _ => return None,
        };
        let (caller, device) = (caller(&record.principal)?, device_name(device)?);
        let request = super::request(&record.request)?;
        Some(EntrySummary { number, at_ms: record.at_ms, caller, request, device, event })
    }
}

impl proto::Certificate {
    fn summary(&self) -> Option<CertificateSummary> {
        Some(CertificateSummary {
            issuer: certificate::issuer_of(self.issuer)?,
            profile: certificate::profile_of(self.profile)?,
            shard: self.shard,
            serial_number: super::serial_number(&self.serial_number)?,
            key: KeyFingerprint::from(<[u8; 32]>::try_from(&*self.key).ok()?),
            not_after_s: self.not_after_s,
        })
    }
}

impl proto::Unit {
    fn certificate(&self) -> Option<SerialNumber> {
        super::serial_number(&self.serial_number)
    }
}

fn caller(principal: &str) -> Option<Caller<'_>> {
    if principal.is_empty() {
        return Some(Caller::Nobody);
    }
    let (kind, name) = principal.split_once(':')?;
    match kind {
        "device" => device_name(name).map(Caller::Device),
        role => Some(Caller::Named(role.parse().ok()?, name)),
    }
}

fn device_name(text: &str) -> Option<DeviceName<'_>> {
    let (product, serial) = text.split_once('/')?;
    Some(DeviceName { product, serial })
}
