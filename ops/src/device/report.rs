//! Reports about devices: certificates that end soon, silent devices, forks and duplicates.

use std::time::{Duration, SystemTime};

use identity::{Clock, SystemClock};
use proto::v1 as wire;
use proto::v1::list_certificates_request::Selection;
use serde::Serialize;

use super::list_page;
use crate::arguments::PageArguments;
use crate::certificate::list_page as list_certificates;
use crate::failure::Failure;
use crate::table::{Column, always, short, spare};
use crate::view::{AlarmView, DeviceView, device_name, or_dash, serial_text, word};
use crate::{Context, paging, timestamp};

pub(super) async fn expiring(
    within: Duration,
    page: &PageArguments,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let until = now.checked_add(within);
    let until =
        timestamp::to_wire(until.ok_or_else(|| Failure::usage("--within reaches beyond the end of time"))?);
    let client = &context.connection.lifecycle().await?;
    let ask = async |page| list_certificates(client, Selection::ExpiringBefore(until), page).await;
    let view = |certificate| Expiring::of(certificate, now);
    paging::print_some(EXPIRING, page, context.output, ask, view, async || Ok(())).await
}

const EXPIRING: &[Column<Expiring>] = &[
    always("DEVICE", |row| row.device.clone()),
    always("ENDS", |row| row.not_after.clone().unwrap_or_default()),
    always("DAYS LEFT", |row| row.days_left.to_string()),
    always("STATUS", |row| row.status.clone()),
    spare(2, short("CERTIFICATE", |row| row.serial_number.clone().unwrap_or_default())),
    spare(1, always("WORK ORDER", |row| row.work_order.clone())),
];

pub(super) async fn not_seen(
    since: Option<SystemTime>,
    span: Duration,
    page: &PageArguments,
    context: &mut Context<'_>,
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
    let client = &context.connection.lifecycle().await?;
    paging::print(NOT_SEEN, page, context.output, async |page| list_page(client, &filter, page).await).await
}

const NOT_SEEN: &[Column<DeviceView>] = &[
    always("DEVICE", |device| device.device.clone()),
    always("LAST SEEN", |device| device.last_seen_at.clone().unwrap_or_else(|| "never".to_owned())),
    always("STATE", |device| device.state.clone()),
    spare(3, always("BORN", |device| or_dash(&device.born_at))),
    spare(1, always("WORK ORDER", |device| device.work_order.clone())),
    spare(2, always("STATION", |device| device.station.clone())),
];

pub(super) const FORKS: &[Column<AlarmView>] = &[
    always("AT", |alarm| alarm.at.clone().unwrap_or_default()),
    always("DEVICE", |alarm| alarm.device.clone()),
    always("HELD", |alarm| if alarm.held { "yes" } else { "no" }.to_owned()),
    short("ASKED AGAIN", |alarm| alarm.serial_number.clone().unwrap_or_default()),
    spare(1, short("IN USE INSTEAD", |alarm| alarm.child_serial_number.clone().unwrap_or_default())),
    spare(2, always("LEDGER ENTRY", |alarm| alarm.ledger_entry.to_string())),
];

pub(super) const DUPLICATES: &[Column<AlarmView>] = &[
    always("AT", |alarm| alarm.at.clone().unwrap_or_default()),
    always("DEVICE", |alarm| alarm.device.clone()),
    always("WHAT", |alarm| alarm.kind.to_owned()),
    always("ALREADY OF", |alarm| alarm.other.clone()),
    spare(1, short("BY CERTIFICATE", |alarm| or_dash(&alarm.serial_number))),
    spare(2, always("REPORTED BY", |alarm| alarm.reported_by.clone())),
    spare(3, always("PAUSED", |alarm| if alarm.product_paused { "yes" } else { "no" }.to_owned())),
    spare(4, always("LEDGER ENTRY", |alarm| alarm.ledger_entry.to_string())),
];

pub(super) async fn alarms(
    kind: wire::AlarmKind,
    columns: &[Column<AlarmView>],
    page: &PageArguments,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut client = context.connection.lifecycle().await?;
    let ask = async |page| {
        let request = wire::ListAlarmsRequest { kind: kind.into(), page: Some(page) };
        let answer = client.list_alarms(request).await?.into_inner();
        Ok((answer.alarms, answer.next_cursor))
    };
    paging::print(columns, page, context.output, ask).await
}

#[derive(Debug, Serialize)]
struct Expiring {
    device: String,
    not_after: Option<String>,
    /// Whole days; negative when it has expired.
    days_left: i64,
    status: String,
    serial_number: Option<String>,
    work_order: String,
}

impl Expiring {
    /// `None` for principals, and for certificates that may expire: revoked or superseded ones.
    fn of(certificate: wire::CertificateSummary, now: SystemTime) -> Option<Self> {
        use wire::CertificateStatus::{Held, InUse, Issued};
        let status = certificate.status();
        if !matches!(status, Issued | InUse | Held) {
            return None;
        }
        let ends = timestamp::system(certificate.not_after.as_ref())?;
        Some(Self {
            device: device_name(certificate.device.as_ref()?),
            not_after: timestamp::text(certificate.not_after.as_ref()),
            days_left: timestamp::days_between(now, ends),
            status: word(status.as_str_name(), "CERTIFICATE_STATUS_"),
            serial_number: serial_text(&certificate.serial_number),
            work_order: certificate.work_order,
        })
    }
}
