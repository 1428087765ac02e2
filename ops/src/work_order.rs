//! `touchmark work-order …`

mod close;
mod closing;
mod give_up;
mod reservation;
mod unfinished;
mod upload;
mod verification;

use cli::count;
use identity::{Clock, DeviceSerial, Principal, PrincipalName, Role, SystemClock};
use proto::v1::{self as wire, create_work_order_request};

use crate::arguments::{PageArguments, WorkOrderArgument, WorkOrderCommand, WorkOrderTerms};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{Column, always, spare};
use crate::view::WorkOrderView;
use crate::{Context, certificate, manifest, paging, request_id, timestamp};

pub(crate) async fn run(command: WorkOrderCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        WorkOrderCommand::Create(terms) => create(terms, context).await,
        WorkOrderCommand::List(page) => list(&page, context).await,
        WorkOrderCommand::Show(WorkOrderArgument { id }) => {
            show(read(&id, &context.connection).await?, context.output)
        }
        WorkOrderCommand::Pause(WorkOrderArgument { id }) => {
            let request = wire::PauseWorkOrderRequest { id };
            show(context.connection.work_orders().await?.pause(request).await?.into_inner(), context.output)
        }
        WorkOrderCommand::Resume(WorkOrderArgument { id }) => {
            let request = wire::ResumeWorkOrderRequest { id };
            show(context.connection.work_orders().await?.resume(request).await?.into_inner(), context.output)
        }
        WorkOrderCommand::Close { order, yes, report } => close::run(order.id, yes, report, context).await,
        WorkOrderCommand::Report { order, out } => close::report(&order.id, out, context).await,
        WorkOrderCommand::GiveUp { order, serials, remark, confirm } => {
            give_up::run(order.id, serials, remark, confirm, context).await
        }
        WorkOrderCommand::Reservation { command } => reservation::run(command, context).await,
    }
}

/// Creates an order; one with a long manifest is incomplete then.
pub(crate) async fn order(
    terms: WorkOrderTerms,
    connection: &Connection,
) -> Result<wire::WorkOrder, Failure> {
    created(request(terms)?.0, connection).await
}

/// Creates an order, with the whole of its manifest.
async fn whole_order(
    terms: WorkOrderTerms,
    connection: &Connection,
    output: &mut Output,
) -> Result<wire::WorkOrder, Failure> {
    let (request, manifest) = request(terms)?;
    let order = created(request, connection).await?;
    if order.state() != wire::WorkOrderState::Incomplete {
        return Ok(order);
    }
    let id = order.id.clone();
    upload::send(order, &manifest, connection, output).await.map_err(|failure| {
        let passes = failure.may_pass();
        let failure = failure.about(&format!("{id} waits for the rest of its manifest"));
        if passes { failure.next("run the same command again: it goes on where it was") } else { failure }
    })
}

/// A lost answer is requested again under the same request id.
async fn created(
    request: wire::CreateWorkOrderRequest,
    connection: &Connection,
) -> Result<wire::WorkOrder, Failure> {
    let mut client = connection.work_orders().await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match client.create(request.clone()).await {
            Err(status) if attempts < ATTEMPTS_MAX && status.code() == tonic::Code::Unavailable => {}
            answer => return Ok(answer?.into_inner()),
        }
    }
}

pub(crate) async fn read(id: &str, connection: &Connection) -> Result<wire::WorkOrder, Failure> {
    let request = wire::GetWorkOrderByIdRequest { id: id.to_owned() };
    Ok(connection.work_orders().await?.get(request).await?.into_inner())
}

async fn create(terms: WorkOrderTerms, context: &mut Context<'_>) -> Result<(), Failure> {
    let stations = terms.stations.clone();
    let order = WorkOrderView::from(whole_order(terms, &context.connection, context.output).await?);
    for station in stations {
        warn_without_credential(station, context).await;
    }
    context.output.one(&order, |order| order.id.clone())?;
    if !context.output.is_json() {
        let stations = order.stations.join(" or ");
        context.output.note(&format!(
            "{} of {}. Next, on {stations}:\n  touchmark-station provision --config station.toml --work-order {} --link LINK",
            count(order.quantity, "unit"), order.product, order.id,
        ));
    }
    Ok(())
}

/// The order is valid, but its station's name may be mistyped, or its credential is still to be made.
async fn warn_without_credential(name: PrincipalName, context: &mut Context<'_>) {
    let station = Principal::named(Role::Station, name.clone());
    let usable = certificate::usable_credentials(&station, SystemClock.now(), &context.connection).await;
    // Only a hint, so errors are ignored.
    if let Ok(0) = usable {
        context.output.note(&format!(
            "warning: {station} has no credential that is good now; if the name is right:\n  touchmark principal issue station {name} --out {name}",

        ));
    }
}

