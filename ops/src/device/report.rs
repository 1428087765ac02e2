//! What deserves a look: certificates that end soon, devices that are silent, forks and duplicates.

use std::time::{Duration, SystemTime};

use identity::{Clock, SystemClock};
use proto::v1 as wire;
use serde::Serialize;

use super::{DeviceView, ask, client, name};
use crate::arguments::PageArguments;
use crate::certificate::serial_text;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::paging::Listing;
use crate::table::{always, short};
use crate::timestamp;

/// Devices whose certificate in use ends soon.
///
/// # Errors
/// As the CA answers.
pub(super) async fn expiring(
    within: Duration,
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let until = timestamp::to_wire(later(now, within)?);
    let client = client(connection).await?;
    let listing = Listing {
        columns: &[
            always("DEVICE"),
            always("ENDS"),
            always("DAYS LEFT"),
            always("STATUS"),
            short("CERTIFICATE").spare(2),
            always("WORK ORDER").spare(1),
        ],
        cells: |row: &Expiring| {
            vec![
                row.device.clone(),
                row.not_after.clone().unwrap_or_default(),
                row.days_left.to_string(),
                row.status.to_owned(),
                row.serial_number.clone().unwrap_or_default(),
                row.work_order.clone(),
            ]
        },
    };
    let list = |page| {
        let mut client = client.clone();
        let selection = wire::list_certificates_request::Selection::ExpiringBefore(until);
        async move {
            let request = wire::ListCertificatesRequest { selection: Some(selection), page: Some(page) };
            let answer = client.list_certificates(request).await?.into_inner();
            Ok((answer.certificates, answer.next_cursor))
        }
    };
    listing.print(page, output, list, |certificate| Expiring::of(certificate, now)).await
}

/// Devices that have not called for a while.
///
/// # Errors
/// As the CA answers.
pub(super) async fn not_seen(
    since: Option<SystemTime>,
    span: Duration,
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let since = match since {
        Some(since) => since,
        None => SystemClock
            .now()
            .checked_sub(span)
            .ok_or_else(|| Failure::usage("--for reaches back to before there was time"))?,
    };
    let filter = wire::ListDevicesRequest {
        not_seen_since: Some(timestamp::to_wire(since)),
        ..wire::ListDevicesRequest::default()
    };
    let client = client(connection).await?;
    let listing = Listing {
        columns: &[
            always("DEVICE"),
            always("LAST SEEN"),
            always("STATE"),
            always("BORN").spare(3),
            always("WORK ORDER").spare(1),
            always("STATION").spare(2),
        ],
        cells: |device: &DeviceView| {
            vec![
                device.device.clone(),
                device.last_seen_at.clone().unwrap_or_else(|| "never".to_owned()),
                device.state.to_owned(),
                device.born_at.clone().unwrap_or_else(|| "-".to_owned()),
                device.work_order.clone(),
                device.station.clone(),
            ]
        },
    };
    let view = |device| Some(DeviceView::from(device));
    listing.print(page, output, |page| ask(&client, &filter, page), view).await
}

/// Certificates that asked for a second child while the first was in use.
///
/// # Errors
/// As the CA answers.
pub(super) async fn forks(
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let listing = Listing {
        columns: &[
            always("AT"),
            always("DEVICE"),
            always("HELD"),
            short("ASKED AGAIN"),
            short("IN USE INSTEAD").spare(1),
            always("LEDGER ENTRY").spare(2),
        ],
        cells: |alarm: &AlarmView| {
            vec![
                alarm.at.clone().unwrap_or_default(),
                alarm.device.clone(),
                if alarm.held { "yes" } else { "no" }.to_owned(),
                alarm.serial_number.clone().unwrap_or_default(),
                alarm.child_serial_number.clone().unwrap_or_default(),
                alarm.ledger_entry.to_string(),
            ]
        },
    };
    alarms(wire::AlarmKind::Fork, page, connection, output, &listing).await
}

