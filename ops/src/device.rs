//! `touchmark device …`

mod life;
mod report;

use std::future::Future;

use identity::DeviceId;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::transport::Channel;

use crate::arguments::{DeviceCommand, DeviceStateName, PageArguments};
use crate::certificate::{CertificateView, serial_text};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Output, facts};
use crate::paging::{self, Listing};
use crate::revoke::revoke;
use crate::selection::{Selection, on_the_wire};
use crate::table::{always, short};
use crate::timestamp;

/// Does what the command says.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn run(
    command: DeviceCommand,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        DeviceCommand::List { product, work_order, state, page } => {
            let filter = wire::ListDevicesRequest {
                product: product.map(|product| product.to_string()).unwrap_or_default(),
                work_order: work_order.unwrap_or_default(),
                state: state.map_or(wire::DeviceState::Unspecified, DeviceStateName::on_the_wire).into(),
                ..wire::ListDevicesRequest::default()
            };
            list(filter, &page, connection, output).await
        }
        DeviceCommand::Find { text, page } => {
            let filter = wire::ListDevicesRequest { text, ..wire::ListDevicesRequest::default() };
            list(filter, &page, connection, output).await
        }
        DeviceCommand::Show { device } => show(&device, connection, output).await,
        DeviceCommand::Hold(remark) => life::hold(remark, connection, output).await,
        DeviceCommand::Release(remark) => life::release(remark, connection, output).await,
        DeviceCommand::Revoke { device, why, confirmation } => {
            revoke(&Selection::device(&device), &why, &confirmation, connection, output).await
        }
        DeviceCommand::Retire { remark, confirm } => life::retire(remark, confirm, connection, output).await,
        DeviceCommand::Rotate(rotation) => life::rotate(rotation, connection, output).await,
        DeviceCommand::Rework(remark) => life::rework(remark, connection, output).await,
        DeviceCommand::Expiring { within, page } => report::expiring(within, &page, connection, output).await,
        DeviceCommand::NotSeen { span, since, page } => {
            report::not_seen(since, span, &page, connection, output).await
        }
        DeviceCommand::Forks(page) => report::forks(&page, connection, output).await,
        DeviceCommand::Duplicates(page) => report::duplicates(&page, connection, output).await,
    }
}

impl DeviceStateName {
    fn on_the_wire(self) -> wire::DeviceState {
        match self {
            Self::Issued => wire::DeviceState::Issued,
            Self::Provisioned => wire::DeviceState::Provisioned,
            Self::Enrolled => wire::DeviceState::Enrolled,
            Self::Held => wire::DeviceState::Held,
            Self::Retired => wire::DeviceState::Retired,
            Self::Revoked => wire::DeviceState::Revoked,
            Self::Scrapped => wire::DeviceState::Scrapped,
        }
    }
}

/// A device as it is written: `product/serial`.
pub(crate) fn name(device: &wire::DeviceId) -> String {
    format!("{}/{}", device.product, device.serial)
}

/// Opens the service that looks things up.
pub(crate) async fn client(connection: &Connection) -> Result<LifecycleServiceClient<Channel>, Failure> {
    Ok(LifecycleServiceClient::new(connection.open().await?))
}

async fn list(
    filter: wire::ListDevicesRequest,
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = client(connection).await?;
    let listing = Listing {
        columns: &[
            always("DEVICE"),
            always("STATE"),
            always("WORK ORDER"),
            always("STATION").spare(1),
            always("BORN").spare(3),
            always("LAST SEEN"),
            short("BIRTH CERTIFICATE").spare(4),
            short("OPERATIONAL CERTIFICATE").spare(2),
        ],
        cells: |device: &DeviceView| {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            vec![
                device.device.clone(),
                device.state.to_owned(),
                device.work_order.clone(),
                device.station.clone(),
                or_none(&device.born_at),
                or_none(&device.last_seen_at),
                or_none(&device.birth_serial_number),
                or_none(&device.operational_serial_number),
            ]
        },
    };
    let view = |device| Some(DeviceView::from(device));
    // An order without devices is no mistake; one that does not exist is.
    let exists = async || match filter.work_order.as_str() {
        "" => Ok(()),
        order => crate::work_order::read(order, connection).await.map(drop),
    };
    listing.print_or(page, output, |page| ask(&client, &filter, page), view, exists).await
}

/// All devices that fit a filter.
pub(crate) async fn all(
    filter: &wire::ListDevicesRequest,
    connection: &Connection,
) -> Result<Vec<wire::Device>, Failure> {
    let client = client(connection).await?;
    paging::all(|page| ask(&client, filter, page)).await
}

