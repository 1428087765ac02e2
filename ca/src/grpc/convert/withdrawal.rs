//! Selections, withdrawals, and what is told of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authority::{
    FeedPage, FeedPlace, ROTATION_SPREAD_MAX, Refused, RevocationProgress, RevocationRequest, RotationRequest,
};
use bytes::Bytes;
use identity::{IssuerName, KeyFingerprint, RevocationReason, SerialNumber};
use ledger::{AlarmKind, CertificateStatus, Clash, Event, Holder, Selection};
use proto::v1;
use publication::{Crl, CrlId};
use store::{AlarmRecord, ChangedStatus, Revocation, RevocationChange, StatusRecord, StoreError, Survey};

use super::{bad, device_id, device_message, principal_name, remark, request_id, serial_number};
use super::{serial_number_bytes, time, timestamp, work_order_id};

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
        reason: super::revocation_reason(&message.reason)?,
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

pub(in crate::grpc) fn alarm_kind(kind: i32) -> Result<Option<AlarmKind>, Refused> {
    match v1::AlarmKind::try_from(kind) {
        Ok(v1::AlarmKind::Unspecified) => Ok(None),
        Ok(v1::AlarmKind::Fork) => Ok(Some(AlarmKind::Fork)),
        Ok(v1::AlarmKind::Duplicate) => Ok(Some(AlarmKind::Duplicate)),
        Err(_) => Err(bad("kind", "is unknown")),
    }
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

/// Empty: before everything.
pub(in crate::grpc) fn feed_place(cursor: &str) -> Result<Option<FeedPlace>, Refused> {
    if cursor.is_empty() {
        return Ok(None);
    }
    cursor.parse().map(Some).map_err(|error: StoreError| error.into())
}

/// Which list is asked for.
pub(in crate::grpc) fn list_name(message: &v1::GetCrlRequest) -> Result<CrlId, Refused> {
    let issuer = message.issuer.parse::<IssuerName>().ok();
    let issuer = issuer
        .ok_or_else(|| bad("issuer", format_args!("is factory, operational, infrastructure or root")))?;
    Ok(CrlId { issuer, shard: message.shard })
}

/// A piece of a list; the first one says what the whole is.
pub(in crate::grpc) fn list_piece(list: &Crl, chunk: Bytes, first: bool) -> v1::GetCrlResponse {
    if !first {
        return v1::GetCrlResponse { chunk, ..v1::GetCrlResponse::default() };
    }
    let (epoch, counter) = list.number.parts();
    let number = u128::from(epoch) << 64 | u128::from(counter);
    let number: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
    v1::GetCrlResponse {
        chunk,
        number: number.into(),
        this_update: Some(list.this_update.into()),
        next_update: Some(list.next_update.into()),
        length: list.length(),
    }
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

pub(in crate::grpc) fn feed_page(page: &FeedPage) -> v1::WatchRevocationsResponse {
    v1::WatchRevocationsResponse {
        events: page.changes.iter().map(event).collect(),
        cursor: page.next.to_string(),
        caught_up: page.caught_up,
    }
}

fn event(change: &RevocationChange) -> v1::RevocationEvent {
    let (state, revocation) = match change.status {
        ChangedStatus::RevokedOrHeld(revocation)
            if revocation.reason == RevocationReason::CertificateHold =>
        {
            (v1::RevocationState::Held, Some(revocation))
        }
        ChangedStatus::RevokedOrHeld(revocation) => (v1::RevocationState::Revoked, Some(revocation)),
        ChangedStatus::Released => (v1::RevocationState::Good, None),
    };
    let at = revocation.map_or(change.at, |Revocation { at, .. }| at);
    v1::RevocationEvent {
        serial_number: serial_number_bytes(change.serial_number),
        state: state.into(),
        at: Some(timestamp(at)),
        reason: revocation.map(|revocation| revocation.reason.to_string()).unwrap_or_default(),
        invalidity_date: revocation.and_then(|revocation| revocation.invalidity_date).map(timestamp),
        issuer: change.issuer.to_string(),
        shard: change.shard,
        device: change.device.as_ref().map(device_message),
        ledger_entry: change.position.entry.0,
    }
}

/// `None` for an entry that raises no alarm.
pub(in crate::grpc) fn alarm(record: &AlarmRecord) -> Option<v1::Alarm> {
    let entry = record.entry();
    let common = v1::Alarm {
        at: Some(timestamp(entry.at)),
        reported_by: entry.principal.as_ref().map(ToString::to_string).unwrap_or_default(),
        ledger_entry: entry.number.0,
        ..v1::Alarm::default()
    };
    match &entry.event {
        Event::ForkDetected { device, parent, child, held, .. } => Some(v1::Alarm {
            kind: v1::AlarmKind::Fork.into(),
            device: Some(device_message(device)),
            serial_number: serial_number_bytes(*parent),
            child_serial_number: serial_number_bytes(*child),
            held: *held,
            ..common
        }),
        Event::DuplicateRefused { device, other, certificate, what } => Some(v1::Alarm {
            kind: v1::AlarmKind::Duplicate.into(),
            device: Some(device_message(device)),
            other: match other {
                Holder::Principal(principal) => principal.to_string(),
                Holder::Issuer(issuer) => format!("issuer:{issuer}"),
            },
            serial_number: serial_number_bytes(*certificate),
            clash: match what {
                Clash::Key => v1::Clash::Key,
                Clash::Serial => v1::Clash::Serial,
                Clash::Prime => v1::Clash::Prime,
            }
            .into(),
            ..common
        }),
        _ => None,
    }
}

/// 9999-12-31T23:59:59Z, later than anything on record.
fn end_of_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(super::YEAR_9999_SECONDS)
}

/// The most serial numbers that are asked for at once: a broker that looks at all its sessions asks a few times.
const STATUSES_MAX: usize = 1_000;

/// The most products that are shown of a selection.
const PRODUCTS_MAX: usize = 1_000;
