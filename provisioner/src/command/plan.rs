//! What would be done, and what was done, in words.

use std::fmt::Write;
use std::sync::Arc;

use proto::v1;
use proto::v1::WorkOrderState;
use proto::v1::work_order::Serials;

use super::{Failure, Job};
use crate::journal::{Known, UnitRecord};
use crate::line::{Stop, Summary};
use crate::link::LinkSpec;
use crate::units::{SerialPattern, Supply, Unit, read_list};
use crate::wire::kit;

/// What is asked for.
pub(super) struct Wish<'a> {
    pub(super) list: Option<Vec<u8>>,
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
}

impl Plan {
    /// Puts together what is asked for, what the CA allows and what is done already.
    pub(super) fn new(
        answer: &v1::GetWorkOrderResponse,
        known: Known,
        wish: Wish<'_>,
    ) -> Result<Self, Failure> {
        let order = answer.work_order.clone().unwrap_or_default();
        let product = order.product.parse().map_err(|_| {
            Failure::WorkOrder(format!(
                "the CA's work order names {:?}, which is not a product",
                order.product
            ))
        })?;
        if wish.product.is_some_and(|wanted| wanted != order.product) {
            let text =
                format!("work order {} is for product {}; check --work-order", order.id, order.product);
            return Err(Failure::WorkOrder(text));
        }
        let pattern = match &order.serials {
            Some(Serials::Pattern(pattern)) => Some(pattern.parse::<SerialPattern>()?),
            _ => None,
        };
        let (supply, passed) = match (&wish.list, pattern) {
            (Some(list), pattern) => {
                // A serial outside the range would be refused by the CA, one by one: tell it before anything is begun.
                let rows = read_list(list, &product, |serial| match &pattern {
                    Some(pattern) if !pattern.contains(serial) => {
                        Err(format!("work order {} has no serial number {serial}", order.id))
                    }
                    _ => Ok(()),
                })?;
                for row in &rows {
                    wish.link.accepts(&row.unit.device)?;
                }
                let listed = rows.len();
                let units: Vec<Unit> =
                    rows.into_iter().map(|row| row.unit).filter(|unit| !is_done(&known, unit)).collect();
                let passed = listed - units.len();
                (Supply::of_list(units, wish.limit), passed)
            }
            (None, Some(pattern)) => {
                let passed = known.units.values().filter(|unit| unit.is_done()).count();
                (of_range(pattern, product, &order, &known, wish.limit), passed)
            }
            (None, None) => {
                let text = format!(
                    "work order {} lists its serial numbers in a manifest; give the line's own list with --serials FILE",
                    order.id
                );
                return Err(Failure::WorkOrder(text));
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
        Ok(Self { job, description, stop, withheld })
    }
}

fn is_done(known: &Known, unit: &Unit) -> bool {
    known.units.get(&unit.device).is_some_and(UnitRecord::is_done)
}

/// What the CA would say to each unit that was not begun.
fn stands_still(order: &v1::WorkOrder) -> Option<Stop> {
    let (reason, state) = match order.state() {
        WorkOrderState::Paused => ("WORK_ORDER_PAUSED", "paused"),
        WorkOrderState::Closed => ("WORK_ORDER_CLOSED", "closed"),
        WorkOrderState::Open | WorkOrderState::Unspecified => return None,
    };
    let message = format!("work order {} is {state}", order.id);
    Some(Stop::Refused { reason: reason.to_owned(), message })
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

/// What the order still allows, and what of it is ours and not yet done.
fn of_range(
    pattern: SerialPattern,
    product: identity::Product,
    order: &v1::WorkOrder,
    known: &Known,
    limit: Option<u64>,
) -> Supply {
    let issued = order.counts.as_ref().map_or(0, |counts| counts.issued);
    let unfinished =
        known.units.values().filter(|unit| unit.memory.certificate.is_some() && !unit.memory.passed).count();
    let unfinished = u64::try_from(unfinished).unwrap_or(u64::MAX);
    let allowed = order.quantity.saturating_sub(issued).saturating_add(unfinished);
    let done: std::collections::BTreeSet<_> = known
        .units
        .iter()
        .filter(|(_, unit)| {
            let reason = unit.end.as_ref().map_or("", |end| end.reason.as_str());
            unit.is_done() || matches!(reason, "DEVICE_ALREADY_ISSUED" | "DEVICE_SCRAPPED")
        })
        .map(|(device, _)| device.serial.clone())
        .collect();
    let units = pattern.serials().filter(move |serial| !done.contains(serial)).map(move |serial| Unit {
        device: identity::DeviceId { product: product.clone(), serial },
        columns: std::collections::BTreeMap::new(),
    });
    Supply::of_range(units, limit.map_or(allowed, |limit| limit.min(allowed)))
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
        WorkOrderState::Paused => " (paused)",
        WorkOrderState::Closed => " (closed)",
        WorkOrderState::Open | WorkOrderState::Unspecified => "",
    };
    format!(
        "work order    {}{state} for product {}, serials {serials}\n\
         at the CA     {} of {} issued, {} confirmed, {} scrapped\n\
         to make       {} units, {} at a time\n\
         already done  {passed} (skipped); unfinished: {open} (will be finished)\n\
         link          {}",
        order.id,
        order.product,
        counts.issued,
        order.quantity,
        counts.confirmed,
        counts.scrapped,
        supply.left(),
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
    for (cause, count) in summary.failures.iter().chain(&summary.unfinished) {
        write!(text, "\n  {count} {cause}").ok();
    }
    if summary.skipped > 0 {
        write!(text, "\n  {} were made by another station and are passed over", summary.skipped).ok();
    }
    if summary.left > 0 && summary.stop.is_some() {
        write!(text, "\n  {} were not begun", summary.left).ok();
    }
    text
}

/// For programs.
pub(super) fn summary_json(work_order: &str, summary: &Summary) -> String {
    let stop = summary.stop.as_ref().map(|stop| match stop {
        Stop::Refused { reason, message } => serde_json::json!({"reason": reason, "message": message}),
        Stop::JournalLost { detail } => serde_json::json!({"reason": "JOURNAL_LOST", "message": detail}),
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
            "skipped": summary.skipped,
            "not_begun": summary.left,
            "duration_ms": u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
            "units_per_minute": summary.units_per_minute(),
            "stopped": stop,
        }
    })
    .to_string()
}