/// One page of devices that fit a filter.
fn ask(
    client: &LifecycleServiceClient<Channel>,
    filter: &wire::ListDevicesRequest,
    page: wire::PageRequest,
) -> impl Future<Output = Result<(Vec<wire::Device>, String), tonic::Status>> + use<> {
    let (mut client, request) =
        (client.clone(), wire::ListDevicesRequest { page: Some(page), ..filter.clone() });
    async move {
        let answer = client.list_devices(request).await?.into_inner();
        Ok((answer.devices, answer.next_cursor))
    }
}

async fn show(device: &DeviceId, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    let request = wire::GetDeviceRequest { device: Some(on_the_wire(device)) };
    let answer = client(connection).await?.get_device(request).await?.into_inner();
    let device = DeviceView::from(answer.device.unwrap_or_default());
    let order_is_closed = device.rework_allowed
        && crate::work_order::read(&device.work_order, connection).await?.state()
            == wire::WorkOrderState::Closed;
    let life = DeviceLife {
        device,
        order_is_closed,
        certificates: answer.certificates.into_iter().map(CertificateView::from).collect(),
    };
    output.one(&life, DeviceLife::in_words)
}

/// A device as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceView {
    pub(crate) device: String,
    pub(crate) state: &'static str,
    pub(crate) work_order: String,
    pub(crate) station: String,
    pub(crate) born_at: Option<String>,
    pub(crate) last_seen_at: Option<String>,
    rework_allowed: bool,
    held: bool,
    birth_serial_number: Option<String>,
    operational_serial_number: Option<String>,
}

/// A device with all its certificates, oldest first.
#[derive(Debug, Serialize)]
struct DeviceLife {
    #[serde(flatten)]
    device: DeviceView,
    /// Only looked at where a rework is allowed.
    #[serde(skip)]
    order_is_closed: bool,
    certificates: Vec<CertificateView>,
}

impl From<wire::Device> for DeviceView {
    fn from(device: wire::Device) -> Self {
        let state = match device.state() {
            wire::DeviceState::Unspecified => "unknown",
            wire::DeviceState::Issued => "issued",
            wire::DeviceState::Provisioned => "provisioned",
            wire::DeviceState::Enrolled => "enrolled",
            wire::DeviceState::Scrapped => "scrapped",
            wire::DeviceState::Held => "held",
            wire::DeviceState::Retired => "retired",
            wire::DeviceState::Revoked => "revoked",
        };
        Self {
            state,
            device: device.id.as_ref().map(name).unwrap_or_default(),
            work_order: device.work_order,
            station: device.station,
            born_at: timestamp::text(device.born_at.as_ref()),
            last_seen_at: timestamp::text(device.last_seen_at.as_ref()),
            rework_allowed: device.rework_allowed,
            held: device.held,
            birth_serial_number: serial_text(&device.birth_serial_number),
            operational_serial_number: serial_text(&device.operational_serial_number),
        }
    }
}

impl DeviceView {
    /// Where it is in its life, and what that means.
    pub(crate) fn state_in_words(&self) -> &'static str {
        match self.state {
            "issued" => "issued: it has a birth certificate; the station has not confirmed that it arrived",
            "provisioned" => {
                "provisioned: the station read its birth certificate back; no operational certificate is in use"
            }
            "enrolled" => "enrolled: it has an operational certificate in use",
            "revoked" if self.rework_allowed && self.held => {
                "revoked, and on hold: its certificates are revoked for ever; a rework is allowed, and when it is released the next birth certificate brings it back"
            }
            "revoked" if self.rework_allowed => {
                "revoked: its certificates are revoked for ever; a rework is allowed, and the next birth certificate brings it back"
            }
            "revoked" => {
                "revoked: its certificates are revoked for ever; it can neither call nor enrol, and no release brings it back"
            }
            "held" => "held: none of its certificates is good until it is released, and it gets no others",
            "retired" => "retired: its life has ended; its serial number and its keys are never used again",
            "scrapped" => "scrapped: it failed in the factory; its serial number is never used again",
            _ => "unknown to this program",
        }
    }
}

impl DeviceLife {
    fn in_words(&self) -> String {
        let device = &self.device;
        let mut text = facts(&[
            ("device", device.device.clone()),
            ("state", device.state_in_words().to_owned()),
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
            text.push_str(&certificate.in_words());
        }
        text
    }
}
