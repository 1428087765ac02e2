//! `touchmark device …`

mod actions;
mod report;

use identity::DeviceId;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::transport::Channel;

use crate::Context;
use crate::arguments::{DeviceCommand, DeviceStateName, PageArguments};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::fact_lines;
use crate::paging;
use crate::revoke::revoke;
use crate::selection::{Selection, device_to_wire};
use crate::table::{Column, always, short, spare};
use crate::view::{CertificateView, DeviceView, or_dash};
use report::alarms;

pub(crate) async fn run(command: DeviceCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        DeviceCommand::List { product, work_order, state, page } => {
            let filter = wire::ListDevicesRequest {
                product: product.map(|product| product.to_string()).unwrap_or_default(),
                work_order: work_order.unwrap_or_default(),
                state: state.map_or(wire::DeviceState::Unspecified, DeviceStateName::to_wire).into(),
                ..wire::ListDevicesRequest::default()
            };
            list(filter, &page, context).await
        }
        DeviceCommand::Find { text, page } => {
            let filter = wire::ListDevicesRequest { text, ..wire::ListDevicesRequest::default() };
            list(filter, &page, context).await
        }
        DeviceCommand::Show { device } => show(&device, context).await,
        DeviceCommand::Hold(remark) => actions::hold(remark, context).await,
        DeviceCommand::Release(remark) => actions::release(remark, context).await,
        DeviceCommand::Revoke { device, why, confirmation } => {
            revoke(&Selection::device(&device), &why, &confirmation, context).await
        }
        DeviceCommand::Retire { remark, confirm } => actions::retire(remark, confirm, context).await,
        DeviceCommand::Rotate(rotation) => actions::rotate(rotation, context).await,
        DeviceCommand::Rework { devices, remark } => actions::rework(devices, remark, context).await,
        DeviceCommand::Scrap { remark, confirm } => actions::scrap(remark, confirm, context).await,
        DeviceCommand::Expiring { within, page } => report::expiring(within, &page, context).await,
        DeviceCommand::NotSeen { span, since, page } => report::not_seen(since, span, &page, context).await,
        DeviceCommand::Forks(page) => alarms(wire::AlarmKind::Fork, report::FORKS, &page, context).await,
        DeviceCommand::Duplicates(page) => {
            alarms(wire::AlarmKind::Duplicate, report::DUPLICATES, &page, context).await
        }
    }
}

impl DeviceStateName {
    /// The state of the same name, for example `DEVICE_STATE_HELD`.
    fn to_wire(self) -> wire::DeviceState {
        let name = format!("{self:?}").to_uppercase();
        wire::DeviceState::from_str_name(&format!("DEVICE_STATE_{name}")).unwrap_or_default()
    }
}

async fn list(
    filter: wire::ListDevicesRequest,
    page: &PageArguments,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let client = &context.connection.lifecycle().await?;
    let ask = async |page| list_page(client, &filter, page).await;
    let view = |device| Some(DeviceView::from(device));
    // An order without devices is not an error; an order that does not exist is.
    let exists = async || match filter.work_order.as_str() {
        "" => Ok(()),
        order => crate::work_order::read(order, &context.connection).await.map(drop),
    };
    paging::print_some(COLUMNS, page, context.output, ask, view, exists).await
}

const COLUMNS: &[Column<DeviceView>] = &[
    always("DEVICE", |device| device.device.clone()),
    always("STATE", |device| device.state.clone()),
    always("WORK ORDER", |device| device.work_order.clone()),
    spare(1, always("STATION", |device| device.station.clone())),
    spare(3, always("BORN", |device| or_dash(&device.born_at))),
    always("LAST SEEN", |device| or_dash(&device.last_seen_at)),
    spare(4, short("BIRTH CERTIFICATE", |device| or_dash(&device.birth_serial_number))),
    spare(2, short("OPERATIONAL CERTIFICATE", |device| or_dash(&device.operational_serial_number))),
];

pub(crate) async fn all(
    filter: &wire::ListDevicesRequest,
    connection: &Connection,
) -> Result<Vec<wire::Device>, Failure> {
    let client = &connection.lifecycle().await?;
    paging::all(async |page| list_page(client, filter, page).await).await
}

async fn list_page(
    client: &LifecycleServiceClient<Channel>,
    filter: &wire::ListDevicesRequest,
    page: wire::PageRequest,
) -> Result<(Vec<wire::Device>, String), tonic::Status> {
    let request = wire::ListDevicesRequest { page: Some(page), ..filter.clone() };
    let answer = client.clone().list_devices(request).await?.into_inner();
    Ok((answer.devices, answer.next_cursor))
}

async fn show(device: &DeviceId, context: &mut Context<'_>) -> Result<(), Failure> {
    let request = wire::GetDeviceRequest { device: Some(device_to_wire(device)) };
    let answer = context.connection.lifecycle().await?.get_device(request).await?.into_inner();
    let device = DeviceView::from(answer.device.unwrap_or_default());
    let order_is_closed = device.rework_allowed
        && crate::work_order::read(&device.work_order, &context.connection).await?.state()
            == wire::WorkOrderState::Closed;
    let details = DeviceDetails {
        device,
        order_is_closed,
        certificates: answer.certificates.into_iter().map(CertificateView::from).collect(),
    };
    context.output.one(&details, DeviceDetails::to_text)
}

/// A device with all its certificates, oldest first.
#[derive(Debug, Serialize)]
struct DeviceDetails {
    #[serde(flatten)]
    device: DeviceView,
    /// Read only if a rework is allowed.
    #[serde(skip)]
    order_is_closed: bool,
    certificates: Vec<CertificateView>,
}

impl DeviceDetails {
    fn to_text(&self) -> String {
        let device = &self.device;
        let mut text = fact_lines(&[
            ("device", device.device.clone()),
            ("state", device.state_text().to_owned()),
            (
                "born",
                format!(
                    "{} by {} under {}",
                    device.born_at.as_deref().unwrap_or("-"),
                    device.station,
                    device.work_order
                ),
            ),
            ("last seen", device.last_seen_at.clone().unwrap_or_else(|| "never".to_owned())),
            (
                "rework",
                if self.order_is_closed {
                    format!("allowed, and cannot be done: {} is closed", device.work_order)
                } else if device.rework_allowed {
                    "allowed: its next birth certificate replaces the one that it has".to_owned()
                } else {
                    "not allowed: it has the birth certificate that it was given".to_owned()
                },
            ),
            ("certificates", self.certificates.len().to_string()),
        ]);
        for certificate in &self.certificates {
            text.push_str("\n\n");
            text.push_str(&certificate.to_text());
        }
        text
    }
}