/// The request, and the sorted serial numbers that follow it; none: it has them.
fn request(terms: WorkOrderTerms) -> Result<(wire::CreateWorkOrderRequest, Vec<DeviceSerial>), Failure> {
    if let (Some(opens), Some(closes)) = (terms.opens, terms.closes)
        && opens >= closes
    {
        return Err(
            Failure::usage("--closes must be later than --opens").next("correct one of the two times")
        );
    }
    let mut follow = Vec::new();
    let (serials, quantity) = match (terms.serials, &terms.manifest, terms.quantity) {
        (Some(pattern), _, Some(quantity)) => {
            (create_work_order_request::Serials::Pattern(pattern), quantity)
        }
        (None, Some(path), quantity) => {
            let listed_serials = manifest::read(path, &terms.product, terms.column.as_deref())?;
            let listed = listed_serials.len() as u64;
            if let Some(quantity) = quantity.filter(|quantity| *quantity != listed) {
                let (listed, wanted) = (count(listed, "serial number"), count(quantity, "unit"));
                return Err(Failure::usage(format!(
                    "{} has {listed}, and --quantity says {wanted}",
                    path.display()
                ))
                .next("leave --quantity out: the order is then for as many units as the file lists"));
            }
            let serials;
            (serials, follow) = manifest_of(listed_serials);
            (serials, listed)
        }
        (Some(_), _, None) => {
            return Err(Failure::usage("how many units is not said").next("say it: --quantity N"));
        }
        (None, None, _) => {
            return Err(Failure::usage("which serial numbers is not said").next(
                "say them: --serials PATTERN with --quantity N, or --manifest FILE, which is as many units as it lists",
            ));
        }
    };
    let request = wire::CreateWorkOrderRequest {
        request_id: request_id().into(),
        product: terms.product.to_string(),
        quantity,
        profile: terms.profile,
        serials: Some(serials),
        stations: terms.stations.iter().map(PrincipalName::to_string).collect(),
        allow_unknown_stations: terms.allow_unknown_station,
        opens_at: terms.opens.map(timestamp::to_wire),
        closes_at: terms.closes.map(timestamp::to_wire),
    };
    Ok((request, follow))
}

/// A manifest in the request, or announced there if it is long: then it is sorted, and follows.
fn manifest_of(mut serials: Vec<DeviceSerial>) -> (create_work_order_request::Serials, Vec<DeviceSerial>) {
    if serials.len() > upload::WHOLE_SERIALS_MAX {
        serials.sort();
        return (create_work_order_request::Serials::Outline(upload::outline(&serials)), serials);
    }
    let serials = serials.iter().map(ToString::to_string).collect();
    (create_work_order_request::Serials::Manifest(wire::SerialManifest { serials }), Vec::new())
}

async fn list(page: &PageArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut client = context.connection.work_orders().await?;
    let ask = async |page| {
        let answer = client.list(wire::ListWorkOrdersRequest { page: Some(page) }).await?.into_inner();
        Ok((answer.work_orders, answer.next_cursor))
    };
    paging::print(COLUMNS, page, context.output, ask).await
}

const COLUMNS: &[Column<WorkOrderView>] = &[
    always("ID", |order| order.id.clone()),
    always("STATE", |order| order.state_word().to_owned()),
    always("PRODUCT", |order| order.product.clone()),
    always("QUANTITY", |order| order.quantity.to_string()),
    always("ISSUED", |order| order.issued.to_string()),
    always("CONFIRMED", |order| order.confirmed.to_string()),
    spare(1, always("SCRAPPED", |order| order.scrapped.to_string())),
    spare(5, always("REWORKED", |order| order.reworked.to_string())),
    spare(6, always("RESERVED", |order| order.reserved.to_string())),
    spare(7, always("WITHDRAWN", |order| order.withdrawn.to_string())),
    spare(8, always("GIVEN UP", |order| order.given_up.to_string())),
    spare(9, always("REFUSED", |order| order.refused_after_deferral.to_string())),
    spare(3, always("SERIALS", WorkOrderView::serials)),
    spare(2, always("STATIONS", |order| order.stations.join(" "))),
    spare(4, always("CREATED", |order| order.created_at.clone().unwrap_or_default())),
];

fn show(order: wire::WorkOrder, output: &mut Output) -> Result<(), Failure> {
    output.one(&WorkOrderView::from(order), WorkOrderView::to_text)
}

/// One lost connection is usual; more are reported.
const ATTEMPTS_MAX: u32 = 3;
