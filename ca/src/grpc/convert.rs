//! Between the wire and the words: incoming messages become values that were checked, or are refused naming the field; what is on
//! record becomes messages. Nothing unchecked goes further in.

mod units;
mod withdrawal;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authority::{
    BirthRequest, CREDENTIAL_NAMES_MAX, CertificateSelection, Condition, CredentialRequest,
    RECORDED_AHEAD_MAX, Refused, RenewalReason, RenewalTime, Trust,
};
use bytes::Bytes;
use identity::{
    DeviceId, DeviceSerial, Host, IssuerName, Principal, PrincipalName, ProfileName, RequestId,
    RevocationReason, Role, SerialNumber, is_unseen,
};
use issuance::{Certificate, Names};
use ledger::{
    CertificateStatus, Conflict, DeviceState, Holder, MANIFEST_SERIALS_MAX, STATIONS_MAX, SerialPattern,
    Serials, TermsRefusal, WorkOrderCounts, WorkOrderId, WorkOrderState, WorkOrderTerms,
};
use prost_types::Timestamp;
use proto::v1;
use store::{
    CertificateRecord, Cursor, DeviceFilter, DeviceRecord, PrincipalRecord, Released, WorkOrderRecord,
};

pub(super) use units::{units, units_asked};
pub(super) use withdrawal::{
    alarm, alarm_kind, feed_page, feed_place, list_name, list_piece, progress, revocation_request,
    rotation_request, selection, serial_numbers, state, survey,
};

pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Refused> {
    RequestId::try_from(bytes).map_err(|error| bad("request_id", error))
}

pub(super) fn work_order_id(field: &'static str, text: &str) -> Result<WorkOrderId, Refused> {
    text.parse().map_err(|error| bad(field, error))
}

pub(super) fn device_id(device: Option<v1::DeviceId>) -> Result<DeviceId, Refused> {
    let device = device.ok_or_else(|| bad("device", "is missing"))?;
    Ok(DeviceId {
        product: device.product.parse().map_err(|error| bad("device.product", error))?,
        serial: device.serial.parse().map_err(|error| bad("device.serial", error))?,
    })
}

pub(super) fn serial_number(bytes: &[u8]) -> Result<SerialNumber, Refused> {
    SerialNumber::try_from(bytes)
        .map_err(|_| bad("serial_number", "a certificate serial number has 16 bytes, the first 40 to 7f"))
}

pub(super) fn principal_name(field: &'static str, text: &str) -> Result<PrincipalName, Refused> {
    text.parse().map_err(|error| bad(field, error))
}

pub(super) fn role(role: i32) -> Result<Role, Refused> {
    match v1::Role::try_from(role) {
        Ok(v1::Role::Station) => Ok(Role::Station),
        Ok(v1::Role::Operator) => Ok(Role::Operator),
        Ok(v1::Role::RelyingParty) => Ok(Role::RelyingParty),
        Ok(v1::Role::Service) => Ok(Role::Service),
        Ok(v1::Role::Unspecified) | Err(_) => Err(bad("role", "is missing or unknown")),
    }
}

/// Empty means unspecified.
pub(super) fn revocation_reason(text: &str) -> Result<RevocationReason, Refused> {
    if text.is_empty() {
        return Ok(RevocationReason::Unspecified);
    }
    match text.parse().map_err(|error| bad("reason", error))? {
        RevocationReason::CertificateHold => {
            Err(bad("reason", "is not certificateHold: what is revoked here cannot be released"))
        }
        // RFC 5280, section 5.3.1, and ours: no principal is a CA.
        RevocationReason::CaCompromise => Err(bad("reason", "is not cACompromise: a principal is not a CA")),
        reason => Ok(reason),
    }
}

/// Text for people: no control characters and nothing else that is not seen, so that it can be shown and logged as it is.
pub(super) fn remark(field: &'static str, text: &str) -> Result<String, Refused> {
    if text.chars().count() > REMARK_CHARACTERS_MAX {
        return Err(bad(field, format_args!("has at most {REMARK_CHARACTERS_MAX} characters")));
    }
    if text.chars().any(is_unseen) {
        return Err(bad(field, "has no control characters and no invisible ones"));
    }
    Ok(text.to_owned())
}

