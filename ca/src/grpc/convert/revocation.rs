//! Selections, revocations, rotations, and the status of certificates.

use std::time::{Duration, UNIX_EPOCH};

use authority::{ROTATION_SPREAD_MAX, Refused, RevocationProgress, RevocationRequest, RotationRequest};
use identity::{KeyFingerprint, SerialNumber};
use ledger::{CertificateStatus, Selection};
use proto::v1;
use store::{StatusRecord, Survey};

use super::certificate::{serial_number, serial_number_bytes};
use super::device::device_id;
use super::principal::{principal_name, revocation_reason};
use super::time::{end_of_time, time, timestamp};
use super::work_order::work_order_id;
use super::{bad, remark, request_id};

pub(in crate::grpc) fn selection(message: Option<v1::Selection>) -> Result<Selection, Refused> {
    use v1::selection::By;
    let by = message.and_then(|message| message.by).ok_or_else(|| bad("selection", "is missing"))?;
    Ok(match by {
        By::Device(device) => Selection::Device(device_id(Some(device))?),
        By::SerialNumber(bytes) => Selection::Certificate(serial_number(&bytes)?),
        By::Lineage(bytes) => Selection::Lineage(serial_number(&bytes)?),
        By::WorkOrder(text) => Selection::WorkOrder(work_order_id("work_order", &text)?),
        By::Product(text) => Selection::Product(text.parse().map_err(|error| bad("product", error))?),
        By::Station(text) => Selection::Station(principal_name("station", &text)?),
        By::Issued(v1::IssuedDuring { from, until }) => {
            let from = from.map_or(Ok(UNIX_EPOCH), |from| time("issued.from", from))?;
            let until = until.map_or_else(|| Ok(end_of_time()), |until| time("issued.until", until))?;
            if from >= until {
                return Err(bad("issued", "ends before it begins"));
            }
            Selection::Issued { from, until }
        }
        By::KeyFingerprint(bytes) => {
            let bytes =
                <[u8; 32]>::try_from(bytes.as_ref()).map_err(|_| bad("key_fingerprint", "has 32 bytes"))?;
            Selection::Key(KeyFingerprint::from(bytes))
        }
    })
}

pub(in crate::grpc) fn revocation_request(message: v1::RevokeRequest) -> Result<RevocationRequest, Refused> {
    Ok(RevocationRequest {
        request: request_id(&message.request_id)?,
        selection: selection(message.selection)?,
        reason: revocation_reason(&message.reason)?,
        invalidity_date: message.invalidity_date.map(|at| time("invalidity_date", at)).transpose()?,
        expected: message.expected_certificates,
        remark: remark("remark", &message.remark)?,
    })
}

pub(in crate::grpc) fn rotation_request(
    message: v1::RequestRotationRequest,
) -> Result<RotationRequest, Refused> {
    let spread = message.spread.unwrap_or_default();
    let seconds = u64::try_from(spread.seconds).ok().map(Duration::from_secs);
    let spread = seconds.filter(|spread| *spread <= ROTATION_SPREAD_MAX);
    Ok(RotationRequest {
        request: request_id(&message.request_id)?,
        selection: selection(message.selection)?,
        spread: spread.ok_or_else(|| bad("spread", "is 0 to 30 days"))?,
        remark: remark("remark", &message.remark)?,
    })
}

/// 1 to [`STATUSES_MAX`].
pub(in crate::grpc) fn serial_numbers(
    message: &v1::CheckStatusRequest,
) -> Result<Vec<SerialNumber>, Refused> {
    if !(1..=STATUSES_MAX).contains(&message.serial_numbers.len()) {
        return Err(bad("serial_numbers", format_args!("are 1 to {STATUSES_MAX}")));
    }
    message.serial_numbers.iter().map(|bytes| serial_number(bytes)).collect()
}

pub(in crate::grpc) fn survey(survey: &Survey) -> v1::PreviewSelectionResponse {
    let products = survey.products.iter().take(PRODUCTS_MAX).map(|(product, count)| v1::ProductCount {
        product: product.to_string(),
        devices: count.devices,
        certificates: count.certificates,
    });
    v1::PreviewSelectionResponse {
        certificates: survey.certificates,
        devices: survey.devices,
        products: products.collect(),
        last_seen_oldest: survey.last_seen_oldest.map(timestamp),
        last_seen_newest: survey.last_seen_newest.map(timestamp),
    }
}

pub(in crate::grpc) fn progress(progress: &RevocationProgress) -> v1::RevokeProgress {
    v1::RevokeProgress {
        revoked: progress.revoked,
        total: progress.total,
        done: progress.done,
        ledger_entry: progress.entry.0,
        job: progress.job.map(|job| job.to_string()).unwrap_or_default(),
    }
}

pub(in crate::grpc) fn state(
    serial_number: SerialNumber,
    status: Option<&StatusRecord>,
) -> v1::CertificateState {
    let state = match status.map(|status| status.status) {
        None => v1::RevocationState::Unknown,
        Some(CertificateStatus::Issued | CertificateStatus::InUse | CertificateStatus::Superseded) => {
            v1::RevocationState::Good
        }
        Some(CertificateStatus::Held) => v1::RevocationState::Held,
        Some(CertificateStatus::Revoked) => v1::RevocationState::Revoked,
    };
    let revocation = status.and_then(|status| status.revocation);
    v1::CertificateState {
        serial_number: serial_number_bytes(serial_number),
        state: state.into(),
        revoked_at: revocation.map(|revocation| timestamp(revocation.at)),
        reason: revocation.map(|revocation| revocation.reason.to_string()).unwrap_or_default(),
        invalidity_date: revocation.and_then(|revocation| revocation.invalidity_date).map(timestamp),
        issuer: status.map(|status| status.issuer.to_string()).unwrap_or_default(),
    }
}

const STATUSES_MAX: usize = 1_000;
const PRODUCTS_MAX: usize = 1_000;
