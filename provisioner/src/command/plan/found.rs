//! Which units are to be made, and what is known of the others.

use std::collections::BTreeMap;

use identity::DeviceId;

use super::super::Failure;
use super::super::intake::List;
use super::super::survey::Candidates;
use crate::journal::{JournalState, UnitRecord};
use crate::line::Intake;
use crate::units::{Rules, Supply, Unit};

/// Units to make, and what is known of the others.
pub(super) struct Found {
    pub(super) supply: Supply,
    /// Those of them whose serial numbers are known already.
    pub(super) first: Vec<Unit>,
    pub(super) planned: PlanCounts,
    /// Serial numbers that were skipped, by reason.
    pub(super) taken: BTreeMap<&'static str, u64>,
    /// How further units come.
    pub(super) intake: Intake,
    /// Units of the list that are not begun, because only the CA can reserve them and it is not asked.
    pub(super) unreserved: u64,
}

#[derive(Default)]
pub(super) struct PlanCounts {
    /// Made before: skipped.
    pub(super) done: u64,
    /// Given up, scrapped, retired or revoked.
    pub(super) over: u64,
    /// Unfinished, and among those to be made.
    pub(super) open: u64,
    /// Unfinished, and not in the list.
    pub(super) open_elsewhere: u64,
    /// Unfinished; finished in this run if they come.
    pub(super) open_if_they_come: u64,
    /// Wanted, but no serial number is left.
    pub(super) missing: u64,
}

impl Found {
    /// Units of the line's list. Each of them is reported, except those that were made before and, without
    /// the CA, those that are not reserved here.
    pub(super) fn in_list(units: Vec<Unit>, known: &JournalState, limit: Option<u64>, is_away: bool) -> Self {
        let is_made = |unit: &&Unit| {
            known.units.get(&unit.device).is_some_and(|unit| unit.is_done() && unit.unavailable().is_none())
        };
        let (made, first): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(|unit| is_made(&unit));
        let is_possible = |unit: &Unit| !is_away || known.may_be_made_without_the_ca(&unit.device);
        let (first, unreserved): (Vec<Unit>, Vec<Unit>) = first.into_iter().partition(is_possible);
        let is_open = |unit: &&Unit| known.units.get(&unit.device).is_some_and(UnitRecord::is_open);
        let open = first.iter().filter(is_open).count() as u64;
        let open_elsewhere = (known.open_units().count() as u64).saturating_sub(open);
        let planned = PlanCounts { done: made.len() as u64, open, open_elsewhere, ..PlanCounts::default() };
        let supply = Supply::of_list(first.clone(), limit);
        let unreserved = unreserved.len() as u64;
        Self { supply, first, planned, taken: BTreeMap::new(), intake: Intake::Supply, unreserved }
    }

    pub(super) fn in_order(candidates: Candidates, known: &JournalState) -> Self {
        let Candidates { first, wanted, found, taken } = candidates;
        let over = known.units.values().filter(|unit| unit.unavailable().is_some()).count() as u64;
        let done = known.units.values().filter(|unit| unit.is_done()).count() as u64;
        let planned = PlanCounts {
            done: done.saturating_sub(over),
            over,
            open: known.open_units().count() as u64,
            open_elsewhere: 0,
            open_if_they_come: 0,
            missing: found.map_or(0, |found| wanted.saturating_sub(found)),
        };
        let supply = Supply::of_order(first.clone(), wanted);
        Self { supply, first, planned, taken, intake: Intake::Order, unreserved: 0 }
    }
}

/// Parses the line's list. Serial numbers outside the order's range, and slots that do not exist, are
/// reported before anything is begun.
pub(super) fn listed(list: &List, rules: &Rules) -> Result<Vec<Unit>, Failure> {
    let refused = |mistakes| Failure::List { path: list.path.clone(), mistakes };
    let column = list.column.as_deref();
    let rows = lists::read_allowed(&list.content, &rules.product, column, |row| rules.row(row));
    let unit = |row: lists::Row| {
        let slot = rules.slot(&row).ok().flatten();
        let device = DeviceId { product: rules.product.clone(), serial: row.serial };
        Unit { device, columns: row.columns, slot }
    };
    Ok(rows.map_err(refused)?.into_iter().map(unit).collect())
}
