//! What is done to a device: hold, release, retire, rework; and to many: rotate.

use std::collections::HashSet;
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
use crate::confirmation::confirm_count;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::selection::{Selection, on_the_wire};
use crate::{device, existence, timestamp, work_order};

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
    each(
        &arguments.devices,
        connection,
        output,
        |mut client, device| {
            let request = wire::HoldRequest { device, remark: remark.clone() };
            async move { Ok(client.hold(request).await?.into_inner().device) }
        },
        state_now,
    )
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
    each(
        &arguments,
        connection,
        output,
        |mut client, device| async move {
            Ok(client.release(wire::ReleaseRequest { device }).await?.into_inner().device)
        },
        state_now,
    )
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
    }, |view| {
        format!(
            "{} may be reworked: its next birth certificate under {}, for a new key, replaces the one that it has; until then it is {}",
            view.device, view.work_order, view.state
        )
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
    let chosen = chosen(&arguments.devices);
    // What does not exist is said before anybody is asked, and nothing is confirmed to a CA that is not there.
    let mut client = device::client(connection).await?;
    for id in &chosen {
        let request = wire::GetDeviceRequest { device: Some(on_the_wire(id)) };
        client.get_device(request).await.map_err(|status| about(id, status, chosen.len()))?;
    }
    let devices = chosen.len() as u64;
    confirm_count(devices, &format!("retire {} for ever", count(devices, "device")), said)?;
    let remark = &arguments.remark;
    each(
        &arguments.devices,
        connection,
        output,
        |mut client, device| {
            let request = wire::RetireRequest { device, remark: remark.clone() };
            async move { Ok(client.retire(request).await?.into_inner().device) }
        },
        state_now,
    )
    .await
}

/// The devices that were named, each once.
fn chosen(arguments: &DevicesArguments) -> Vec<&DeviceId> {
    let mut seen = HashSet::new();
    arguments.devices.iter().filter(|device| seen.insert(*device)).collect()
}

/// Does one thing to each device in turn and prints what became of it. One that is refused does not keep the others from it; when the CA
/// cannot be reached any more, it says which are left.
async fn each<F>(
    arguments: &DevicesArguments,
    connection: &Connection,
    output: &mut Output,
    act: impl Fn(LifecycleServiceClient<Channel>, Option<wire::DeviceId>) -> F,
    in_words: fn(&DeviceView) -> String,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Option<wire::Device>, Status>>,
{
    let client = device::client(connection).await?;
    let devices = chosen(arguments);
    let mut refused: Vec<Failure> = Vec::new();
    for (place, id) in devices.iter().enumerate() {
        match act(client.clone(), Some(on_the_wire(id))).await {
            Ok(now) => {
                let view = DeviceView::from(now.unwrap_or_default());
                output.one(&view, in_words)?;
            }
            Err(status) => {
                let failure = about(id, status, devices.len());
                if failure.may_pass() {
                    refused.iter().for_each(|failure| output.failure(failure));
                    return Err(failure.with_rest(&rest(devices.get(place..).unwrap_or_default())));
                }
                refused.push(failure);
            }
        }
    }
    let Some(last) = refused.pop() else { return Ok(()) };
    if devices.len() == 1 {
        return Err(last);
    }
    refused.iter().for_each(|failure| output.failure(failure));
    let done = devices.len() - refused.len() - 1;
    Err(last.with_rest(&format!("{done} of {} were done", count(devices.len() as u64, "device"))))
}

/// Which devices are left when the CA is gone in the middle.
fn rest(devices: &[&DeviceId]) -> String {
    match devices {
        [] | [_] => String::new(),
        left => format!("not done: {}", left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    }
}

fn state_now(view: &DeviceView) -> String {
    format!("{} is {}", view.device, view.state_in_words())
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
        return output.one(&radius, |radius| radius.in_words("would ask to renew"));
    }
    if radius.devices == 0 {
        existence::check(&selection, connection).await?;
        // Certificates that are issued later are not meant: such a request would be on record for nothing.
        let report = Rotation { radius, spread: None, ledger_entry: None };
        return output.one(&report, |report| {
            format!("nothing to renew: {} has no certificate of a device that is not revoked; nothing was recorded", report.radius.selection)
        });
    }
    let request = wire::RequestRotationRequest {
        request_id: work_order::request_id().into(),
        selection: Some(selection.to_wire()),
        spread: prost_types::Duration::try_from(arguments.spread).ok(),
        remark: arguments.remark,
    };
    let ledger_entry =
        device::client(connection).await?.request_rotation(request).await?.into_inner().ledger_entry;
    let spread = timestamp::span(arguments.spread);
    let report = Rotation { radius, spread: Some(spread.clone()), ledger_entry: Some(ledger_entry) };
    output.one(&report, |report| {
        format!(
            "asked to renew: {}, spread over {spread} (ledger entry {ledger_entry})\nOperational certificates that were issued before now are renewed; a birth certificate is not. A device learns it when it next asks; see who lags with `touchmark device not-seen`.",
            report.radius.counted(),
        )
    })
}

/// What was asked for.
#[derive(Debug, Serialize)]
struct Rotation {
    #[serde(flatten)]
    radius: BlastRadius,
    /// `None`: there was nothing to renew, and nothing was recorded.
    spread: Option<String>,
    ledger_entry: Option<u64>,
}
