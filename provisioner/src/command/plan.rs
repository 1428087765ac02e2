//! The plan of a run and its description.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cli::count;
use identity::{DeviceId, DeviceSerial, Product, SerialPattern};
use proto::v1;
use proto::v1::work_order::Serials;

use super::summary::taken_text;
use super::survey::{self, Candidates};
use super::{Failure, Job};
use crate::ca::Ca;
use crate::journal::{JournalState, UnitRecord};
use crate::line::Stop;
use crate::link::LinkSpec;
use crate::slot::order_refusal;
use crate::units::{Supply, Unit};
use crate::wire::{bundle, time};

/// The line's own list, not yet parsed.
pub(super) struct List<'a> {
    pub(super) path: &'a Path,
    pub(super) content: Vec<u8>,
    pub(super) column: Option<&'a str>,
}

/// What the command line asks for.
pub(super) struct RunRequest<'a> {
    pub(super) list: Option<List<'a>>,
    pub(super) product: Option<&'a str>,
    pub(super) limit: Option<u64>,
    pub(super) link: LinkSpec,
    pub(super) slots: usize,
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
        let found = match &request.list {
            Some(list) => Found::in_list(listed(list, &order, &product)?, &known, request.limit),
            None => {
                let allowed = allowed(&order, &known, reworks);
                let candidates =
                    survey::candidates(ca, &order, &product, &known, allowed, request.limit).await?;
                Found::in_order(candidates, &known)
            }
        };
        let Found { supply, first, planned, taken } = found;
        for unit in &first {
            request.link.accepts(&unit.device)?;
        }
        let stop = order_stop(&order, answer.now.as_ref().map(time));
        let all = supply.left;
        let supply = if stop.is_some() { only_asked_for(supply, &known) } else { supply };
        let withheld = all.saturating_sub(supply.left);
        let description = describe(&order, &supply, &planned, &taken, &request);
        // Skipped serial numbers matter only where too few are left.
        let taken = if planned.missing > 0 { taken } else { BTreeMap::new() };
        let RunRequest { link, slots, .. } = request;
        let bundle = Arc::new(bundle(answer));
        let job = Job { work_order: order.id, bundle, link, slots, supply, known };
        let PlanCounts { done, missing, .. } = planned;
        Ok(Self { job, description, stop, withheld, taken, done, missing })
    }
}

/// Units to make, and what is known of the others.
struct Found {
    supply: Supply,
    /// Those of them whose serial numbers are known already.
    first: Vec<Unit>,
    planned: PlanCounts,
    /// Serial numbers that were skipped, by reason.
    taken: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct PlanCounts {
    /// Made before: skipped.
    done: u64,
    /// Given up, scrapped, retired or revoked.
    over: u64,
    /// Unfinished, and among those to be made.
    open: u64,
    /// Unfinished, and not in the list.
    open_elsewhere: u64,
    /// Wanted, but no serial number is left.
    missing: u64,
}

impl Found {
    /// Units of the line's list. Each of them is reported, except those that were made before.
    fn in_list(units: Vec<Unit>, known: &JournalState, limit: Option<u64>) -> Self {
        let is_made = |unit: &&Unit| {
            known.units.get(&unit.device).is_some_and(|unit| unit.is_done() && unit.unavailable().is_none())
        };
        let (made, first): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(|unit| is_made(&unit));
        let is_open = |unit: &&Unit| known.units.get(&unit.device).is_some_and(UnitRecord::is_open);
        let open = first.iter().filter(is_open).count() as u64;
        let open_elsewhere = (known.open_units().count() as u64).saturating_sub(open);
        let planned = PlanCounts { done: made.len() as u64, open, open_elsewhere, ..PlanCounts::default() };
        let supply = Supply::of_list(first.clone(), limit);
        Self { supply, first, planned, taken: BTreeMap::new() }
    }

