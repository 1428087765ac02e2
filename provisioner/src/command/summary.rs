//! The summary of a run, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use cli::count;
use proto::v1::Reason;

use crate::ca::CLOCK;
use crate::line::{Stop, Summary};
use crate::report::milliseconds;

pub(super) fn text(summary: &Summary) -> String {
    let seconds = summary.duration.as_secs_f64();
    let mut text = format!("{} passed, {} failed", summary.passed, summary.failed());
    if summary.deferred > 0 {
        write!(text, ", {} with certificates deferred", summary.deferred).ok();
    }
    if summary.unfinished() > 0 {
        write!(text, ", {} unfinished", summary.unfinished()).ok();
    }
    write!(text, " in {seconds:.1} s, {:.1} units per minute", summary.units_per_minute()).ok();
    for (cause, number) in summary.failures.iter().chain(&summary.unfinished) {
        write!(text, "\n  {number} {cause}").ok();
    }
    for (whose, number) in
        summary.skipped.iter().filter(|(whose, _)| *whose != Reason::WorkOrderExhausted.as_str_name())
    {
        let (numbers, why) = (count(*number, "serial number"), taken_text(whose));
        write!(text, "\n  skipped: {numbers} {why}").ok();
    }
    if summary.list_mistakes > 0 {
        write!(text, "\n  the list: {}", count(summary.list_mistakes, "mistake")).ok();
    }
    for (detail, slots) in closed(summary) {
        write!(text, "\n  no more units were made at {slots}: {detail}").ok();
    }
    if summary.left > 0 && summary.stop.is_some() && !summary.is_complete() {
        write!(text, "\n  not begun: {}", count(summary.left, "unit")).ok();
    }
    text
}

/// Why slots were closed: each reason once, with its slots.
fn closed(summary: &Summary) -> Vec<(&str, String)> {
    let mut together: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (slot, detail) in &summary.closed {
        together.entry(detail).or_default().push(*slot);
    }
    let named = |mut slots: Vec<usize>| {
        slots.sort_unstable();
        let word = if slots.len() == 1 { "slot" } else { "slots" };
        let slots: Vec<String> = slots.iter().map(ToString::to_string).collect();
        format!("{word} {}", slots.join(", "))
    };
    together.into_iter().map(|(detail, slots)| (detail, named(slots))).collect()
}

pub(super) fn json(work_order: &str, summary: &Summary) -> String {
    let stop = summary.stop.as_ref().map(|stop| match stop {
        Stop::Refused { reason, message } => (reason.as_str(), message.as_str()),
        Stop::JournalLost(detail) => ("JOURNAL_LOST", detail.as_str()),
        Stop::LinkUnusable(detail) => ("LINK_UNUSABLE", detail.as_str()),
        Stop::ClockWrong(detail) => (CLOCK, detail.as_str()),
        Stop::SameFailure(detail) => ("SAME_FAILURE", detail.as_str()),
        Stop::Interrupted => ("INTERRUPTED", "stopped by the operator"),
    });
    let stop = stop.map(|(reason, message)| serde_json::json!({"reason": reason, "message": message}));
    serde_json::json!({
        "summary": {
            "work_order": work_order,
            "passed": summary.passed,
            "deferred": summary.deferred,
            "failed": summary.failed(),
            "failures": summary.failures,
            "unfinished": summary.unfinished(),
            "unfinished_causes": summary.unfinished,
            "done_before": summary.done_before,
            "skipped": summary.skipped.values().sum::<u64>(),
            "skipped_causes": summary.skipped,
            "list_mistakes": summary.list_mistakes,
            "not_made": summary.not_made(),
            "not_begun": summary.left,
            "duration_ms": milliseconds(summary.duration),
            "units_per_minute": summary.units_per_minute(),
            "stopped": stop,
        }
    })
    .to_string()
}

/// The reason why a serial number was skipped, in words.
pub(super) fn taken_text(whose: &str) -> &'static str {
    match whose {
        "USED_UNDER_ANOTHER_ORDER" => "used under another work order",
        "MADE_BY_ANOTHER_STATION" | "DEVICE_ALREADY_ISSUED" => "used by another station",
        "MADE_BY_THIS_STATION" => "used by this station for other units",
        "SCRAPPED_OR_RETIRED" => "of units that were scrapped or retired",
        "WITHDRAWN" => "of reservations that were withdrawn",
        "REVOKED" => "of units whose certificates are revoked",
        "GIVEN_UP" => "given up at this station",
        _ => "of other units",
    }
}
