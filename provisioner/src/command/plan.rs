//! The plan of a run.

mod description;
mod found;

use std::collections::BTreeMap;
use std::time::SystemTime;

use cli::count;
use identity::{Clock, DeviceId, DeviceIdError, DeviceSerial, Product, SerialPattern, SystemClock};
use proto::v1;
use proto::v1::work_order::Serials;

use super::intake::Source;
use super::{Failure, Job, survey};
use crate::ca::{Ca, NOT_RESERVED};
use crate::config::BenchSettings;
use crate::journal::{JournalState, UnitRecord};
use crate::line::{Intake, RowIntake, ScanIntake, Stop};
use crate::link::LinkSpec;
use crate::mode::Mode;
use crate::offline::Offline;
use crate::scan::Desk;
use crate::slot::order_refusal;
use crate::units::{Rules, Supply, Unit};
use crate::wire::time;
use description::describe;
use found::{Found, PlanCounts, listed};

/// What the command line asks for.
pub(super) struct RunRequest<'a> {
    pub(super) source: Source,
    pub(super) product: Option<&'a str>,
    pub(super) limit: Option<u64>,
    pub(super) link: LinkSpec,
    pub(super) slots: usize,
    pub(super) bench: &'a BenchSettings,
    pub(super) offline: Offline,
}

pub(super) struct Plan {
    pub(super) job: Job,
    pub(super) description: String,
    /// Why the order issues nothing to units that were not begun.
    pub(super) stop: Option<Stop>,
    /// How many units are not begun for that reason.
    pub(super) withheld: u64,
    /// Serial numbers that were skipped, by reason; empty where enough others are left.
    pub(super) taken: BTreeMap<&'static str, u64>,
    pub(super) done: u64,
    /// Units for which no serial number is left.
    pub(super) missing: u64,
}

/// The product of a work order. An error if `--product` names another.
pub(super) fn product(
    answer: &v1::GetWorkOrderResponse,
    request: &RunRequest<'_>,
) -> Result<Product, Failure> {
    let order = answer.work_order.clone().unwrap_or_default();
    if request.product.is_some_and(|wanted| wanted != order.product) {
        let text = format!("work order {} is for product {}; check --work-order", order.id, order.product);
        return Err(Failure::WorkOrder(text));
    }
    parse_product(&order.product)
}

pub(super) fn parse_product(text: &str) -> Result<Product, Failure> {
    let refused =
        || Failure::WorkOrder(format!("the CA's work order names {text:?}, which is not a product"));
    text.parse().map_err(|_| refused())
}

impl Plan {
    /// Compares what is asked for with what the CA allows and what the journal has as done.
    pub(super) async fn new(
        ca: &Ca,
        answer: &v1::GetWorkOrderResponse,
        product: Product,
        known: JournalState,
        request: RunRequest<'_>,
        reworks: u64,
    ) -> Result<Self, Failure> {
        let order = answer.work_order.clone().unwrap_or_default();
        for slot in [1, request.slots] {
            // A wrong address of the last slot is reported before the first one works.
            request.link.reaches(slot)?;
        }
        let rules = rules(&order, &product, &request)?;
        let found = match &request.source {
            Source::Rows { .. } | Source::Scans | Source::Devices => {
                return Self::of_arrivals(answer, known, request, reworks, rules);
            }
            Source::List(list) => Found::in_list(listed(list, &rules)?, &known, request.limit, ca.is_away()),
            Source::Order => {
                let allowed = allowed(&order, &known, reworks, ca.is_away());
                let candidates = match ca.is_away() {
                    true => survey::without_the_ca(&product, &known, allowed, request.limit),
                    false => survey::candidates(ca, &order, &product, &known, allowed, request.limit).await?,
                };
                Found::in_order(candidates, &known)
            }
        };
        let Found { supply, first, planned, taken, intake, unreserved } = found;
        for unit in &first {
            request.link.accepts(&unit.device)?;
        }
        let held = order_stop(&order, now(answer));
        let is_held = held.is_some();
        let wants_more = matches!(request.source, Source::Order) && planned.done < order.quantity;
        let nothing = ca.is_away() && wants_more && supply.left == 0;
        let stop = held.or_else(|| not_reserved(unreserved)).or_else(|| nothing.then(nothing_reserved));
        let all = supply.left;
        let (supply, intake) = match is_held {
            true => (only_asked_for(supply, &known), Intake::Supply),
            false => (supply, intake),
        };
        let withheld = all.saturating_sub(supply.left).saturating_add(unreserved);
        let to_make = count(supply.left.saturating_sub(planned.missing), "unit");
        let description = describe(&order, &known, (&to_make, &planned, &taken), &request);
        // Skipped serial numbers matter only where too few are left.
        let taken = if planned.missing > 0 { taken } else { BTreeMap::new() };
        let RunRequest { link, slots, source, offline, .. } = request;
        let can_pause = match source {
            Source::List(list) => list.leaves_the_keyboard(),
            _ => true,
        };
        let first = first.into_iter().map(|unit| unit.device.serial).collect();
        let of = Job::of(answer, product, (link, slots), known);
        let job = Job { supply, intake, can_pause, first, offline, ..of };
        let PlanCounts { done, missing, .. } = planned;
        Ok(Self { job, description, stop, withheld, taken, done, missing })
    }

