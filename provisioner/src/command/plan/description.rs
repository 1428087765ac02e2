//! The description of a plan, for the operator.

use std::collections::BTreeMap;
use std::fmt::Write;

use cli::count;
use identity::{Clock, SystemClock};
use proto::v1;
use proto::v1::work_order::Serials;

use super::super::summary::taken_text;
use super::RunRequest;
use super::found::PlanCounts;
use crate::journal::JournalState;

pub(super) fn describe(
    order: &v1::WorkOrder,
    known: &JournalState,
    (to_make, planned, taken): (&str, &PlanCounts, &BTreeMap<&'static str, u64>),
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
        v1::WorkOrderState::Incomplete => " (incomplete)",
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
        to_make,
        request.slots,
        planned.done,
    );
    if let Some((units, ends_at)) = known.held.in_hand(SystemClock.now()) {
        let (units, until) = (count(units as u64, "unit"), humantime::format_rfc3339_seconds(ends_at));
        write!(text, "\nreserved      {units} in hand until {until}").ok();
    }
    let PlanCounts { over, open, open_elsewhere, open_if_they_come, missing, .. } = planned;
    if *over > 0 {
        write!(text, "\nnot made      {over} (given up, scrapped, retired or revoked)").ok();
    }
    if *open > 0 {
        write!(text, "\nunfinished    {open} (will be finished)").ok();
    }
    if *open_if_they_come > 0 {
        write!(text, "\nunfinished    {open_if_they_come}: finished if they come; otherwise `touchmark-station resume` finishes them").ok();
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
    let of_others = counts.reserved.saturating_sub(known.reserved());
    if of_others > 0 {
        let units = count(of_others, "unit");
        write!(text, "\nreserved      {units} by other stations: `touchmark work-order reservation list`")
            .ok();
    }
    write!(text, "\nlink          {}", request.link).ok();
    text
}
