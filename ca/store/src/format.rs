//! The form of an entry on disk. Versioned by protobuf's rules: numbers are never used again, what an older CA wrote stays readable.

mod revocation;
mod summary;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use identity::{
    DeviceId, IssuerName, KeyFingerprint, Principal, ProfileName, RequestId, RevocationReason, SerialNumber,
    Validity,
};
use ledger::{Entry, EntryNumber, Event, JobId, Serials, SignedCertificate, WorkOrderId, WorkOrderTerms};
use prost::Message;

use revocation::{
    AlarmRecord, DeviceEventRecord, JobRecord, RevokedCertificateRecord, RevokedRecord, RotationRecord,
};

pub(super) use summary::{Caller, CertificateSummary, DeviceName, EntrySummary, SummaryEvent, SummaryRecord};

/// Appends the entry's bytes, without its number: its place says that.
pub(super) fn encode(entry: &Entry, to: &mut Vec<u8>) {
    let record = EntryRecord {
        at_ms: milliseconds(entry.at),
        principal: entry.principal.as_ref().map(ToString::to_string).unwrap_or_default(),
        request: entry.request.map(|request| request.as_bytes().to_vec()).unwrap_or_default(),
        content: entry.content.to_vec(),
        remark: entry.remark.clone(),
        event: Some(EventRecord::from(&entry.event)),
    };
    to.reserve(record.encoded_len());
    // A vector has room for everything.
    record.encode(to).unwrap_or_default();
}

/// SHA-256 over an entry as it is recorded.
pub(super) fn digest(entry: &Entry) -> [u8; 32] {
    let mut bytes = Vec::new();
    encode(entry, &mut bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref());
    digest
}

/// Reads an entry; `None`: these bytes are not one.
pub(super) fn decode(number: EntryNumber, bytes: &[u8]) -> Option<Entry> {
    let record = EntryRecord::decode(bytes).ok()?;
    let principal = match record.principal.as_str() {
        "" => None,
        text => Some(text.parse::<Principal>().ok()?),
    };
    let request = match record.request.as_slice() {
        [] => None,
        bytes => Some(RequestId::try_from(bytes).ok()?),
    };
    Some(Entry {
        number,
        at: time(record.at_ms)?,
        principal,
        request,
        content: record.content.as_slice().try_into().ok()?,
        remark: record.remark,
        event: record.event?.event()?,
    })
}

#[derive(Clone, PartialEq, Message)]
struct EntryRecord {
    #[prost(uint64, tag = "1")]
    at_ms: u64,
    #[prost(string, tag = "2")]
    principal: String,
    #[prost(bytes = "vec", tag = "3")]
    request: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    content: Vec<u8>,
    #[prost(string, tag = "5")]
    remark: String,
    #[prost(
        oneof = "EventRecord",
        tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32"
    )]
    event: Option<EventRecord>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum EventRecord {
    #[prost(message, tag = "10")]
    IssuerInstalled(CertificateRecord),
    #[prost(message, tag = "11")]
    WorkOrderCreated(TermsRecord),
    #[prost(uint64, tag = "12")]
    WorkOrderPaused(u64),
    #[prost(uint64, tag = "13")]
    WorkOrderResumed(u64),
    #[prost(uint64, tag = "14")]
    WorkOrderClosed(u64),
    #[prost(message, tag = "15")]
    BirthIssued(CertificateRecord),
    #[prost(message, tag = "16")]
    UnitConfirmed(UnitRecord),
    #[prost(message, tag = "17")]
    UnitScrapped(UnitRecord),
    #[prost(message, tag = "18")]
    OperationalIssued(CertificateRecord),
    #[prost(message, tag = "19")]
    InstallConfirmed(UnitRecord),
    #[prost(message, tag = "20")]
    CredentialIssued(CertificateRecord),
    #[prost(message, tag = "21")]
    PrincipalRevoked(PrincipalRevokedRecord),
    #[prost(message, tag = "22")]
    ForkDetected(AlarmRecord),
    #[prost(message, tag = "23")]
    DuplicateRefused(AlarmRecord),
    #[prost(message, tag = "24")]
    CertificatesRevoked(RevokedRecord),
    #[prost(message, tag = "25")]
    RevocationBegun(JobRecord),
    #[prost(uint64, tag = "26")]
    RevocationFinished(u64),
    #[prost(message, tag = "27")]
    DeviceHeld(DeviceEventRecord),
    #[prost(message, tag = "28")]
    DeviceReleased(DeviceEventRecord),
    #[prost(message, tag = "29")]
    DeviceRetired(DeviceEventRecord),
    #[prost(string, tag = "30")]
    ReworkAllowed(String),
    #[prost(message, tag = "31")]
    RotationRequested(RotationRecord),
    #[prost(message, tag = "32")]
    TimeConfirmed(TimeRecord),
}

