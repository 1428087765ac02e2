//! What an index and a projection need of the entries that there are many of, without a copy of anything.

use bytes::Bytes;
use identity::{IssuerName, KeyFingerprint, Principal, ProfileName, RequestId, Role, SerialNumber};
use ledger::{EntryNumber, SignedCertificate, WorkOrderId};
use prost::Message;

/// An entry in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntrySummary<'a> {
    pub(crate) number: EntryNumber,
    /// Whole seconds since 1970.
    pub(crate) at_s: u64,
    pub(crate) caller: Caller<'a>,
    pub(crate) request: Option<RequestId>,
    pub(crate) device: DeviceName<'a>,
    pub(crate) event: SummaryEvent,
}

/// What happened to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SummaryEvent {
    BirthIssued { work_order: WorkOrderId, certificate: CertificateSummary },
    UnitConfirmed { work_order: WorkOrderId, serial_number: SerialNumber },
    OperationalIssued { certificate: CertificateSummary },
    InstallConfirmed { serial_number: SerialNumber },
}

/// What makes a certificate one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateSummary {
    pub(crate) issuer: IssuerName,
    pub(crate) profile: ProfileName,
    pub(crate) shard: Option<u32>,
    pub(crate) serial_number: SerialNumber,
    pub(crate) key: KeyFingerprint,
    /// Its last second, since 1970.
    pub(crate) not_after_s: u64,
}

/// A device by its names; of one hash with no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceName<'a> {
    pub(crate) product: &'a str,
    pub(crate) serial: &'a str,
}

/// Who asked, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller<'a> {
    Nobody,
    Named(Role, &'a str),
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

/// The parts of [`super::EntryRecord`] that a [`EntrySummary`] is made of. What is not named here, the certificate above all, is passed over.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SummaryRecord {
    #[prost(uint64, tag = "1")]
    at_ms: u64,
    #[prost(bytes = "bytes", tag = "2")]
    principal: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    request: Bytes,
    #[prost(message, optional, tag = "15")]
    birth_issued: Option<CertificateRecord>,
    #[prost(message, optional, tag = "16")]
    unit_confirmed: Option<UnitRecord>,
    #[prost(message, optional, tag = "18")]
    operational_issued: Option<CertificateRecord>,
    #[prost(message, optional, tag = "19")]
    install_confirmed: Option<UnitRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct CertificateRecord {
    #[prost(uint32, tag = "1")]
    issuer: u32,
    #[prost(uint32, tag = "2")]
    profile: u32,
    #[prost(bytes = "bytes", tag = "3")]
    serial_number: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    key: Bytes,
    #[prost(uint64, tag = "6")]
    not_after_s: u64,
    #[prost(bytes = "bytes", tag = "9")]
    holder: Bytes,
    #[prost(uint64, tag = "10")]
    work_order: u64,
    #[prost(uint32, optional, tag = "12")]
    shard: Option<u32>,
    #[prost(bytes = "bytes", repeated, tag = "13")]
    replaces: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct UnitRecord {
    #[prost(uint64, tag = "1")]
    work_order: u64,
    #[prost(bytes = "bytes", tag = "2")]
    device: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    serial_number: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    revoked: Vec<Bytes>,
    #[prost(uint64, optional, tag = "6")]
    parent_ends_ms: Option<u64>,
}

impl SummaryRecord {
    /// Reads a payload; it keeps what it needs of these bytes.
    pub(crate) fn read(payload: Bytes) -> Option<Self> {
        Self::decode(payload).ok()
    }

    /// `None`: look at the whole.
    pub(crate) fn summary(&self, number: EntryNumber) -> Option<EntrySummary<'_>> {
        let (device, event) = if let Some(issued) = &self.birth_issued {
            if !issued.replaces.is_empty() {
                return None;
            }
            let (work_order, certificate) = (WorkOrderId(issued.work_order), issued.certificate()?);
            (&issued.holder, SummaryEvent::BirthIssued { work_order, certificate })
        } else if let Some(unit) = &self.unit_confirmed {
            let (work_order, serial_number) = (WorkOrderId(unit.work_order), unit.serial_number()?);
            (&unit.device, SummaryEvent::UnitConfirmed { work_order, serial_number })
        } else if let Some(issued) = &self.operational_issued {
            (&issued.holder, SummaryEvent::OperationalIssued { certificate: issued.certificate()? })
        } else {
            let unit = self.install_confirmed.as_ref()?;
            if !unit.revoked.is_empty() || unit.parent_ends_ms.is_some() {
                return None;
            }
            (&unit.device, SummaryEvent::InstallConfirmed { serial_number: unit.serial_number()? })
        };
        let request = match &*self.request {
            [] => None,
            bytes => Some(RequestId::try_from(bytes).ok()?),
        };
        let (caller, device) = (caller(&self.principal)?, device_name(str::from_utf8(device).ok()?)?);
        Some(EntrySummary { number, at_s: self.at_ms / 1000, caller, request, device, event })
    }
}

impl CertificateRecord {
    fn certificate(&self) -> Option<CertificateSummary> {
        Some(CertificateSummary {
            issuer: super::issuer_of(self.issuer)?,
            profile: super::profile_of(self.profile)?,
            shard: self.shard,
            serial_number: super::serial_number(&self.serial_number)?,
            key: KeyFingerprint::from(<[u8; 32]>::try_from(&*self.key).ok()?),
            not_after_s: self.not_after_s,
        })
    }
}

impl UnitRecord {
    fn serial_number(&self) -> Option<SerialNumber> {
        super::serial_number(&self.serial_number)
    }
}

fn caller(principal: &[u8]) -> Option<Caller<'_>> {
    if principal.is_empty() {
        return Some(Caller::Nobody);
    }
    let (kind, name) = str::from_utf8(principal).ok()?.split_once(':')?;
    match kind {
        "device" => device_name(name).map(Caller::Device),
        role => Some(Caller::Named(role.parse().ok()?, name)),
    }
}

fn device_name(text: &str) -> Option<DeviceName<'_>> {
    let (product, serial) = text.split_once('/')?;
    Some(DeviceName { product, serial })
}
