//! `touchmark work-order …`

use cli::count;
use identity::{Clock, Principal, PrincipalName, Role, SystemClock};
use proto::v1::work_order_service_client::WorkOrderServiceClient;
use proto::v1::{self as wire, create_work_order_request, work_order};
use rand::Rng;
use serde::Serialize;
use tonic::transport::Channel;

use crate::arguments::{PageArguments, WorkOrderCommand, WorkOrderTerms};
use crate::confirmation::confirm_name;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Output, facts};
use crate::paging::Listing;
use crate::table::always;
use crate::{certificate, manifest, timestamp};

/// Does what the command says.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn run(
    command: WorkOrderCommand,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        WorkOrderCommand::Create(terms) => create(terms, connection, output).await,
        WorkOrderCommand::List(page) => list(&page, connection, output).await,
        WorkOrderCommand::Show { id } => show(read(&id, connection).await?, output),
        WorkOrderCommand::Pause { id } => {
            let request = wire::PauseWorkOrderRequest { id };
            show(client(connection).await?.pause(request).await?.into_inner(), output)
        }
        WorkOrderCommand::Resume { id } => {
            let request = wire::ResumeWorkOrderRequest { id };
            show(client(connection).await?.resume(request).await?.into_inner(), output)
        }
        WorkOrderCommand::Close { id, yes } => close(id, yes, connection, output).await,
    }
}

/// Makes an order: idempotent while this call lasts, so a lost reply is asked for again under the same request id.
pub(crate) async fn order(
    terms: WorkOrderTerms,
    connection: &Connection,
) -> Result<wire::WorkOrder, Failure> {
    let request = request(terms)?;
    let mut client = client(connection).await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match client.create(request.clone()).await {
            Err(status) if attempts < ATTEMPTS_MAX && status.code() == tonic::Code::Unavailable => {}
            answer => return Ok(answer?.into_inner()),
        }
    }
}

/// One order as the CA has it now.
pub(crate) async fn read(id: &str, connection: &Connection) -> Result<wire::WorkOrder, Failure> {
    let request = wire::GetWorkOrderByIdRequest { id: id.to_owned() };
    Ok(client(connection).await?.get(request).await?.into_inner())
}

async fn create(terms: WorkOrderTerms, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    let stations = terms.stations.clone();
    let order = WorkOrderView::from(order(terms, connection).await?);
    for station in stations {
        warn_without_credential(station, connection, output).await;
    }
    output.one(&order, |order| order.id.clone())?;
    if !output.is_json() {
        let stations = order.stations.join(" or ");
        output.note(&format!(
            "{} of {}. Next, on {stations}:\n  touchmark-station provision --config station.toml --work-order {} --link LINK",
            count(order.quantity, "unit"), order.product, order.id,
        ));
    }
    Ok(())
}

/// A station that cannot call is a mistyped name, or one that still needs its credential. The order stands either way.
async fn warn_without_credential(name: PrincipalName, connection: &Connection, output: &mut Output) {
    let station = Principal::named(Role::Station, name.clone());
    let usable = certificate::usable_credentials(&station, SystemClock.now(), connection).await;
    // Whether it has one is only a hint; the order is made.
    if let Ok(0) = usable {
        output.note(&format!(
            "warning: {station} has no credential that is good now; if the name is right:\n  touchmark principal issue station {name} --out {name}",

        ));
    }
}