    fn in_order(candidates: Candidates, known: &JournalState) -> Self {
        let Candidates { first, rest, wanted, found, taken } = candidates;
        let over = known.units.values().filter(|unit| unit.unavailable().is_some()).count() as u64;
        let done = known.units.values().filter(|unit| unit.is_done()).count() as u64;
        let planned = PlanCounts {
            done: done.saturating_sub(over),
            over,
            open: known.open_units().count() as u64,
            open_elsewhere: 0,
            missing: found.map_or(0, |found| wanted.saturating_sub(found)),
        };
        let supply = Supply::of_range(first.clone().into_iter().chain(rest), wanted);
        Self { supply, first, planned, taken }
    }
}

/// Parses the line's list. Serial numbers outside the order's range are reported before anything is begun.
fn listed(list: &List<'_>, order: &v1::WorkOrder, product: &Product) -> Result<Vec<Unit>, Failure> {
    let refused = |mistakes| Failure::List { path: list.path.to_owned(), mistakes };
    let range = match &order.serials {
        Some(Serials::Pattern(text)) => Some((text, text.parse::<SerialPattern>()?)),
        _ => None,
    };
    let allowed = |serial: &DeviceSerial| match &range {
        Some((text, pattern)) if !pattern.contains(serial) => {
            Err(format!("the serial number is not in {text}, the range of work order {}", order.id))
        }
        _ => Ok(()),
    };
    let rows = lists::read_allowed(&list.content, product, list.column, allowed).map_err(refused)?;
    let unit = |row: lists::Row| Unit {
        device: DeviceId { product: product.clone(), serial: row.serial },
        columns: row.columns,
    };
    Ok(rows.into_iter().map(unit).collect())
}

/// Why units that were not begun cannot be made. An exhausted order is no reason: its units may be under way.
fn order_stop(order: &v1::WorkOrder, now: Option<SystemTime>) -> Option<Stop> {
    let refusal = order_refusal(order, now)?;
    (!refusal.is(v1::Reason::WorkOrderExhausted)).then(|| refusal.into())
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
    let units: Vec<Unit> = supply.filter(|unit| asked.contains(&unit.device)).take(asked.len()).collect();
    Supply::of_list(units, Some(left))
}

/// How many units are to be made: what the order allows, what of it is unfinished here, and the reworks.
fn allowed(order: &v1::WorkOrder, known: &JournalState, reworks: u64) -> u64 {
    let issued = order.counts.as_ref().map_or(0, |counts| counts.issued);
    let is_unfinished = |unit: &&UnitRecord| unit.progress.certificate.is_some() && !unit.is_done();
    let unfinished = known.units.values().filter(is_unfinished).count() as u64;
    order.quantity.saturating_sub(issued).saturating_add(unfinished).saturating_add(reworks)
}

fn describe(
    order: &v1::WorkOrder,
    supply: &Supply,
    planned: &PlanCounts,
    taken: &BTreeMap<&'static str, u64>,
    request: &RunRequest<'_>,
) -> String {
    let counts = order.counts.unwrap_or_default();
    let serials = match &order.serials {
        Some(Serials::Pattern(pattern)) => pattern.clone(),
        Some(Serials::ManifestLength(length)) => format!("a manifest of {length}"),
        None => "none".to_owned(),
    };
    let state = match order.state() {
        v1::WorkOrderState::Paused => " (paused)",
        v1::WorkOrderState::Closed => " (closed)",
        v1::WorkOrderState::Open | v1::WorkOrderState::Unspecified => "",
    };
    let mut text = format!(
        "work order    {}{state} for product {}, serials {serials}\n\
         at the CA     {} of {} issued, {} confirmed, {} scrapped\n\
         to make       {}, {} at a time\n\
         already done  {} (skipped)",
        order.id,
        order.product,
        counts.issued,
        order.quantity,
        counts.confirmed,
        counts.scrapped,
        count(supply.left.saturating_sub(planned.missing), "unit"),
        request.slots,
        planned.done,
    );
    let PlanCounts { over, open, open_elsewhere, missing, .. } = planned;
    if *over > 0 {
        write!(text, "\nnot made      {over} (given up, scrapped, retired or revoked)").ok();
    }
    if *open > 0 {
        write!(text, "\nunfinished    {open} (will be finished)").ok();
    }
    if *open_elsewhere > 0 {
        write!(
            text,
            "\nunfinished    {open_elsewhere} not in the list: `touchmark-station resume` finishes them"
        )
        .ok();
    }
    if *missing > 0 {
        let numbers = count(*missing, "unit");
        write!(text, "\nnot possible  {numbers}: no serial number of the order is left").ok();
        for (whose, number) in taken {
            write!(text, "\n              {} {}", count(*number, "serial number"), taken_text(whose)).ok();
        }
    }
    write!(text, "\nlink          {}", request.link).ok();
    text
}