/// Keys and serial numbers that two units claimed, and RSA keys with a common prime.
///
/// # Errors
/// As the CA answers.
pub(super) async fn duplicates(
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let listing = Listing {
        columns: &[
            always("AT"),
            always("DEVICE"),
            always("WHAT"),
            always("ALREADY OF"),
            short("BY CERTIFICATE").spare(1),
            always("REPORTED BY").spare(2),
            always("LEDGER ENTRY").spare(3),
        ],
        cells: |alarm: &AlarmView| {
            vec![
                alarm.at.clone().unwrap_or_default(),
                alarm.device.clone(),
                alarm.kind.to_owned(),
                alarm.other.clone(),
                alarm.serial_number.clone().unwrap_or_else(|| "-".to_owned()),
                alarm.reported_by.clone(),
                alarm.ledger_entry.to_string(),
            ]
        },
    };
    alarms(wire::AlarmKind::Duplicate, page, connection, output, &listing).await
}

/// Lists alarms of a kind.
async fn alarms(
    kind: wire::AlarmKind,
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
    listing: &Listing<'_, AlarmView>,
) -> Result<(), Failure> {
    let client = client(connection).await?;
    let list = |page| {
        let mut client = client.clone();
        async move {
            let request = wire::ListAlarmsRequest { kind: kind.into(), page: Some(page) };
            let answer = client.list_alarms(request).await?.into_inner();
            Ok((answer.alarms, answer.next_cursor))
        }
    };
    listing.print(page, output, list, |alarm| Some(AlarmView::from(alarm))).await
}

fn later(now: SystemTime, span: Duration) -> Result<SystemTime, Failure> {
    now.checked_add(span).ok_or_else(|| Failure::usage("--within reaches beyond the end of time"))
}

/// A device whose certificate ends soon.
#[derive(Debug, Serialize)]
struct Expiring {
    device: String,
    not_after: Option<String>,
    /// Whole days; negative when it has ended.
    days_left: i64,
    status: &'static str,
    serial_number: Option<String>,
    work_order: String,
}

impl Expiring {
    /// `None` for what nobody has to act on: principals have their own listing, and what is revoked or superseded may end.
    fn of(certificate: wire::CertificateSummary, now: SystemTime) -> Option<Self> {
        let status = match certificate.status() {
            wire::CertificateStatus::Issued => "issued",
            wire::CertificateStatus::InUse => "in use",
            wire::CertificateStatus::Held => "held",
            wire::CertificateStatus::Unspecified
            | wire::CertificateStatus::Revoked
            | wire::CertificateStatus::Superseded => return None,
        };
        let ends = timestamp::system(certificate.not_after.as_ref())?;
        Some(Self {
            device: name(certificate.device.as_ref()?),
            not_after: timestamp::text(certificate.not_after.as_ref()),
            days_left: timestamp::days_between(now, ends),
            status,
            serial_number: serial_text(&certificate.serial_number),
            work_order: certificate.work_order,
        })
    }
}

/// Something that looked like a clone or a mistake.
#[derive(Debug, Serialize)]
struct AlarmView {
    kind: &'static str,
    at: Option<String>,
    device: String,
    other: String,
    /// For a fork: the certificate that asked again. For a duplicate: the one that has the key, serial number or prime too.
    serial_number: Option<String>,
    child_serial_number: Option<String>,
    held: bool,
    reported_by: String,
    ledger_entry: u64,
}

impl From<wire::Alarm> for AlarmView {
    fn from(alarm: wire::Alarm) -> Self {
        let kind = match (alarm.kind(), alarm.clash()) {
            (wire::AlarmKind::Fork, _) => "fork",
            (wire::AlarmKind::Duplicate, wire::Clash::Key) => "same key",
            (wire::AlarmKind::Duplicate, wire::Clash::Serial) => "same serial number",
            (wire::AlarmKind::Duplicate, wire::Clash::Prime) => "shared prime",
            _ => "unknown",
        };
        Self {
            kind,
            at: timestamp::text(alarm.at.as_ref()),
            device: alarm.device.as_ref().map(name).unwrap_or_default(),
            other: alarm.other,
            serial_number: serial_text(&alarm.serial_number),
            child_serial_number: serial_text(&alarm.child_serial_number),
            held: alarm.held,
            reported_by: alarm.reported_by,
            ledger_entry: alarm.ledger_entry,
        }
    }
}