    /// A run whose units are not known before.
    fn of_arrivals(
        answer: &v1::GetWorkOrderResponse,
        known: JournalState,
        request: RunRequest<'_>,
        reworks: u64,
        rules: Rules,
    ) -> Result<Self, Failure> {
        let order = answer.work_order.clone().unwrap_or_default();
        let now = now(answer);
        // The CA may come back while people bring units.
        let allowed = allowed(&order, &known, reworks, false);
        let wanted = request.limit.map_or(allowed, |limit| limit.min(allowed));
        let mut stop = order_stop(&order, now);
        let to_make = match &request.source {
            Source::Rows { .. } => "the units of the list, as they come".to_owned(),
            Source::Scans => format!("at most {}, as they are scanned", count(wanted, "unit")),
            _ => format!("at most {}, as they are inserted", count(wanted, "unit")),
        };
        let open_if_they_come = known.open_units().count() as u64;
        let planned = PlanCounts { open_if_they_come, ..PlanCounts::default() };
        let description = describe(&order, &known, (&to_make, &planned, &BTreeMap::new()), &request);
        let RunRequest { source, limit, link, slots, bench, offline, .. } = request;
        let product = rules.product.clone();
        let (mode, supply, intake, can_pause) = match source {
            Source::Rows { list, input } => {
                let can_pause = list.leaves_the_keyboard();
                let reader = lists::RowReader::new(product.clone(), list.column);
                let rows = Intake::Rows(RowIntake { input, reader, rules });
                (Mode::List, Supply::of_arrivals(limit.unwrap_or(u64::MAX)), rows, can_pause)
            }
            Source::Scans => {
                let desk = Desk::new(product.clone(), bench.slot_codes.clone(), bench.confirms_slot)
                    .with_operators(bench.operator_prefix.clone());
                let scans = Intake::Scans(ScanIntake { inputs: Vec::new(), desk, rules });
                (Mode::Scan, Supply::of_people(wanted), scans, true)
            }
            Source::Devices | Source::Order | Source::List(_) => {
                let stand_in = DeviceId { product: product.clone(), serial: stand_in()? };
                (Mode::Device, Supply::of_people(wanted), Intake::Devices { stand_in }, true)
            }
        };
        if supply.left == 0 {
            stop = stop.or_else(|| order_refusal(&order, now).map(Stop::from));
        }
        let supply = if stop.is_some() { Supply::of_list(Vec::new(), None) } else { supply };
        let of = Job::of(answer, product, (link, slots), known);
        let job = Job { mode, supply, intake, can_pause, offline, ..of };
        Ok(Self { job, description, stop, withheld: 0, taken: BTreeMap::new(), done: 0, missing: 0 })
    }
}

/// What a row or a scan must be to become a unit of the order.
fn rules(order: &v1::WorkOrder, product: &Product, request: &RunRequest<'_>) -> Result<Rules, Failure> {
    let range = match &order.serials {
        Some(Serials::Pattern(text)) => Some((text.clone(), text.parse::<SerialPattern>()?)),
        _ => None,
    };
    Ok(Rules {
        work_order: order.id.clone(),
        product: product.clone(),
        range,
        slots: request.slots,
        link: request.link.clone(),
    })
}

/// Why units that were not begun cannot be made. An exhausted order is no reason: its units may be under way.
fn order_stop(order: &v1::WorkOrder, now: Option<SystemTime>) -> Option<Stop> {
    let refusal = order_refusal(order, now)?;
    (!refusal.is(v1::Reason::WorkOrderExhausted)).then(|| refusal.into())
}

/// Why units of a list are not begun without the CA.
fn not_reserved(units: u64) -> Option<Stop> {
    (units > 0).then(|| {
        let verb = if units == 1 { "is" } else { "are" };
        let message = format!(
            "the CA is not asked, and {} of the list {verb} not reserved for this station",
            count(units, "unit")
        );
        Stop::Refused { reason: NOT_RESERVED.to_owned(), message }
    })
}

fn nothing_reserved() -> Stop {
    let message = "the CA is not asked, and no unit of the order is reserved for this station".to_owned();
    Stop::Refused { reason: NOT_RESERVED.to_owned(), message }
}

/// Units for which the CA was asked: it returns what it issued also when the order stands still.
fn only_asked_for(supply: Supply, known: &JournalState) -> Supply {
    let left = supply.left;
    let asked: std::collections::BTreeSet<_> = known
        .units
        .iter()
        .filter(|(_, unit)| unit.progress.asked.is_some() && !unit.is_done())
        .map(|(device, _)| device)
        .collect();
    // Stops after the known units, so that a range of ten million is not walked to its end.
    let units: Vec<Unit> =
        supply.into_units().filter(|unit| asked.contains(&unit.device)).take(asked.len()).collect();
    Supply::of_list(units, Some(left))
}

/// How many units are to be made: what the order allows, what is reserved here, what of it is unfinished
/// here, and the reworks. Without the CA only what is reserved.
fn allowed(order: &v1::WorkOrder, known: &JournalState, reworks: u64, is_away: bool) -> u64 {
    let is_unfinished = |unit: &&UnitRecord| unit.progress.certificate.is_some() && !unit.is_done();
    let unfinished = known.units.values().filter(is_unfinished).count() as u64;
    let left = if is_away { 0 } else { order.units_left() };
    left.saturating_add(known.reserved()).saturating_add(unfinished).saturating_add(reworks)
}

/// The CA's time; while it cannot be asked, the station's.
fn now(answer: &v1::GetWorkOrderResponse) -> Option<SystemTime> {
    Some(answer.now.as_ref().map_or_else(|| SystemClock.now(), time))
}

/// Stands for the serial number of a unit that has not said it.
pub(super) fn stand_in() -> Result<DeviceSerial, Failure> {
    "unknown".parse().map_err(|error: DeviceIdError| Failure::WorkOrder(error.to_string()))
}
