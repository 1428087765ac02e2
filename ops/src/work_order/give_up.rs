//! `touchmark work-order give-up`

use cli::count;
use identity::{DeviceSerial, SerialPattern};
use proto::v1::work_order::Serials;
use proto::v1::{self as wire, Reason};
use serde::Serialize;
use tonic::Code;

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
    check(&order, &wanted, context).await?;
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

/// Refuses all if one would be refused: what is given up before a mistyped one stays so for ever. Which
/// serial numbers a manifest has, only the CA knows.
async fn check(
    order: &wire::WorkOrder,
    wanted: &[DeviceSerial],
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut client = context.connection.lifecycle().await?;
    let mut refused: Option<Failure> = None;
    for serial in wanted {
        let (product, id) = (&order.product, &order.id);
        let failure = if is_outside(order, serial) {
            let what = format!("{product}/{serial} is not in work order {id}; nothing was given up");
            Failure::refused(Reason::SerialNotInWorkOrder, what)
        } else {
            let device = wire::DeviceId { product: product.clone(), serial: serial.to_string() };
            match client.get_device(wire::GetDeviceRequest { device: Some(device) }).await {
                Ok(_) => Failure::refused(
                    Reason::DeviceAlreadyIssued,
                    format!("{product}/{serial} has a certificate; nothing was given up"),
                )
                .next("`touchmark device scrap PRODUCT/SERIAL` ends a unit that has one"),
                Err(status) if status.code() == Code::NotFound => continue,
                Err(status) => return Err(status.into()),
            }
        };
        if let Some(before) = refused.replace(failure) {
            context.output.failure(&before);
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whether the order has a pattern that the serial number does not fit.
fn is_outside(order: &wire::WorkOrder, serial: &DeviceSerial) -> bool {
    let Some(Serials::Pattern(pattern)) = &order.serials else { return false };
    pattern.parse::<SerialPattern>().is_ok_and(|pattern| !pattern.contains(serial))
}

/// A serial number that was given up.
#[derive(Debug, Serialize)]
struct GivenUp {
    device: String,
    work_order: String,
    /// Of the order in all.
    given_up: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_serial_number_is_seen_before_any_is_given_up() {
        let order = |serials| wire::WorkOrder { serials: Some(serials), ..Default::default() };
        let pattern = order(Serials::Pattern("MF-{001..010}".to_owned()));
        let outside = |order, serial: &str| is_outside(order, &serial.parse().unwrap());
        assert!(outside(&pattern, "MF-999") && !outside(&pattern, "MF-007"));
        assert!(!outside(&order(Serials::ManifestLength(10)), "MF-999"), "only the CA knows");
    }
}