/// Between 1970 and 9999 (RFC 5280, section 4.1.2.5: what a certificate can say).
pub(super) fn time(field: &'static str, time: Timestamp) -> Result<SystemTime, Refused> {
    let seconds = u64::try_from(time.seconds).ok().filter(|seconds| *seconds <= YEAR_9999_SECONDS);
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(UNIX_EPOCH + Duration::new(seconds, nanos)),
        _ => Err(bad(field, "is a time between the years 1970 and 9999")),
    }
}

pub(super) fn serial_manifest(serials: &[String]) -> Result<BTreeSet<DeviceSerial>, Refused> {
    if serials.len() as u64 > MANIFEST_SERIALS_MAX {
        return Err(Conflict::from(TermsRefusal::ManifestTooLong).into());
    }
    let mut manifest = BTreeSet::new();
    for text in serials {
        let serial: DeviceSerial = text.parse().map_err(|error| bad("manifest", error))?;
        if !manifest.insert(serial) {
            return Err(bad("manifest", format_args!("lists {text} twice")));
        }
    }
    Ok(manifest)
}

pub(super) fn stations(names: &[String]) -> Result<Vec<PrincipalName>, Refused> {
    if names.len() > STATIONS_MAX {
        return Err(Conflict::from(TermsRefusal::TooManyStations).into());
    }
    let mut stations = Vec::with_capacity(names.len());
    for name in names {
        let station = principal_name("stations", name)?;
        if stations.contains(&station) {
            return Err(bad("stations", format_args!("names {name} twice")));
        }
        stations.push(station);
    }
    Ok(stations)
}

/// Which part of a listing: where it starts, and how many rows.
pub(super) fn page(page: Option<v1::PageRequest>) -> Result<(Option<Cursor>, usize), Refused> {
    let page = page.unwrap_or_default();
    let rows = match page.size {
        0 => PAGE_ROWS_DEFAULT,
        size => usize::try_from(size).ok().filter(|rows| *rows <= PAGE_ROWS_MAX).ok_or_else(|| {
            bad("page.size", format_args!("is 1 to {PAGE_ROWS_MAX}, or 0 for {PAGE_ROWS_DEFAULT}"))
        })?,
    };
    let cursor = if page.cursor.is_empty() { None } else { Some(page.cursor.parse()?) };
    Ok((cursor, rows))
}

pub(super) fn birth_request(message: v1::IssueBirthCertificateRequest) -> Result<BirthRequest, Refused> {
    Ok(BirthRequest {
        request: request_id(&message.request_id)?,
        work_order: work_order_id("work_order", &message.work_order)?,
        device: device_id(message.device)?,
        csr: message.csr,
    })
}

pub(super) fn credential_request(message: v1::IssuePrincipalRequest) -> Result<CredentialRequest, Refused> {
    let role = role(message.role)?;
    if role != Role::Service && !message.names.is_empty() {
        return Err(bad("names", "are for a service only"));
    }
    Ok(CredentialRequest {
        request: request_id(&message.request_id)?,
        role,
        name: principal_name("name", &message.name)?,
        csr: message.csr.to_vec(),
        lifetime: lifetime(message.lifetime_days)?,
        names: names(&message.names)?,
    })
}

pub(super) fn work_order_terms(message: v1::CreateWorkOrderRequest) -> Result<WorkOrderTerms, Refused> {
    let serials =
        match message.serials.ok_or_else(|| bad("serials", "are missing: a pattern or a manifest"))? {
            v1::create_work_order_request::Serials::Pattern(text) => {
                Serials::Pattern(text.parse::<SerialPattern>().map_err(|error| bad("pattern", error))?)
            }
            v1::create_work_order_request::Serials::Manifest(manifest) => {
                Serials::Manifest(Arc::new(serial_manifest(&manifest.serials)?))
            }
        };
    let profile = match message.profile.as_str() {
        "" => ProfileName::Idevid,
        text => text.parse().map_err(|error| bad("profile", error))?,
    };
    Ok(WorkOrderTerms {
        product: message.product.parse().map_err(|error| bad("product", error))?,
        quantity: message.quantity,
        profile,
        serials,
        stations: stations(&message.stations)?,
        opens_at: message.opens_at.map(|at| time("opens_at", at)).transpose()?,
        closes_at: message.closes_at.map(|at| time("closes_at", at)).transpose()?,
    })
}