/// A certificate and what it is bound to; which fields are used depends on the event.
#[derive(Clone, PartialEq, Message)]
struct CertificateRecord {
    #[prost(uint32, tag = "1")]
    issuer: u32,
    #[prost(uint32, tag = "2")]
    profile: u32,
    #[prost(bytes = "vec", tag = "3")]
    serial_number: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    key: Vec<u8>,
    #[prost(uint64, tag = "5")]
    not_before_s: u64,
    #[prost(uint64, tag = "6")]
    not_after_s: u64,
    #[prost(bytes = "bytes", tag = "7")]
    der: Bytes,
    /// The issuer itself, when it is an issuer's certificate.
    #[prost(uint32, tag = "8")]
    subject_issuer: u32,
    /// `device:…` without the prefix, or `station:line-3`.
    #[prost(string, tag = "9")]
    holder: String,
    #[prost(uint64, tag = "10")]
    work_order: u64,
    #[prost(bytes = "vec", tag = "11")]
    parent: Vec<u8>,
    #[prost(uint32, optional, tag = "12")]
    shard: Option<u32>,
    #[prost(message, repeated, tag = "13")]
    replaces: Vec<RevokedCertificateRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct UnitRecord {
    #[prost(uint64, tag = "1")]
    work_order: u64,
    #[prost(string, tag = "2")]
    device: String,
    #[prost(bytes = "vec", tag = "3")]
    serial_number: Vec<u8>,
    #[prost(string, tag = "4")]
    reason: String,
    #[prost(message, repeated, tag = "5")]
    revoked: Vec<RevokedCertificateRecord>,
    #[prost(uint64, optional, tag = "6")]
    parent_ends_ms: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct PrincipalRevokedRecord {
    #[prost(string, tag = "1")]
    principal: String,
    #[prost(uint32, tag = "2")]
    reason: u32,
    #[prost(message, repeated, tag = "3")]
    revoked: Vec<RevokedCertificateRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeRecord {
    #[prost(uint64, tag = "1")]
    before_ms: u64,
}

impl TimeRecord {
    fn of(before: SystemTime) -> Self {
        Self { before_ms: milliseconds(before) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct TermsRecord {
    #[prost(uint64, tag = "1")]
    work_order: u64,
    #[prost(string, tag = "2")]
    product: String,
    #[prost(uint64, tag = "3")]
    quantity: u64,
    #[prost(uint32, tag = "4")]
    profile: u32,
    #[prost(string, tag = "5")]
    pattern: String,
    #[prost(string, repeated, tag = "6")]
    manifest: Vec<String>,
    #[prost(string, repeated, tag = "7")]
    stations: Vec<String>,
    #[prost(uint64, optional, tag = "8")]
    opens_at_ms: Option<u64>,
    #[prost(uint64, optional, tag = "9")]
    closes_at_ms: Option<u64>,
}

impl From<&Event> for EventRecord {
    fn from(event: &Event) -> Self {
        match event {
            Event::IssuerInstalled { issuer, certificate } => Self::IssuerInstalled(CertificateRecord {
                subject_issuer: issuer_code(*issuer),
                ..CertificateRecord::of(certificate)
            }),
            Event::WorkOrderCreated { work_order, terms } => {
                Self::WorkOrderCreated(TermsRecord::of(*work_order, terms))
            }
            Event::WorkOrderPaused { work_order } => Self::WorkOrderPaused(work_order.0),
            Event::WorkOrderResumed { work_order } => Self::WorkOrderResumed(work_order.0),
            Event::WorkOrderClosed { work_order } => Self::WorkOrderClosed(work_order.0),
            Event::BirthIssued { work_order, device, certificate, replaces } => {
                Self::BirthIssued(CertificateRecord {
                    work_order: work_order.0,
                    holder: device.to_string(),
                    replaces: revocation::records(replaces),
                    ..CertificateRecord::of(certificate)
                })
            }
            Event::UnitConfirmed { work_order, device, serial_number } => Self::UnitConfirmed(UnitRecord {
                work_order: work_order.0,
                ..UnitRecord::of(device, serial_number)
            }),
            Event::UnitScrapped { work_order, device, reason, revoked } => Self::UnitScrapped(UnitRecord {
                work_order: work_order.0,
                device: device.to_string(),
                reason: reason.clone(),
                revoked: revocation::records(revoked),
                ..UnitRecord::default()
            }),
            Event::OperationalIssued { device, parent, certificate } => {
                Self::OperationalIssued(CertificateRecord {
                    parent: parent.as_bytes().to_vec(),
                    holder: device.to_string(),
                    ..CertificateRecord::of(certificate)
                })
            }
            Event::InstallConfirmed { device, serial_number, revoked, parent_ends } => {
                Self::InstallConfirmed(UnitRecord {
                    revoked: revocation::records(revoked),
                    parent_ends_ms: parent_ends.map(milliseconds),
                    ..UnitRecord::of(device, serial_number)
                })
            }
            Event::CredentialIssued { role, name, certificate } => {
                Self::CredentialIssued(CertificateRecord {
                    holder: format!("{role}:{name}"),
                    ..CertificateRecord::of(certificate)
                })
            }
            Event::PrincipalRevoked { role, name, reason, revoked } => {
                Self::PrincipalRevoked(PrincipalRevokedRecord {
                    principal: format!("{role}:{name}"),
                    reason: u32::from(reason.code()),
                    revoked: revocation::records(revoked),
                })
            }
            Event::TimeConfirmed { before } => Self::TimeConfirmed(TimeRecord::of(*before)),
            Event::ForkDetected { .. }
            | Event::DuplicateRefused { .. }
            | Event::CertificatesRevoked { .. }
            | Event::RevocationBegun { .. }
            | Event::RevocationFinished { .. }
            | Event::DeviceHeld { .. }
            | Event::DeviceReleased { .. }
            | Event::DeviceRetired { .. }
            | Event::ReworkAllowed { .. }
            | Event::RotationRequested { .. } => revocation::record_of(event),
        }
    }
}

impl EventRecord {
    fn event(self) -> Option<Event> {
        Some(match self {
            Self::IssuerInstalled(record) => Event::IssuerInstalled {
                issuer: issuer_of(record.subject_issuer)?,
                certificate: record.certificate()?,
            },
            Self::WorkOrderCreated(record) => {
                Event::WorkOrderCreated { work_order: WorkOrderId(record.work_order), terms: record.terms()? }
            }
            Self::WorkOrderPaused(id) => Event::WorkOrderPaused { work_order: WorkOrderId(id) },
            Self::WorkOrderResumed(id) => Event::WorkOrderResumed { work_order: WorkOrderId(id) },
            Self::WorkOrderClosed(id) => Event::WorkOrderClosed { work_order: WorkOrderId(id) },
            Self::BirthIssued(record) => Event::BirthIssued {
                work_order: WorkOrderId(record.work_order),
                device: record.holder.parse().ok()?,
                replaces: revocation::revoked_certificates(&record.replaces)?,
                certificate: record.certificate()?,
            },
            Self::UnitConfirmed(record) => Event::UnitConfirmed {
                work_order: WorkOrderId(record.work_order),
                device: record.device.parse().ok()?,
                serial_number: serial_number(&record.serial_number)?,
            },
            Self::UnitScrapped(record) => Event::UnitScrapped {
                work_order: WorkOrderId(record.work_order),
                device: record.device.parse().ok()?,
                reason: record.reason,
                revoked: revocation::revoked_certificates(&record.revoked)?,
            },
            Self::OperationalIssued(record) => Event::OperationalIssued {
                device: record.holder.parse::<DeviceId>().ok()?,
                parent: serial_number(&record.parent)?,
                certificate: record.certificate()?,
            },
            Self::InstallConfirmed(record) => Event::InstallConfirmed {
                device: record.device.parse().ok()?,
                serial_number: serial_number(&record.serial_number)?,
                revoked: revocation::revoked_certificates(&record.revoked)?,
                parent_ends: optional_time(record.parent_ends_ms)?,
            },
            Self::CredentialIssued(record) => {
                let Principal::Named { role, name } = record.holder.parse().ok()? else { return None };
                Event::CredentialIssued { role, name, certificate: record.certificate()? }
            }
            Self::PrincipalRevoked(record) => {
                let Principal::Named { role, name } = record.principal.parse().ok()? else { return None };
                Event::PrincipalRevoked {
                    role,
                    name,
                    reason: RevocationReason::from_code(u8::try_from(record.reason).ok()?)?,
                    revoked: revocation::revoked_certificates(&record.revoked)?,
                }
            }
            Self::ForkDetected(record) => record.fork()?,
            Self::DuplicateRefused(record) => record.duplicate()?,
            Self::CertificatesRevoked(record) => record.event()?,
            Self::RevocationBegun(record) => record.event()?,
            Self::RevocationFinished(job) => Event::RevocationFinished { job: JobId(job) },
            Self::DeviceHeld(record) => record.held()?,
            Self::DeviceReleased(record) => record.released()?,
            Self::DeviceRetired(record) => record.retired()?,
            Self::ReworkAllowed(device) => Event::ReworkAllowed { device: device.parse().ok()? },
            Self::RotationRequested(record) => record.event()?,
            Self::TimeConfirmed(record) => Event::TimeConfirmed { before: time(record.before_ms)? },
        })
    }
}

impl CertificateRecord {
    fn of(certificate: &SignedCertificate) -> Self {
        Self {
            issuer: issuer_code(certificate.issuer),
            profile: profile_code(certificate.profile),
            serial_number: certificate.serial_number.as_bytes().to_vec(),
            key: certificate.key.as_bytes().to_vec(),
            not_before_s: milliseconds(certificate.validity.not_before()) / 1000,
            not_after_s: milliseconds(certificate.validity.not_after()) / 1000,
            der: certificate.der.clone(),
            shard: certificate.shard,
            ..Self::default()
        }
    }

    fn certificate(self) -> Option<SignedCertificate> {
        let second = |second| UNIX_EPOCH.checked_add(Duration::from_secs(second));
        Some(SignedCertificate {
            issuer: issuer_of(self.issuer)?,
            profile: profile_of(self.profile)?,
            serial_number: serial_number(&self.serial_number)?,
            key: KeyFingerprint::from(<[u8; 32]>::try_from(self.key.as_slice()).ok()?),
            validity: Validity::new(second(self.not_before_s)?, second(self.not_after_s)?).ok()?,
            shard: self.shard,
            der: self.der,
        })
    }
}

impl UnitRecord {
    fn of(device: &DeviceId, serial_number: &SerialNumber) -> Self {
        let (device, serial_number) = (device.to_string(), serial_number.as_bytes().to_vec());
        Self { device, serial_number, ..Self::default() }
    }
}

impl TermsRecord {
    fn of(work_order: WorkOrderId, terms: &WorkOrderTerms) -> Self {
        let (pattern, manifest) = match &terms.serials {
            Serials::Pattern(pattern) => (pattern.to_string(), Vec::new()),
            Serials::Manifest(serials) => (String::new(), serials.iter().map(ToString::to_string).collect()),
        };
        Self {
            work_order: work_order.0,
            product: terms.product.to_string(),
            quantity: terms.quantity,
            profile: profile_code(terms.profile),
            pattern,
            manifest,
            stations: terms.stations.iter().map(ToString::to_string).collect(),
            opens_at_ms: terms.opens_at.map(milliseconds),
            closes_at_ms: terms.closes_at.map(milliseconds),
        }
    }

    fn terms(self) -> Option<WorkOrderTerms> {
        let serials = match self.pattern.as_str() {
            "" => Serials::Manifest(Arc::new(
                self.manifest.iter().map(|serial| serial.parse().ok()).collect::<Option<_>>()?,
            )),
            pattern => Serials::Pattern(pattern.parse().ok()?),
        };
        Some(WorkOrderTerms {
            product: self.product.parse().ok()?,
            quantity: self.quantity,
            profile: profile_of(self.profile)?,
            serials,
            stations: self.stations.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?,
            opens_at: self.opens_at_ms.and_then(time),
            closes_at: self.closes_at_ms.and_then(time),
        })
    }
}

pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

fn time(ms: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}

/// The outer `None`: it is no time.
fn optional_time(ms: Option<u64>) -> Option<Option<SystemTime>> {
    ms.map_or(Some(None), |ms| time(ms).map(Some))
}

fn octets(serial_numbers: &[SerialNumber]) -> Vec<Vec<u8>> {
    serial_numbers.iter().map(|serial_number| serial_number.as_bytes().to_vec()).collect()
}

fn serial_number(octets: &[u8]) -> Option<SerialNumber> {
    SerialNumber::try_from(octets).ok()
}

fn serial_numbers(octets: &[Vec<u8>]) -> Option<Vec<SerialNumber>> {
    octets.iter().map(|octets| serial_number(octets)).collect()
}

fn issuer_code(issuer: IssuerName) -> u32 {
    match issuer {
        IssuerName::Root => 1,
        IssuerName::Factory => 2,
        IssuerName::Operational => 3,
        IssuerName::Infrastructure => 4,
    }
}

fn issuer_of(code: u32) -> Option<IssuerName> {
    IssuerName::ALL.into_iter().find(|issuer| issuer_code(*issuer) == code)
}

fn profile_code(profile: ProfileName) -> u32 {
    match profile {
        ProfileName::Root => 1,
        ProfileName::FactoryCa => 2,
        ProfileName::OperationalCa => 3,
        ProfileName::InfrastructureCa => 4,
        ProfileName::Idevid => 5,
        ProfileName::Ldevid => 6,
        ProfileName::Service => 7,
        ProfileName::Station => 8,
        ProfileName::Operator => 9,
        ProfileName::RelyingParty => 10,
        ProfileName::OcspSigner => 11,
    }
}

fn profile_of(code: u32) -> Option<ProfileName> {
    ProfileName::ALL.into_iter().find(|profile| profile_code(*profile) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_kept_and_costs_an_entry_without_one_nothing() {
        let entry = Entry {
            number: EntryNumber(7),
            at: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            principal: Some("operator:admin".parse().unwrap()),
            request: None,
            content: [1; 32],
            remark: "stolen".to_owned(),
            event: Event::WorkOrderPaused { work_order: WorkOrderId(1) },
        };
        let silent = Entry { remark: String::new(), ..entry.clone() };
        let encoded = |entry: &Entry| {
            let mut bytes = Vec::new();
            encode(entry, &mut bytes);
            bytes
        };
        assert_eq!(decode(EntryNumber(7), &encoded(&entry)), Some(entry.clone()));
        assert_eq!(decode(EntryNumber(7), &encoded(&silent)), Some(silent.clone()));
        assert_eq!(encoded(&entry).len(), encoded(&silent).len() + 2 + entry.remark.len());
    }
}
