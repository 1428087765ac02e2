//! Actions on devices: hold, release, retire, rework, scrap, rotate.

use std::collections::HashSet;

use cli::count;
use identity::DeviceId;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::Status;
use tonic::transport::Channel;

use crate::arguments::{DevicesArguments, RemarkArguments, RotateArguments};
use crate::blast_radius::BlastRadius;
use crate::confirmation::confirm_count;
use crate::failure::Failure;
use crate::selection::{Selection, device_to_wire};
use crate::view::DeviceView;
use crate::{Context, existence, request_id, timestamp};

type Client = LifecycleServiceClient<Channel>;

pub(super) async fn hold(arguments: RemarkArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let act = async |client: &mut Client, device| {
        let request = wire::HoldRequest { device, remark: arguments.remark.clone() };
        Ok(client.hold(request).await?.into_inner().device)
    };
    each(&arguments.devices, context, act, state_now).await
}

pub(super) async fn release(arguments: DevicesArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let act = async |client: &mut Client, device| {
        Ok(client.release(wire::ReleaseRequest { device }).await?.into_inner().device)
    };
    each(&arguments, context, act, state_now).await
}

pub(super) async fn rework(
    devices: DevicesArguments,
    remark: String,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let act = async |client: &mut Client, device| {
        let request = wire::AllowReworkRequest { device, remark: remark.clone() };
        Ok(client.allow_rework(request).await?.into_inner().device)
    };
    each(&devices, context, act, |view| {
        format!(
            "{} may be reworked: its next birth certificate under {}, for a new key, replaces the one that it has; until then it is {}",
            view.device, view.work_order, view.state
        )
    })
    .await
}

pub(super) async fn retire(
    arguments: RemarkArguments,
    said: Option<u64>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let chosen = chosen(&arguments.devices);
    // A device that does not exist is reported before the confirmation.
    let mut client = context.connection.lifecycle().await?;
    for id in &chosen {
        let request = wire::GetDeviceRequest { device: Some(device_to_wire(id)) };
        client.get_device(request).await.map_err(|status| about(id, status, chosen.len()))?;
    }
    let devices = chosen.len() as u64;
    confirm_count(devices, &format!("retire {} for ever", count(devices, "device")), said)?;
    let act = async |client: &mut Client, device| {
        let request = wire::RetireRequest { device, remark: arguments.remark.clone() };
        Ok(client.retire(request).await?.into_inner().device)
    };
    each(&arguments.devices, context, act, state_now).await
}

pub(super) async fn scrap(
    arguments: RemarkArguments,
    said: Option<u64>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let devices = chosen(&arguments.devices).len() as u64;
    confirm_count(devices, &format!("scrap {} for ever", count(devices, "unit")), said)?;
    let orders = context.connection.work_orders().await?;
    let act = async |client: &mut Client, device: Option<wire::DeviceId>| {
        let request = wire::ScrapUnitRequest { device: device.clone(), reason: arguments.remark.clone() };
        orders.clone().scrap_unit(request).await?;
        Ok(client.get_device(wire::GetDeviceRequest { device }).await?.into_inner().device)
    };
    each(&arguments.devices, context, act, state_now).await
}

/// The devices of the command line, each once.
fn chosen(arguments: &DevicesArguments) -> Vec<&DeviceId> {
    let mut seen = HashSet::new();
    arguments.devices.iter().filter(|device| seen.insert(*device)).collect()
}

/// Acts on each device in turn. A refusal does not stop the others; a CA that cannot be reached does.
async fn each(
    arguments: &DevicesArguments,
    context: &mut Context<'_>,
    act: impl AsyncFn(&mut Client, Option<wire::DeviceId>) -> Result<Option<wire::Device>, Status>,
    to_text: fn(&DeviceView) -> String,
) -> Result<(), Failure> {
    let mut client = context.connection.lifecycle().await?;
    let devices = chosen(arguments);
    let mut refused: Vec<Failure> = Vec::new();
    for (index, id) in devices.iter().enumerate() {
        match act(&mut client, Some(device_to_wire(id))).await {
            Ok(now) => {
                let view = DeviceView::from(now.unwrap_or_default());
                context.output.one(&view, to_text)?;
            }
            Err(status) => {
                let failure = about(id, status, devices.len());
                if failure.may_pass() {
                    refused.iter().for_each(|failure| context.output.failure(failure));
                    return Err(failure.with_rest(&rest(devices.get(index..).unwrap_or_default())));
                }
                refused.push(failure);
            }
        }
    }
    let Some(last) = refused.pop() else { return Ok(()) };
    if devices.len() == 1 {
        return Err(last);
    }
    refused.iter().for_each(|failure| context.output.failure(failure));
    let done = devices.len() - refused.len() - 1;
    Err(last.with_rest(&format!("{done} of {} were done", count(devices.len() as u64, "device"))))
}

fn rest(devices: &[&DeviceId]) -> String {
    match devices {
        [] | [_] => String::new(),
        left => format!("not done: {}", left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    }
}

fn state_now(view: &DeviceView) -> String {
    format!("{} is {}", view.device, view.state_text())
}

fn about(device: &DeviceId, status: Status, devices: usize) -> Failure {
    let failure = Failure::from(status);
    if devices == 1 { failure } else { failure.about(&device.to_string()) }
}

pub(super) async fn rotate(arguments: RotateArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let selection = Selection::try_from(arguments.selection)?;
    let radius = BlastRadius::of(&selection, &context.connection).await?;
    if arguments.dry_run {
        return context.output.one(&radius, |radius| radius.to_text("would ask to renew"));
    }
    if radius.devices == 0 {
        existence::check(&selection, &context.connection).await?;
        // A request that affects no certificate is not recorded, because it does not apply to later ones.
        let report = Rotation { radius, spread: None, ledger_entry: None };
        return context.output.one(&report, |report| {
            format!("nothing to renew: {} has no certificate of a device that is not revoked; nothing was recorded", report.radius.selection)
        });
    }
    let request = wire::RequestRotationRequest {
        request_id: request_id().into(),
        selection: Some(selection.to_wire()),
        spread: prost_types::Duration::try_from(arguments.spread).ok(),
        remark: arguments.remark,
    };
    let ledger_entry =
        context.connection.lifecycle().await?.request_rotation(request).await?.into_inner().ledger_entry;
    let spread = timestamp::span(arguments.spread);
    let report = Rotation { radius, spread: Some(spread.clone()), ledger_entry: Some(ledger_entry) };
    context.output.one(&report, |report| {
        format!(
            "asked to renew: {}, spread over {spread} (ledger entry {ledger_entry})\nOperational certificates that were issued before now are renewed; a birth certificate is not. A device learns it when it next asks; see who lags with `touchmark device not-seen`.",
            report.radius.counted(),
        )
    })
}

#[derive(Debug, Serialize)]
struct Rotation {
    #[serde(flatten)]
    radius: BlastRadius,
    /// `None` if there was nothing to renew.
    spread: Option<String>,
    ledger_entry: Option<u64>,
}