pub(super) fn device_filter(message: &v1::ListDevicesRequest) -> Result<DeviceFilter, Refused> {
    let product = Some(message.product.as_str()).filter(|text| !text.is_empty());
    let work_order = Some(message.work_order.as_str()).filter(|text| !text.is_empty());
    let text = Some(message.text.as_str()).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > SEARCHED_BYTES_MAX) {
        return Err(bad("text", format_args!("has at most {SEARCHED_BYTES_MAX} bytes")));
    }
    let state = match v1::DeviceState::try_from(message.state) {
        Ok(v1::DeviceState::Unspecified) => None,
        Ok(v1::DeviceState::Issued) => Some(DeviceState::Issued),
        Ok(v1::DeviceState::Provisioned) => Some(DeviceState::Provisioned),
        Ok(v1::DeviceState::Enrolled) => Some(DeviceState::Enrolled),
        Ok(v1::DeviceState::Scrapped) => Some(DeviceState::Scrapped),
        Ok(v1::DeviceState::Held) => Some(DeviceState::Held),
        Ok(v1::DeviceState::Retired) => Some(DeviceState::Retired),
        Ok(v1::DeviceState::Revoked) => Some(DeviceState::Revoked),
        Err(_) => return Err(bad("state", "is unknown")),
    };
    Ok(DeviceFilter {
        product: product.map(|text| text.parse().map_err(|error| bad("product", error))).transpose()?,
        work_order: work_order.map(|text| work_order_id("work_order", text)).transpose()?,
        state,
        text: text.map(str::to_owned),
    })
}

/// Devices that were not heard of since; `None`: whatever was heard of them.
pub(super) fn silent_since(message: &v1::ListDevicesRequest) -> Result<Option<SystemTime>, Refused> {
    let Some(since) = message.not_seen_since else { return Ok(None) };
    let filtered = !message.product.is_empty()
        || !message.work_order.is_empty()
        || !message.text.is_empty()
        || message.state != 0;
    if filtered {
        return Err(bad("not_seen_since", "is not for use together with other filters"));
    }
    time("not_seen_since", since).map(Some)
}

