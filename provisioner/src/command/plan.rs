//! What would be done, and what was done, in words.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use cli::count;
use identity::{DeviceId, Product};
use proto::v1;
use proto::v1::work_order::Serials;

use super::survey::{self, Candidates};
use super::{Failure, Job};
use crate::ca::Ca;
use crate::journal::{Known, UnitRecord};
use crate::line::{Stop, Summary};
use crate::link::LinkSpec;
use crate::slot::no_more;
use crate::units::{SerialPattern, Supply, Unit};
use crate::wire::kit;

/// The line's own list, not yet read.
pub(super) struct List<'a> {
    pub(super) path: &'a Path,
    pub(super) content: Vec<u8>,
    /// The name of its column of serial numbers.
    pub(super) column: Option<&'a str>,
}

/// What is asked for.
pub(super) struct Wish<'a> {
    pub(super) list: Option<List<'a>>,
    pub(super) product: Option<&'a str>,
    pub(super) limit: Option<u64>,
    pub(super) link: LinkSpec,
    pub(super) slots: usize,
}

/// A job and its description.
pub(super) struct Plan {
    pub(super) job: Job,
    pub(super) description: String,
    /// Why the order gives nothing to units that were not begun, if so: known before a unit is put on the bench.
    pub(super) stop: Option<Stop>,
    /// How many units are not begun for it.
    pub(super) withheld: u64,
    /// Serial numbers that were passed over, by whose they are.
    pub(super) taken: BTreeMap<&'static str, u64>,
}

/// The product of a work order, if it is the one that is wished for.
pub(super) fn product(answer: &v1::GetWorkOrderResponse, wish: &Wish<'_>) -> Result<Product, Failure> {
    let order = answer.work_order.clone().unwrap_or_default();
    if wish.product.is_some_and(|wanted| wanted != order.product) {
        let text = format!("work order {} is for product {}; check --work-order", order.id, order.product);
        return Err(Failure::WorkOrder(text));
    }
    order.product.parse().map_err(|_| {
        Failure::WorkOrder(format!("the CA's work order names {:?}, which is not a product", order.product))
    })
}

impl Plan {
    /// Puts together what is asked for, what the CA allows and what is done already.
    pub(super) async fn new(
        ca: &Ca,
        answer: &v1::GetWorkOrderResponse,
        product: Product,
        known: Known,
        wish: Wish<'_>,
        reworks: u64,
    ) -> Result<Self, Failure> {
        let order = answer.work_order.clone().unwrap_or_default();
        for slot in [1, wish.slots] {
            // An address that is none for the last fixture is told before the first one works.
            wish.link.reaches(slot)?;
        }
        let (supply, passed, taken) = match &wish.list {
            Some(list) => {
                let units = listed(list, &order, &product)?;
                for unit in &units {
                    wish.link.accepts(&unit.device)?;
                }
                let all = units.len();
                let units: Vec<Unit> = units.into_iter().filter(|unit| !is_done(&known, unit)).collect();
                let passed = all - units.len();
                (Supply::of_list(units, wish.limit), passed, BTreeMap::new())
            }
            None => {
                let passed = known.units.values().filter(|unit| unit.is_done()).count();
                let wanted = wanted(&order, &known, reworks, wish.limit);
                let Candidates { units, taken, short } =
                    survey::candidates(ca, &order, &product, &known, wanted).await?;
                // What was passed over matters where it leaves too few.
                let taken = if short { taken } else { BTreeMap::new() };
                (Supply::of_range(units, wanted), passed, taken)
            }
        };
        let stop = stands_still(&order);
        let all = supply.left();
        let supply = if stop.is_some() { only_asked_for(supply, &known) } else { supply };
        let withheld = all.saturating_sub(supply.left());
        let description = describe(&order, &supply, passed, &known, &wish);
        let Wish { link, slots, .. } = wish;
        let kit = Arc::new(kit(answer));
        let job = Job { work_order: order.id, kit, link, slots, supply, known };
        Ok(Self { job, description, stop, withheld, taken })
    }
}

/// The units of the line's list. A serial number outside the order's range would be refused by the CA, one by one: it is told before
/// anything is begun.
fn listed(list: &List<'_>, order: &v1::WorkOrder, product: &Product) -> Result<Vec<Unit>, Failure> {
    let refused = |mistakes| Failure::List { path: list.path.to_owned(), mistakes };
    let rows = lists::read(&list.content, product, list.column).map_err(refused)?;
    if let Some(Serials::Pattern(text)) = &order.serials {
        let pattern: SerialPattern = text.parse()?;
        lists::check(&rows, |serial| match pattern.contains(serial) {
            true => Ok(()),
            false => Err(format!("the serial number is not in {text}, the range of work order {}", order.id)),
        })
        .map_err(refused)?;
    }
    let unit = |row: lists::Row| Unit {
        device: DeviceId { product: product.clone(), serial: row.serial },
        columns: row.columns,
    };
    Ok(rows.into_iter().map(unit).collect())
}

fn is_done(known: &Known, unit: &Unit) -> bool {
    known.units.get(&unit.device).is_some_and(UnitRecord::is_done)
}

