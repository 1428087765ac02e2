//! `touchmark work-order reservation …`

use cli::count;
use proto::v1 as wire;
use serde::Serialize;

use crate::arguments::{PageArguments, ReservationCommand};
use crate::confirmation::confirm_count;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::table::{Column, always, spare};
use crate::view::{ReservationView, or_dash};
use crate::{Context, paging};

pub(super) async fn run(command: ReservationCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        ReservationCommand::List { work_order, all, page } => {
            list(work_order.unwrap_or_default(), !all, &page, context).await
        }
        ReservationCommand::Withdraw { id, remark, confirm } => withdraw(id, remark, confirm, context).await,
    }
}

async fn list(
    work_order: String,
    only_out: bool,
    page: &PageArguments,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut client = context.connection.work_orders().await?;
    let ask = async |page| {
        let request = wire::ListReservationsRequest {
            work_order: work_order.clone(),
            only_out,
            page: Some(page),
            reservation: String::new(),
        };
        let answer = client.list_reservations(request).await?.into_inner();
        Ok((answer.reservations, answer.next_cursor))
    };
    paging::print(COLUMNS, page, context.output, ask).await
}

const COLUMNS: &[Column<ReservationView>] = &[
    always("ID", |reservation| reservation.id.clone()),
    always("STATE", |reservation| reservation.state.clone()),
    always("WORK ORDER", |reservation| reservation.work_order.clone()),
    always("STATION", |reservation| reservation.station.clone()),
    always("UNITS", |reservation| reservation.units.to_string()),
    always("OUT", |reservation| reservation.out.to_string()),
    spare(1, always("ENDS", |reservation| or_dash(&reservation.ends_at))),
    spare(2, always("ISSUED", |reservation| reservation.issued.to_string())),
    spare(3, always("RETURNED", |reservation| reservation.returned.to_string())),
    spare(4, always("WITHDRAWN", |reservation| reservation.withdrawn.to_string())),
    spare(6, always("REFUSED", |reservation| reservation.refused.to_string())),
    spare(5, always("RESERVED", |reservation| or_dash(&reservation.reserved_at))),
];

async fn withdraw(
    id: String,
    remark: String,
    confirm: Option<u64>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let known = read(&id, &context.connection).await?;
    if known.out > 0 {
        let units = count(known.out, "unit");
        if !context.output.is_json() {
            context.output.note(&format!(
                "{id} of {} for {}: {units} out.\nTheir serial numbers stay spent and are never given to another unit. A unit that was made \
                 under one of them and is not reconciled yet is refused for ever: ask {} first whether it has made any.",
                known.station, known.work_order, known.station
            ));
        }
        confirm_count(known.out, &format!("withdraw {id} for ever with {units} out"), confirm)?;
    }
    let request = wire::WithdrawReservationRequest { reservation: id, remark };
    let answer = context.connection.work_orders().await?.withdraw_reservation(request).await?.into_inner();
    let report =
        Withdrawn { reservation: answer.reservation.unwrap_or_default().into(), withdrawn: answer.withdrawn };
    context.output.one(&report, |report| match report.withdrawn.len() as u64 {
        0 => format!("nothing to withdraw: no unit of {} is out", report.reservation.id),
        units => format!(
            "{}: {} withdrawn, never to be given to another unit:\n  {}",
            report.reservation.id,
            count(units, "serial number"),
            report.withdrawn.join("\n  ")
        ),
    })
}

async fn read(id: &str, connection: &Connection) -> Result<wire::Reservation, Failure> {
    let request = wire::ListReservationsRequest {
        reservation: id.to_owned(),
        ..wire::ListReservationsRequest::default()
    };
    let answer = connection.work_orders().await?.list_reservations(request).await?.into_inner();
    Ok(answer.reservations.into_iter().next().unwrap_or_default())
}

#[derive(Debug, Serialize)]
struct Withdrawn {
    reservation: ReservationView,
    withdrawn: Vec<String>,
}
