//! What is done to a device: hold, release, retire, rework; and to many: rotate.

use std::future::Future;

use cli::count;
use identity::DeviceId;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::Status;
use tonic::transport::Channel;

use super::DeviceView;
use crate::arguments::{DevicesArguments, RemarkArguments, RotateArguments};
use crate::blast_radius::BlastRadius;
use crate::client::Connection;
use crate::confirmation::confirm_count;
use crate::failure::Failure;
use crate::output::Output;
use crate::selection::{Selection, on_the_wire};
use crate::{device, work_order};

/// Puts devices on hold until they are released.
///
/// # Errors
/// As the CA answers.
pub(super) async fn hold(
    arguments: RemarkArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let remark = &arguments.remark;
    each(&arguments.devices, connection, output, |mut client, device| {
        let request = wire::HoldRequest { device, remark: remark.clone() };
        async move { Ok(client.hold(request).await?.into_inner().device) }
    })
    .await
}

/// Ends holds.
///
/// # Errors
/// As the CA answers.
pub(super) async fn release(
    arguments: DevicesArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    each(&arguments, connection, output, |mut client, device| async move {
        Ok(client.release(wire::ReleaseRequest { device }).await?.into_inner().device)
    })
    .await
}

/// Lets units be made again, once.
///
/// # Errors
/// As the CA answers.
pub(super) async fn rework(
    arguments: DevicesArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    each(&arguments, connection, output, |mut client, device| async move {
        Ok(client.allow_rework(wire::AllowReworkRequest { device }).await?.into_inner().device)
    })
    .await
}

/// Ends the life of devices, when the number was said.
///
/// # Errors
/// As the CA answers, and when it was not confirmed.
pub(super) async fn retire(
    arguments: RemarkArguments,
    said: Option<u64>,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let devices = arguments.devices.devices.len() as u64;
    confirm_count(devices, &format!("retire {} for ever", count(devices, "device")), said)?;
    let remark = &arguments.remark;
    each(&arguments.devices, connection, output, |mut client, device| {
        let request = wire::RetireRequest { device, remark: remark.clone() };
        async move { Ok(client.retire(request).await?.into_inner().device) }
    })
    .await
}

/// Does one thing to each device in turn and prints what became of it. All can be done again, so the first failure ends it.
async fn each<F>(
    arguments: &DevicesArguments,
    connection: &Connection,
    output: &mut Output,
    act: impl Fn(LifecycleServiceClient<Channel>, Option<wire::DeviceId>) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Option<wire::Device>, Status>>,
{
    let client = device::client(connection).await?;
    for id in &arguments.devices {
        let now = act(client.clone(), Some(on_the_wire(id)))
            .await
            .map_err(|status| about(id, status, arguments.devices.len()))?;
        let view = DeviceView::from(now.unwrap_or_default());
        output.one(&view, |view| format!("{} is {}", view.device, view.state_in_words()))?;
    }
    Ok(())
}

/// Of several devices, says which one it was.
fn about(device: &DeviceId, status: Status, devices: usize) -> Failure {
    let failure = Failure::from(status);
    if devices == 1 { failure } else { failure.about(&device.to_string()) }
}

/// Marks a selection for renewal.
///
/// # Errors
/// As the CA answers.
pub(super) async fn rotate(
    arguments: RotateArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let selection = Selection::try_from(arguments.selection)?;
    let radius = BlastRadius::of(&selection, connection).await?;
    if arguments.dry_run {
        return output.one(&radius, BlastRadius::in_words);
    }
    let request = wire::RequestRotationRequest {
        request_id: work_order::request_id().into(),
        selection: Some(selection.to_wire()),
        spread: prost_types::Duration::try_from(arguments.spread).ok(),
        remark: arguments.remark,
    };
    let ledger_entry =
        device::client(connection).await?.request_rotation(request).await?.into_inner().ledger_entry;
    let spread = humantime::format_duration(arguments.spread).to_string();
    let report = Rotation { radius, spread, ledger_entry };
    output.one(&report, |report| {
        format!(
            "{} to renew, those that were issued before now, spread over {} (ledger entry {})\nA device learns it when it next asks; see who lags with `touchmark device not-seen`.",
            count(report.radius.devices, "device"),
            report.spread,
            report.ledger_entry,
        )
    })
}

/// What was asked for.
#[derive(Debug, Serialize)]
struct Rotation {
    #[serde(flatten)]
    radius: BlastRadius,
    spread: String,
    ledger_entry: u64,
}
