//! `touchmark work-order close` and `report`

use std::path::PathBuf;

use cli::count;
use proto::v1 as wire;
use serde::Serialize;

use super::closing::{self, Written};
use super::unfinished::{Unfinished, Units};
use crate::Context;
use crate::confirmation::confirm_name;
use crate::failure::Failure;
use crate::view::{WorkOrderView, device_name};

pub(super) async fn run(
    id: String,
    yes: bool,
    report: Option<PathBuf>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let directory = report.unwrap_or_else(|| report_directory(&id));
    // An order that does not exist, and one that cannot be closed, is reported before the confirmation.
    let order = super::read(&id, &context.connection).await?;
    let standing = Standing::of(&order);
    let free = closing::check_free(&directory);
    match standing {
        Standing::Closed => {
            free.map_err(|failure| failure.about(&format!("{id} is closed already")))?;
            if !context.output.is_json() {
                context.output.note(&format!("{id} is closed already; its report is written again"));
            }
        }
        Standing::Out(units) => {
            let units = count(units, "unit");
            let what = format!("stations have {units} of work order {id} reserved that did not come home");
            return Err(Failure::refused(wire::Reason::ReservationsOut, what));
        }
        Standing::Closable { left } => {
            free?;
            confirm_name(&id, &format!("close {id} for ever ({} not made)", count(left, "unit")), yes)?;
        }
    }
    let request = wire::CloseWorkOrderRequest { id: id.clone() };
    let answer = context.connection.work_orders().await?.close(request).await?.into_inner();
    let order = WorkOrderView::from(answer.work_order.unwrap_or_default());
    // The order is closed; whatever becomes of the report, its result is printed.
    let written = match closing::write(&id, &directory, context).await {
        Ok(written) => Unfinished::read(&directory, &order.product).map(|unfinished| (written, unfinished)),
        Err(failure) => Err(failure),
    };
    let (report, unfinished, failed) = match written {
        Ok((written, unfinished)) => (Some(written), unfinished, None),
        Err(failure) => {
            let devices = answer.unaccounted.iter().map(device_name).collect();
            let unaccounted = Units { count: answer.unaccounted_count, devices };
            (None, Unfinished { unaccounted, deferred: None }, Some(failure))
        }
    };
    let result = ClosingReport { work_order: order, unfinished, report };
    context.output.one(&result, ClosingReport::to_text)?;
    result.report.iter().try_for_each(|written| written.print_commands(context.output))?;
    failed.map_or(Ok(()), |failure| Err(failure.of_report(&id)))
}

pub(super) async fn report(id: &str, out: Option<PathBuf>, context: &mut Context<'_>) -> Result<(), Failure> {
    let directory = out.unwrap_or_else(|| report_directory(id));
    let written = closing::write(id, &directory, context).await?;
    context.output.one(&written, Written::to_text)?;
    written.print_commands(context.output)
}

/// Where the report goes unless another directory is named.
fn report_directory(id: &str) -> PathBuf {
    PathBuf::from(format!("closing-{id}"))
}

/// What closing it comes to.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is left to do but the report.
    Closed,
    /// So many units are out: the CA refuses.
    Out(u64),
    Closable {
        left: u64,
    },
}

impl Standing {
    fn of(order: &wire::WorkOrder) -> Self {
        let out = order.counts.unwrap_or_default().reserved;
        match order.state() {
            wire::WorkOrderState::Closed => Self::Closed,
            _ if out > 0 => Self::Out(out),
            _ => Self::Closable { left: order.units_left() },
        }
    }
}

#[derive(Debug, Serialize)]
struct ClosingReport {
    work_order: WorkOrderView,
    #[serde(flatten)]
    unfinished: Unfinished,
    report: Option<Written>,
}

impl ClosingReport {
    fn to_text(&self) -> String {
        let mut text = format!("{}\n{}", self.work_order.to_text(), self.unfinished.to_text());
        text.extend(self.report.iter().map(|written| format!("\n\n{}", written.to_text())));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_closed_or_has_units_out_is_not_asked_about() {
        let order = |state: wire::WorkOrderState, reserved| wire::WorkOrder {
            quantity: 11,
            state: state.into(),
            counts: Some(wire::WorkOrderCounts { reserved, ..Default::default() }),
            ..Default::default()
        };
        assert_eq!(Standing::of(&order(wire::WorkOrderState::Closed, 0)), Standing::Closed);
        assert_eq!(Standing::of(&order(wire::WorkOrderState::Open, 7)), Standing::Out(7));
        assert_eq!(Standing::of(&order(wire::WorkOrderState::Paused, 0)), Standing::Closable { left: 11 });
    }
}
