//! `touchmark device …`

use identity::DeviceId;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::transport::Channel;

use crate::arguments::{DeviceCommand, DeviceStateName, PageArguments};
use crate::certificate::{CertificateView, serial_text};
use crate::client::Connection;
use crate::failure::Failure;
use crate::output::{Output, facts};
use crate::{paging, timestamp};

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
                page: None,
                not_seen_since: None,
            };
            list(filter, page, connection, output).await
        }
        DeviceCommand::Show { device } => show(&device, connection, output).await,
    }
}

impl DeviceStateName {
    fn on_the_wire(self) -> wire::DeviceState {
        match self {
            Self::Issued => wire::DeviceState::Issued,
            Self::Provisioned => wire::DeviceState::Provisioned,
            Self::Enrolled => wire::DeviceState::Enrolled,
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
    page: PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let devices = pages(&filter, page, connection).await?.say_more(output);
    let devices: Vec<DeviceView> = devices.into_iter().map(DeviceView::from).collect();
    let columns =
        ["DEVICE", "STATE", "WORK ORDER", "STATION", "BORN", "BIRTH CERTIFICATE", "OPERATIONAL CERTIFICATE"];
    output.rows(&devices, &columns, |device| {
        vec![
            device.device.clone(),
            device.state.to_owned(),
            device.work_order.clone(),
            device.station.clone(),
            device.born_at.clone().unwrap_or_else(|| "-".to_owned()),
            device.birth_serial_number.clone().unwrap_or_else(|| "-".to_owned()),
            device.operational_serial_number.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    })
}

/// All devices that fit a filter.
pub(crate) async fn all(
    filter: &wire::ListDevicesRequest,
    connection: &Connection,
) -> Result<Vec<wire::Device>, Failure> {
    Ok(pages(filter, PageArguments { limit: 0 }, connection).await?.rows())
}

async fn pages(
    filter: &wire::ListDevicesRequest,
    page: PageArguments,
    connection: &Connection,
) -> Result<paging::Listed<wire::Device>, Failure> {
    let client = client(connection).await?;
    paging::collect(page, |page| {
        let (mut client, request) =
            (client.clone(), wire::ListDevicesRequest { page: Some(page), ..filter.clone() });
        async move {
            let answer = client.list_devices(request).await?.into_inner();
            Ok((answer.devices, answer.next_cursor))
        }
    })
    .await
}

async fn show(device: &DeviceId, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    let id = wire::DeviceId { product: device.product.to_string(), serial: device.serial.to_string() };
    let answer =
        client(connection).await?.get_device(wire::GetDeviceRequest { device: Some(id) }).await?.into_inner();
    let life = DeviceLife {
        device: answer.device.unwrap_or_default().into(),
        certificates: answer.certificates.into_iter().map(CertificateView::from).collect(),
    };
    output.one(&life, DeviceLife::in_words)
}

/// A device as it is printed.
#[derive(Debug, Serialize)]
struct DeviceView {
    device: String,
    state: &'static str,
    work_order: String,
    station: String,
    born_at: Option<String>,
    birth_serial_number: Option<String>,
    operational_serial_number: Option<String>,
}

/// A device with all its certificates, oldest first.
#[derive(Debug, Serialize)]
struct DeviceLife {
    #[serde(flatten)]
    device: DeviceView,
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
        };
        Self {
            state,
            device: device.id.as_ref().map(name).unwrap_or_default(),
            work_order: device.work_order,
            station: device.station,
            born_at: timestamp::text(device.born_at.as_ref()),
            birth_serial_number: serial_text(&device.birth_serial_number),
            operational_serial_number: serial_text(&device.operational_serial_number),
        }
    }
}

impl DeviceView {
    fn state_in_words(&self) -> &'static str {
        match self.state {
            "issued" => "issued: it has a birth certificate; the station has not confirmed that it arrived",
            "provisioned" => {
                "provisioned: the station read its birth certificate back; it has not enrolled yet"
            }
            "enrolled" => "enrolled: it has an operational certificate in use",
            "scrapped" => "scrapped: it failed in the factory; its serial number never returns",
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
            ("certificates", self.certificates.len().to_string()),
        ]);
        for certificate in &self.certificates {
            text.push_str("\n\n");
            text.push_str(&certificate.in_words());
        }
        text
    }
}