pub(super) fn certificate_selection(
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

/// The longest `product/serial` is shorter.
const SEARCHED_BYTES_MAX: usize = 128;

/// Zero means the profile's.
fn lifetime(days: u32) -> Result<Option<Duration>, Refused> {
    match days {
        0 => Ok(None),
        days if days <= LIFETIME_DAYS_MAX => Ok(Some(Duration::from_secs(u64::from(days) * 24 * 60 * 60))),
        _ => Err(bad("lifetime_days", format_args!("is at most {LIFETIME_DAYS_MAX}"))),
    }
}

/// Each a DNS name or the address of one host, as a certificate can have it.
fn names(names: &[String]) -> Result<Names, Refused> {
    if names.len() > CREDENTIAL_NAMES_MAX {
        return Err(bad("names", format_args!("are at most {CREDENTIAL_NAMES_MAX}")));
    }
    let mut checked = Names::default();
    for name in names {
        match name.parse::<Host>() {
            Ok(Host::Address(address)) => checked.addresses.push(address),
            Ok(Host::Name(name)) => checked.dns.push(name),
            Err(why) => return Err(bad("names", why)),
        }
    }
    Ok(checked)
}

pub(super) fn issued(released: &Released) -> v1::IssuedCertificate {
    v1::IssuedCertificate {
        certificate: Bytes::copy_from_slice(released.der()),
        serial_number: serial_number_bytes(released.serial_number()),
        ledger_entry: released.entry_number().0,
    }
}

pub(super) fn chain(certificates: &[&Certificate]) -> Vec<Bytes> {
    certificates.iter().map(|certificate| Bytes::copy_from_slice(certificate.der())).collect()
}

pub(super) fn trust_bundle(trust: &Trust) -> v1::TrustBundle {
    v1::TrustBundle {
        version: trust.version,
        anchors: trust.anchors.iter().map(|anchor| Bytes::copy_from_slice(anchor)).collect(),
    }
}

pub(super) fn counts(counts: WorkOrderCounts) -> v1::WorkOrderCounts {
    let WorkOrderCounts { issued, confirmed, scrapped, reworked } = counts;
    v1::WorkOrderCounts { issued, confirmed, scrapped, reworked }
}

pub(super) fn work_order(order: &WorkOrderRecord) -> v1::WorkOrder {
    let terms = &order.terms;
    let state = match order.state {
        WorkOrderState::Open => v1::WorkOrderState::Open,
        WorkOrderState::Paused => v1::WorkOrderState::Paused,
        WorkOrderState::Closed => v1::WorkOrderState::Closed,
    };
    v1::WorkOrder {
        id: order.id.to_string(),
        product: terms.product.to_string(),
        quantity: terms.quantity,
        profile: terms.profile.to_string(),
        serials: Some(match &terms.serials {
            Serials::Pattern(pattern) => v1::work_order::Serials::Pattern(pattern.to_string()),
            Serials::Manifest(serials) => v1::work_order::Serials::ManifestLength(serials.len() as u64),
        }),
        stations: terms.stations.iter().map(ToString::to_string).collect(),
        opens_at: terms.opens_at.map(timestamp),
        closes_at: terms.closes_at.map(timestamp),
        state: state.into(),
        counts: Some(counts(order.counts)),
        created_at: Some(timestamp(order.created_at)),
        created_by: order.created_by.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

pub(super) fn device(record: &DeviceRecord) -> v1::Device {
    let state = match record.state {
        DeviceState::Issued => v1::DeviceState::Issued,
        DeviceState::Provisioned => v1::DeviceState::Provisioned,
        DeviceState::Enrolled => v1::DeviceState::Enrolled,
        DeviceState::Scrapped => v1::DeviceState::Scrapped,
        DeviceState::Held => v1::DeviceState::Held,
        DeviceState::Retired => v1::DeviceState::Retired,
        DeviceState::Revoked => v1::DeviceState::Revoked,
    };
    v1::Device {
        id: Some(device_message(&record.id)),
        state: state.into(),
        work_order: record.work_order.to_string(),
        station: record.station.as_ref().map(ToString::to_string).unwrap_or_default(),
        born_at: Some(timestamp(record.born_at)),
        birth_serial_number: serial_number_bytes(record.birth),
        operational_serial_number: record.operational.map(serial_number_bytes).unwrap_or_default(),
        last_seen_at: Some(timestamp(record.last_seen)),
        rework_allowed: record.rework,
        held: record.held,
    }
}

/// Certificates with those of them that each authorised.
pub(super) fn family(records: &[CertificateRecord]) -> Vec<v1::CertificateSummary> {
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

pub(super) fn serial_bytes(numbers: Vec<SerialNumber>) -> Vec<Bytes> {
    numbers.into_iter().map(serial_number_bytes).collect()
}

pub(super) fn certificate(record: &CertificateRecord) -> v1::CertificateSummary {
    let (certificate, entry, revocation) = (record.certificate(), record.entry(), record.revocation());
    let (device, principal) = match record.holder() {
        Some(Holder::Principal(Principal::Device(device))) => (Some(device_message(&device)), String::new()),
        Some(Holder::Principal(principal)) => (None, principal.to_string()),
        Some(Holder::Issuer(_)) | None => (None, String::new()),
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

pub(super) fn principal(record: &PrincipalRecord) -> v1::Principal {
    let role = match record.role {
        Role::Station => v1::Role::Station,
        Role::Operator => v1::Role::Operator,
        Role::RelyingParty => v1::Role::RelyingParty,
        Role::Service => v1::Role::Service,
    };
    v1::Principal {
        role: role.into(),
        name: record.name.to_string(),
        credential: Some(certificate(&record.credential)),
        active: record.active,
        created_at: Some(timestamp(record.created_at)),
    }
}

pub(super) fn condition(condition: &Condition) -> v1::GetConditionResponse {
    let ends = condition
        .ends
        .iter()
        .map(|end| v1::CertificateEnd { name: end.name.clone(), not_after: Some(timestamp(end.not_after)) });
    let ahead = condition.recorded_ahead.iter().take(RECORDED_AHEAD_MAX);
    let without_der = |record| v1::CertificateSummary { certificate: Bytes::new(), ..certificate(record) };
    v1::GetConditionResponse {
        time: Some(timestamp(condition.time)),
        clock_doubt: condition.doubt.map(|doubt| doubt.to_string()).unwrap_or_default(),
        ends: ends.collect(),
        recorded_ahead: ahead.map(without_der).collect(),
        more_recorded_ahead: condition.recorded_ahead.len() > RECORDED_AHEAD_MAX,
        troubles: Vec::new(),
    }
}

pub(super) fn trouble(trouble: super::Trouble) -> v1::Trouble {
    v1::Trouble {
        what: trouble.what.to_owned(),
        urgent: trouble.urgent,
        finding: trouble.finding,
        next: trouble.next.to_owned(),
    }
}

pub(super) fn renewal_time(time: RenewalTime, now: SystemTime) -> v1::GetRenewalInfoResponse {
    let reason = match time.reason {
        RenewalReason::Scheduled => "scheduled",
        RenewalReason::RotationRequested => "rotation requested",
        RenewalReason::Superseded => "superseded",
        RenewalReason::NotYetValid => "not yet valid",
        RenewalReason::IssuerEnds => "issuer ends",
    };
    v1::GetRenewalInfoResponse {
        window_start: Some(timestamp(time.start)),
        window_end: Some(timestamp(time.end)),
        reason: reason.to_owned(),
        retry_after: Some(duration(time.retry_after)),
        explanation: time.explanation,
        server_time: Some(timestamp(now)),
    }
}

fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

pub(super) fn next_cursor(next: Option<&Cursor>) -> String {
    next.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn device_message(device: &DeviceId) -> v1::DeviceId {
    v1::DeviceId { product: device.product.to_string(), serial: device.serial.to_string() }
}

/// A time before 1970 becomes 1970: none is on record.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_epoch.subsec_nanos()).unwrap_or_default(),
    }
}

fn serial_number_bytes(number: SerialNumber) -> Bytes {
    Bytes::copy_from_slice(number.as_bytes())
}

fn bad(field: &'static str, what: impl ToString) -> Refused {
    Refused::Request { field, what: what.to_string() }
}

/// The longest life of a credential that can be asked for: a century; the profile says less.
const LIFETIME_DAYS_MAX: u32 = 36_525;

/// The longest reason for a scrapped unit: a sentence or two.
const REMARK_CHARACTERS_MAX: usize = 256;

/// Rows of a page whose size was not said.
const PAGE_ROWS_DEFAULT: usize = 100;

/// The most rows of a page: with certificates about 1.5 MB, below the 4 MiB that gRPC clients take by default.
const PAGE_ROWS_MAX: usize = 1_000;

/// 9999-12-31T23:59:59Z.
const YEAR_9999_SECONDS: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_withdrawn_for_a_reason_that_holds_for_ever() {
        assert_eq!(revocation_reason("").unwrap(), RevocationReason::Unspecified);
        assert_eq!(revocation_reason("keyCompromise").unwrap(), RevocationReason::KeyCompromise);
        for reason in ["certificateHold", "cACompromise", "removeFromCRL", "KEYCOMPROMISE", "1"] {
            assert_eq!(revocation_reason(reason).unwrap_err().reason(), "REQUEST_INVALID", "{reason}");
        }
    }
}
