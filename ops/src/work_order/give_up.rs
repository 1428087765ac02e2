//! `touchmark work-order give-up`

use cli::count;
use identity::DeviceSerial;
use proto::v1 as wire;
use serde::Serialize;

use crate::Context;
use crate::confirmation::confirm_count;
use crate::failure::Failure;

pub(super) async fn run(
    id: String,
    serials: Vec<DeviceSerial>,
    remark: String,
    confirm: Option<u64>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut wanted: Vec<DeviceSerial> = Vec::new();
    for serial in serials {
        if !wanted.contains(&serial) {
            wanted.push(serial);
        }
    }
    // An order that does not exist is reported before the confirmation.
    let order = super::read(&id, &context.connection).await?;
    let numbers = wanted.len() as u64;
    let what = format!(
        "give up {} of {id} for ever (a unit that a station made offline under one of them is refused when it reconciles)",
        count(numbers, "serial number")
    );
    confirm_count(numbers, &what, confirm)?;
    let mut client = context.connection.work_orders().await?;
    let mut refused: Option<Failure> = None;
    for serial in wanted {
        let request = wire::GiveUpUnitRequest {
            work_order: id.clone(),
            serial: serial.to_string(),
            reason: remark.clone(),
        };
        let device = format!("{}/{serial}", order.product);
        match client.give_up_unit(request).await {
            Ok(answer) => {
                let order = answer.into_inner().work_order.unwrap_or_default();
                let given_up = order.counts.unwrap_or_default().given_up;
                let done = GivenUp { device, work_order: order.id, given_up };
                context
                    .output
                    .one(&done, |done| format!("{} given up: no unit gets its serial number", done.device))?;
            }
            Err(status) => {
                let failure = Failure::from(status).about(&device);
                // A refusal does not stop the others; a CA that cannot be reached does.
                if failure.may_pass() {
                    return Err(failure);
                }
                if let Some(before) = refused.replace(failure) {
                    context.output.failure(&before);
                }
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// A serial number that was given up.
#[derive(Debug, Serialize)]
struct GivenUp {
    device: String,
    work_order: String,
    /// Of the order in all.
    given_up: u64,
}