/// What the CA would say to each unit that was not begun. An order that is exhausted is none of that: its units may be under way.
fn stands_still(order: &v1::WorkOrder) -> Option<Stop> {
    no_more(order)
        .filter(|refusal| refusal.reason != super::EXHAUSTED)
        .map(|refusal| Stop::Refused { reason: refusal.reason, message: refusal.message })
}

/// Units for which the CA was asked: what it issued for them it gives them also when the order stands still.
fn only_asked_for(supply: Supply, known: &Known) -> Supply {
    let left = supply.left();
    let asked: std::collections::BTreeSet<_> = known
        .units
        .iter()
        .filter(|(_, unit)| unit.memory.asked.is_some() && !unit.is_done())
        .map(|(device, _)| device)
        .collect();
    // No more than are known: a range of ten million is not walked to its end.
    let units: Vec<Unit> = supply.filter(|unit| asked.contains(&unit.device)).take(asked.len()).collect();
    Supply::of_list(units, Some(left))
}

/// How many units there are to make: what the order still allows, what of it is ours and not yet done, and what is to be made again.
fn wanted(order: &v1::WorkOrder, known: &Known, reworks: u64, limit: Option<u64>) -> u64 {
    let issued = order.counts.as_ref().map_or(0, |counts| counts.issued);
    let is_unfinished = |unit: &&UnitRecord| unit.memory.certificate.is_some() && !unit.is_done();
    let unfinished = known.units.values().filter(is_unfinished).count();
    let unfinished = u64::try_from(unfinished).unwrap_or(u64::MAX);
    let allowed = order.quantity.saturating_sub(issued).saturating_add(unfinished).saturating_add(reworks);
    limit.map_or(allowed, |limit| limit.min(allowed))
}

fn describe(order: &v1::WorkOrder, supply: &Supply, passed: usize, known: &Known, wish: &Wish<'_>) -> String {
    let counts = order.counts.unwrap_or_default();
    let open = known.open_units().count();
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
    format!(
        "work order    {}{state} for product {}, serials {serials}\n\
         at the CA     {} of {} issued, {} confirmed, {} scrapped\n\
         to make       {}, {} at a time\n\
         already done  {passed} (skipped); unfinished: {open} (will be finished)\n\
         link          {}",
        order.id,
        order.product,
        counts.issued,
        order.quantity,
        counts.confirmed,
        counts.scrapped,
        count(supply.left(), "unit"),
        wish.slots,
        wish.link,
    )
}

/// For people.
pub(super) fn summary_text(summary: &Summary) -> String {
    let seconds = summary.duration.as_secs_f64();
    let mut text = format!("{} passed, {} failed", summary.passed, summary.failed());
    if summary.unfinished() > 0 {
        write!(text, ", {} unfinished", summary.unfinished()).ok();
    }
    write!(text, " in {seconds:.1} s, {:.1} units per minute", summary.units_per_minute()).ok();
    for (cause, number) in summary.failures.iter().chain(&summary.unfinished) {
        write!(text, "\n  {number} {cause}").ok();
    }
    for (whose, number) in summary.skipped.iter().filter(|(whose, _)| *whose != super::EXHAUSTED) {
        let why = match whose.as_str() {
            "USED_UNDER_ANOTHER_ORDER" => "used under another work order",
            "MADE_BY_ANOTHER_STATION" | "DEVICE_ALREADY_ISSUED" => "used by another station",
            "MADE_BY_THIS_STATION" => "used by this station for other units",
            "SCRAPPED_OR_RETIRED" => "of units that were scrapped or retired",
            _ => "of other units",
        };
        let numbers = count(*number, "serial number");
        write!(text, "\n  passed over: {numbers} {why}").ok();
    }
    for detail in &summary.closed {
        write!(text, "\n  no unit was made there: {detail}").ok();
    }
    if summary.left > 0 && summary.stop.is_some() && !summary.is_complete() {
        write!(text, "\n  not begun: {}", count(summary.left, "unit")).ok();
    }
    text
}

/// For programs.
pub(super) fn summary_json(work_order: &str, summary: &Summary) -> String {
    let stop = summary.stop.as_ref().map(|stop| match stop {
        Stop::Refused { reason, message } => serde_json::json!({"reason": reason, "message": message}),
        Stop::JournalLost { detail } => serde_json::json!({"reason": "JOURNAL_LOST", "message": detail}),
        Stop::LinkUnusable { detail } => serde_json::json!({"reason": "LINK_UNUSABLE", "message": detail}),
        Stop::Interrupted => {
            serde_json::json!({"reason": "INTERRUPTED", "message": "stopped by the operator"})
        }
    });
    serde_json::json!({
        "summary": {
            "work_order": work_order,
            "passed": summary.passed,
            "failed": summary.failed(),
            "failures": summary.failures,
            "unfinished": summary.unfinished(),
            "unfinished_causes": summary.unfinished,
            "skipped": summary.skipped.values().sum::<u64>(),
            "skipped_causes": summary.skipped,
            "not_made": summary.not_made(),
            "not_begun": summary.left,
            "duration_ms": u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
            "units_per_minute": summary.units_per_minute(),
            "stopped": stop,
        }
    })
    .to_string()
}