fn request(terms: WorkOrderTerms) -> Result<wire::CreateWorkOrderRequest, Failure> {
    if let (Some(opens), Some(closes)) = (terms.opens, terms.closes)
        && opens >= closes
    {
        return Err(
            Failure::usage("--closes must be later than --opens").next("correct one of the two times")
        );
    }
    let (serials, quantity) = match (terms.serials, &terms.manifest, terms.quantity) {
        (Some(pattern), _, Some(quantity)) => {
            (create_work_order_request::Serials::Pattern(pattern), quantity)
        }
        (None, Some(path), quantity) => {
            let serials = manifest::read(path, &terms.product, terms.column.as_deref())?;
            let listed = serials.len() as u64;
            if let Some(quantity) = quantity.filter(|quantity| *quantity != listed) {
                let (listed, wanted) = (count(listed, "serial number"), count(quantity, "unit"));
                return Err(Failure::usage(format!(
                    "{} has {listed}, and --quantity says {wanted}",
                    path.display()
                ))
                .next("leave --quantity out: the order is then for as many units as the file lists"));
            }
            let serials = serials.iter().map(ToString::to_string).collect();
            (create_work_order_request::Serials::Manifest(wire::SerialManifest { serials }), listed)
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
    Ok(wire::CreateWorkOrderRequest {
        request_id: request_id().into(),
        product: terms.product.to_string(),
        quantity,
        profile: terms.profile,
        serials: Some(serials),
        stations: terms.stations.iter().map(PrincipalName::to_string).collect(),
        allow_unknown_stations: terms.allow_unknown_station,
        opens_at: terms.opens.map(timestamp::to_wire),
        closes_at: terms.closes.map(timestamp::to_wire),
    })
}

/// A fresh request id.
pub(crate) fn request_id() -> Vec<u8> {
    let mut id = vec![0; 16];
    rand::make_rng::<rand::rngs::StdRng>().fill_bytes(&mut id);
    id
}

async fn list(page: &PageArguments, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    let client = client(connection).await?;
    let listing = Listing {
        columns: &[
            always("ID"),
            always("STATE"),
            always("PRODUCT"),
            always("QUANTITY"),
            always("ISSUED"),
            always("CONFIRMED"),
            always("SCRAPPED").spare(1),
            always("REWORKED").spare(5),
            always("SERIALS").spare(3),
            always("STATIONS").spare(2),
            always("CREATED").spare(4),
        ],
        cells: |order: &WorkOrderView| {
            vec![
                order.id.clone(),
                order.state_in_a_word().to_owned(),
                order.product.clone(),
                order.quantity.to_string(),
                order.issued.to_string(),
                order.confirmed.to_string(),
                order.scrapped.to_string(),
                order.reworked.to_string(),
                order.serials(),
                order.stations.join(" "),
                order.created_at.clone().unwrap_or_default(),
            ]
        },
    };
    let ask = |page| {
        let mut client = client.clone();
        async move {
            let answer = client.list(wire::ListWorkOrdersRequest { page: Some(page) }).await?.into_inner();
            Ok((answer.work_orders, answer.next_cursor))
        }
    };
    listing.print(page, output, ask, |order| Some(WorkOrderView::from(order))).await
}

fn show(order: wire::WorkOrder, output: &mut Output) -> Result<(), Failure> {
    output.one(&WorkOrderView::from(order), WorkOrderView::in_words)
}

async fn close(id: String, yes: bool, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    // What does not exist is said before anybody is asked.
    let order = read(&id, connection).await?;
    let left = order.quantity.saturating_sub(order.counts.unwrap_or_default().issued);
    confirm_name(&id, &format!("close {id} for ever ({} not made)", count(left, "unit")), yes)?;
    let answer = client(connection).await?.close(wire::CloseWorkOrderRequest { id }).await?.into_inner();
    let report = ClosingReport {
        work_order: answer.work_order.unwrap_or_default().into(),
        unaccounted: answer.unaccounted.iter().map(crate::device::name).collect(),
        unaccounted_count: answer.unaccounted_count,
    };
    output.one(&report, |report| {
        let mut text = report.work_order.in_words();
        text.push_str(&match report.unaccounted_count {
            0 => "\nEvery unit with a certificate was confirmed or scrapped.".to_owned(),
            count => format!(
                "\n{} with a certificate, neither confirmed nor scrapped:\n  {}",
                cli::count(count, "unit"),
                report.unaccounted.join("\n  ")
            ),
        });
        text
    })
}

async fn client(connection: &Connection) -> Result<WorkOrderServiceClient<Channel>, Failure> {
    Ok(WorkOrderServiceClient::new(connection.open().await?))
}

/// An order as it is printed.
#[derive(Debug, Serialize)]
struct WorkOrderView {
    id: String,
    state: &'static str,
    /// Whether the time in which it may be used has begun and has not ended: `not begun`, `open` or `ended`.
    window: &'static str,
    product: String,
    quantity: u64,
    issued: u64,
    confirmed: u64,
    scrapped: u64,
    reworked: u64,
    profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_length: Option<u64>,
    stations: Vec<String>,
    opens_at: Option<String>,
    closes_at: Option<String>,
    created_at: Option<String>,
    created_by: String,
}

#[derive(Debug, Serialize)]
struct ClosingReport {
    work_order: WorkOrderView,
    unaccounted: Vec<String>,
    unaccounted_count: u64,
}

impl From<wire::WorkOrder> for WorkOrderView {
    fn from(order: wire::WorkOrder) -> Self {
        let counts = order.counts.unwrap_or_default();
        let state = match order.state() {
            wire::WorkOrderState::Unspecified => "unknown",
            wire::WorkOrderState::Open => "open",
            wire::WorkOrderState::Paused => "paused",
            wire::WorkOrderState::Closed => "closed",
        };
        let (pattern, manifest_length) = match order.serials {
            Some(work_order::Serials::Pattern(pattern)) => (Some(pattern), None),
            Some(work_order::Serials::ManifestLength(length)) => (None, Some(length)),
            None => (None, None),
        };
        let now = SystemClock.now();
        let window =
            match (timestamp::system(order.opens_at.as_ref()), timestamp::system(order.closes_at.as_ref())) {
                (Some(opens), _) if opens > now => "not begun",
                (_, Some(closes)) if closes <= now => "ended",
                _ => "open",
            };
        Self {
            state,
            window,
            id: order.id,
            product: order.product,
            quantity: order.quantity,
            issued: counts.issued,
            confirmed: counts.confirmed,
            scrapped: counts.scrapped,
            reworked: counts.reworked,
            profile: order.profile,
            pattern,
            manifest_length,
            stations: order.stations,
            opens_at: timestamp::text(order.opens_at.as_ref()),
            closes_at: timestamp::text(order.closes_at.as_ref()),
            created_at: timestamp::text(order.created_at.as_ref()),
            created_by: order.created_by,
        }
    }
}

impl WorkOrderView {
    fn serials(&self) -> String {
        match (&self.pattern, self.manifest_length) {
            (Some(pattern), _) => pattern.clone(),
            (None, Some(length)) => format!("manifest of {length}"),
            (None, None) => "-".to_owned(),
        }
    }

    /// For a table.
    fn state_in_a_word(&self) -> &'static str {
        match (self.state, self.window) {
            ("open", "not begun") => "not yet open",
            ("open", "ended") => "ended",
            (state, _) => state,
        }
    }

    fn state_in_words(&self) -> String {
        match (self.state, self.window) {
            ("open", "not begun") => "not yet open: its window has not begun".to_owned(),
            ("open", "ended") => {
                "ended: its window is over, and no station gets a certificate any more".to_owned()
            }
            ("paused", "ended") => "paused, and its window is over".to_owned(),
            ("closed", _) => "closed for ever".to_owned(),
            (state, _) => state.to_owned(),
        }
    }

    fn closes_in_words(&self) -> String {
        match (&self.closes_at, self.state) {
            (Some(closes), _) => closes.clone(),
            (None, "closed") => "it is closed".to_owned(),
            (None, _) => "when an operator closes it".to_owned(),
        }
    }

    /// Units, and how many certificates they got when some were reworked.
    fn issued_in_words(&self) -> String {
        let units = count(self.issued, "unit");
        match self.reworked {
            0 => units,
            reworked => format!(
                "{units}, {} ({})",
                count(self.issued + reworked, "birth certificate"),
                count(reworked, "rework")
            ),
        }
    }

    fn in_words(&self) -> String {
        let left = self.quantity.saturating_sub(self.issued);
        facts(&[
            ("work order", self.id.clone()),
            ("state", self.state_in_words()),
            ("product", self.product.clone()),
            ("quantity", format!("{} ({left} left)", count(self.quantity, "unit"))),
            ("issued", self.issued_in_words()),
            ("confirmed", count(self.confirmed, "unit")),
            ("scrapped", count(self.scrapped, "unit")),
            ("profile", self.profile.clone()),
            ("serials", self.serials()),
            ("stations", self.stations.join(", ")),
            ("opens", self.opens_at.clone().unwrap_or_else(|| "at once".to_owned())),
            ("closes", self.closes_in_words()),
            ("created", format!("{} by {}", self.created_at.as_deref().unwrap_or("-"), self.created_by)),
        ])
    }
}

/// One lost connection is usual; more are for the person to see.
const ATTEMPTS_MAX: u32 = 3;
