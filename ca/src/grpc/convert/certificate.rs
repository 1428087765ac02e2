//! Certificates: issued ones, listings, chains and roots.

use std::collections::HashMap;
use std::time::SystemTime;

use authority::{BirthRequest, CertificateSelection, Refused, TrustBundle};
use bytes::Bytes;
use identity::{IssuerName, Principal, SerialNumber};
use issuance::Certificate;
use ledger::{CertificateStatus, Holder};
use proto::v1;
use store::{CertificateRecord, Released};

use super::device::{device_id, device_message};
use super::time::{time, timestamp, whole_milliseconds};
use super::work_order::work_order_id;
use super::{bad, request_id, words};

pub(in crate::grpc) fn serial_number(bytes: &[u8]) -> Result<SerialNumber, Refused> {
    SerialNumber::try_from(bytes)
        .map_err(|_| bad("serial_number", "a certificate serial number has 16 bytes, the first 40 to 7f"))
}

pub(in crate::grpc) fn certificate_selection(
    selection: Option<v1::list_certificates_request::Selection>,
) -> Result<CertificateSelection, Refused> {
    use v1::list_certificates_request::Selection;
    Ok(match selection.ok_or_else(|| bad("selection", "is missing"))? {
        Selection::SerialNumber(bytes) => CertificateSelection::One(serial_number(&bytes)?),
        Selection::Device(device) => CertificateSelection::Of(Principal::Device(device_id(Some(device))?)),
        Selection::Principal(text) => {
            CertificateSelection::Of(text.parse().map_err(|error| bad("principal", error))?)
        }
        Selection::ExpiringBefore(at) => CertificateSelection::ExpiringBefore(time("expiring_before", at)?),
        Selection::All(all) => {
            let issuer = Some(all.issuer.as_str()).filter(|text| !text.is_empty());
            let named = |text: &str| text.parse::<IssuerName>().ok();
            let issuer = issuer.map(|text| named(text).ok_or_else(|| bad("issuer", "is unknown")));
            CertificateSelection::All(issuer.transpose()?)
        }
    })
}

pub(in crate::grpc) fn birth_request(
    message: v1::IssueBirthCertificateRequest,
) -> Result<BirthRequest, Refused> {
    Ok(BirthRequest {
        request: request_id(&message.request_id)?,
        work_order: work_order_id("work_order", &message.work_order)?,
        device: device_id(message.device)?,
        csr: message.csr,
        made_at: message.deferral.map(made_at).transpose()?,
        shift: words("shift", &message.shift, SHIFT_CHARACTERS_MAX)?,
        operator: words("operator", &message.operator, OPERATOR_CHARACTERS_MAX)?,
    })
}

fn made_at(deferral: v1::Deferral) -> Result<SystemTime, Refused> {
    match deferral.made_at {
        Some(made_at) => Ok(whole_milliseconds(time("deferral.made_at", made_at)?)),
        None => Err(bad("deferral.made_at", "is missing")),
    }
}

pub(in crate::grpc) fn issued(released: &Released) -> v1::IssuedCertificate {
    v1::IssuedCertificate {
        certificate: Bytes::copy_from_slice(released.der()),
        serial_number: serial_number_bytes(released.serial_number()),
        ledger_entry: released.entry_number().0,
    }
}

pub(in crate::grpc) fn chain(certificates: &[&Certificate]) -> Vec<Bytes> {
    certificates.iter().map(|certificate| Bytes::copy_from_slice(certificate.der())).collect()
}

pub(in crate::grpc) fn trust_bundle(trust: &TrustBundle) -> v1::TrustBundle {
    v1::TrustBundle {
        version: trust.version,
        anchors: trust.anchors.iter().map(|anchor| Bytes::copy_from_slice(anchor)).collect(),
    }
}

/// Certificates, each with those of them that it authorised.
pub(in crate::grpc) fn family(records: &[CertificateRecord]) -> Vec<v1::CertificateSummary> {
    let mut children: HashMap<SerialNumber, Vec<SerialNumber>> = HashMap::new();
    for record in records {
        if let Some(parent) = record.parent() {
            children.entry(parent).or_default().push(record.certificate().serial_number);
        }
    }
    let with_children = |record: &CertificateRecord| v1::CertificateSummary {
        child_serial_numbers: serial_bytes(
            children.remove(&record.certificate().serial_number).unwrap_or_default(),
        ),
        ..certificate(record)
    };
    records.iter().map(with_children).collect()
}

pub(super) fn certificate(record: &CertificateRecord) -> v1::CertificateSummary {
    let (certificate, entry, revocation) = (record.certificate(), record.entry(), record.revocation());
    let (device, principal) = match record.holder() {
        Some(Holder::Principal(Principal::Device(device))) => (Some(device_message(&device)), String::new()),
        Some(Holder::Principal(principal)) => (None, principal.to_string()),
        Some(Holder::Issuer(_) | Holder::DocumentSigner) | None => (None, String::new()),
    };
    let status = match record.status() {
        CertificateStatus::Issued => v1::CertificateStatus::Issued,
        CertificateStatus::InUse => v1::CertificateStatus::InUse,
        CertificateStatus::Revoked => v1::CertificateStatus::Revoked,
        CertificateStatus::Superseded => v1::CertificateStatus::Superseded,
        CertificateStatus::Held => v1::CertificateStatus::Held,
    };
    v1::CertificateSummary {
        serial_number: serial_number_bytes(certificate.serial_number),
        issuer: certificate.issuer.to_string(),
        profile: certificate.profile.to_string(),
        device,
        principal,
        not_before: Some(timestamp(certificate.validity.not_before())),
        not_after: Some(timestamp(certificate.validity.not_after())),
        status: status.into(),
        ledger_entry: entry.number.0,
        certificate: certificate.der.clone(),
        key_fingerprint: Bytes::copy_from_slice(certificate.key.as_bytes()),
        work_order: record.work_order().map(|id| id.to_string()).unwrap_or_default(),
        requested_by: entry.principal.as_ref().map(ToString::to_string).unwrap_or_default(),
        child_serial_numbers: Vec::new(),
        ends_at: record.ends().map(timestamp),
        shard: certificate.shard,
        invalidity_date: revocation.and_then(|revocation| revocation.invalidity_date).map(timestamp),
        revoked_at: revocation.map(|revocation| timestamp(revocation.at)),
        revocation_reason: revocation.map(|revocation| revocation.reason.to_string()).unwrap_or_default(),
        parent_serial_number: record.parent().map(serial_number_bytes).unwrap_or_default(),
    }
}

pub(in crate::grpc) fn serial_bytes(numbers: Vec<SerialNumber>) -> Vec<Bytes> {
    numbers.into_iter().map(serial_number_bytes).collect()
}

pub(super) fn serial_number_bytes(number: SerialNumber) -> Bytes {
    Bytes::copy_from_slice(number.as_bytes())
}

/// What the wire allows the name of a shift.
const SHIFT_CHARACTERS_MAX: usize = 32;

/// What the wire allows the name of who makes a unit.
const OPERATOR_CHARACTERS_MAX: usize = 64;
