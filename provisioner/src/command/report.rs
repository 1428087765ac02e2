//! `touchmark-station report`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use cli::Status;
use identity::DeviceId;

use super::{Failure, say, settings};
use crate::arguments::ReportArguments;
use crate::journal::{JournalState, UnitEnd, UnitRecord, known, work_orders};
use crate::reconcile::unconfirmed;

pub(super) fn run(arguments: &ReportArguments) -> Result<Status, Failure> {
    let config = &arguments.common.config;
    let settings = settings(config)?;
    let journal = settings.journal.current();
    let mut all = if journal.is_dir() { work_orders(journal)? } else { Vec::new() };
    if let Some(wanted) = &arguments.work_order {
        if !all.contains(wanted) {
            return Err(Failure::WorkOrder(not_here(journal, wanted, &all)));
        }
        all = vec![wanted.clone()];
    }
    for work_order in &all {
        let known = known(journal, work_order)?;
        if arguments.units {
            for (device, unit) in &known.units {
                say(&if arguments.json { unit_json(device, unit) } else { unit_text(device, unit) })?;
            }
        }
        let totals = if arguments.json {
            totals_json(work_order, &known)
        } else {
            totals_text(work_order, &known, config)
        };
        say(&totals)?;
    }
    if all.is_empty() && !arguments.json {
        say("the journal has no work orders")?;
    }
    Ok(Status::Done)
}

fn not_here(journal: &Path, work_order: &str, all: &[String]) -> String {
    let surplus = all.len().saturating_sub(ORDERS_SHOWN_MAX);
    let others = match all.get(surplus..) {
        None | Some([]) => "it has none".to_owned(),
        Some(last) => format!("its last ones are {}", last.join(", ")),
    };
    format!("the journal {} has no work order {work_order}; {others}", journal.display())
}

/// The state of a unit, in the words of a report file.
fn outcome(unit: &UnitRecord) -> &'static str {
    if unit.is_given_up() {
        "given-up"
    } else if unit.scrapped {
        "scrapped"
    } else if unit.progress.passed {
        "passed"
    } else if unit.progress.deferred.is_some() && unit.progress.refusal.is_some() {
        "refused-after-deferral"
    } else if unit.is_deferred() {
        if unit.progress.certificate.is_some() { "reconciled" } else { "deferred" }
    } else if unit.waits_for_rework() {
        "rework"
    } else if unit.is_open() {
        "unfinished"
    } else {
        "failed"
    }
}

fn certificate_serial(unit: &UnitRecord) -> Option<String> {
    unit.certificate().map(|serial_number| serial_number.to_string())
}

/// How the last attempt ended, if it says why the unit is as it is.
fn last_end(unit: &UnitRecord) -> Option<&UnitEnd> {
    unit.end.as_ref().filter(|_| !unit.is_done() && !unit.waits_for_rework())
}

/// Why the unit is as it is; empty when there is nothing to say.
fn reason(unit: &UnitRecord) -> &str {
    match (last_end(unit), &unit.progress.refusal) {
        (_, Some((reason, _))) => reason,
        (Some(end), None) => end.reason_or_outcome(),
        (None, None) => &unit.scrap_reason,
    }
}

fn unit_json(device: &DeviceId, unit: &UnitRecord) -> String {
    let end = last_end(unit);
    serde_json::json!({
        "device": device.to_string(),
        "outcome": outcome(unit),
        "cause": end.map_or("", |end| end.outcome.as_str()),
        "reason": reason(unit),
        "deferred_at": unit.progress.deferred.map(|at| humantime::format_rfc3339_seconds(at).to_string()),
        "finished": unit.progress.passed && unit.progress.deferred.is_some(),
        "certificate_serial": certificate_serial(unit),
        "ledger_entry": unit.progress.certificate.as_ref().map(|certificate| certificate.ledger_entry).filter(|entry| *entry > 0),
        "attempts": unit.attempts,
        "columns": unit.columns,
    })
    .to_string()
}

fn unit_text(device: &DeviceId, unit: &UnitRecord) -> String {
    let mut text = format!("{device} {}", outcome(unit));
    if let Some(end) = last_end(unit) {
        write!(text, ": {} {}", end.outcome, end.reason).ok();
    }
    if let Some((reason, message)) = &unit.progress.refusal {
        write!(text, ": {message} ({reason})").ok();
    }
    if let Some(at) = unit.progress.deferred {
        let how = if unit.progress.passed { "finished, " } else { "" };
        write!(text, ", {how}made without the CA at {}", humantime::format_rfc3339_seconds(at)).ok();
    }
    if let Some(serial_number) = certificate_serial(unit) {
        write!(text, ", certificate {serial_number}").ok();
    }
    text.trim_end().to_owned()
}

/// How many units of an order have this [`outcome`].
fn count(known: &JournalState, wanted: &str) -> usize {
    known.units.values().filter(|unit| outcome(unit) == wanted).count()
}

/// How many units have got certificates that were deferred.
fn finished(known: &JournalState) -> usize {
    let is_finished = |unit: &&UnitRecord| unit.progress.passed && unit.progress.deferred.is_some();
    known.units.values().filter(is_finished).count()
}

/// Failed units by their cause.
fn failures(known: &JournalState) -> BTreeMap<String, usize> {
    let mut failures = BTreeMap::new();
    for end in known.units.values().filter(|unit| outcome(unit) == "failed").filter_map(last_end) {
        let cause = format!("{} {}", end.outcome, end.reason).trim().to_owned();
        *failures.entry(cause).or_default() += 1;
    }
    failures
}

fn totals_json(work_order: &str, known: &JournalState) -> String {
    let open: Vec<String> = known.open_units().map(|(device, _)| device.to_string()).collect();
    serde_json::json!({
        "work_order": work_order,
        "passed": count(known, "passed"),
        "scrapped": count(known, "scrapped"),
        "given_up": count(known, "given-up"),
        "deferred": count(known, "deferred"),
        "reconciled": count(known, "reconciled"),
        "finished": finished(known),
        "unconfirmed": unconfirmed(known).len(),
        "refused_after_deferral": count(known, "refused-after-deferral"),
        "rework": count(known, "rework"),
        "failed": count(known, "failed"),
        "failures": failures(known),
        "open": open,
        "torn_bytes": known.torn_bytes,
    })
    .to_string()
}

fn totals_text(work_order: &str, known: &JournalState, config: &Path) -> String {
    let (passed, failed) = (count(known, "passed"), count(known, "failed"));
    let unfinished = known.open_units().count();
    let mut text = format!("{work_order}: {passed} passed, {failed} failed, {unfinished} unfinished");
    for (outcome, words) in [
        ("scrapped", "scrapped"),
        ("given-up", "given up"),
        ("rework", "to be made again (rework)"),
        ("deferred", "with certificates deferred (touchmark-station reconcile)"),
        ("reconciled", "whose certificates wait for them (touchmark-station finish, or first boot)"),
        ("refused-after-deferral", "refused after deferral"),
    ] {
        match count(known, outcome) {
            0 => {}
            count => text.push_str(&format!(", {count} {words}")),
        }
    }
    match unconfirmed(known).len() {
        0 => {}
        count => {
            text.push_str(&format!(", {count} not yet recorded as passed (touchmark-station reconcile)"))
        }
    }
    for (cause, count) in failures(known) {
        write!(text, "\n  {count} {cause}").ok();
    }
    for (device, _) in known.open_units().take(OPEN_SHOWN_MAX) {
        write!(text, "\n  unfinished: {device}").ok();
    }
    if unfinished > 0 {
        let config = config.display().to_string();
        // A path contains no NUL, which is all that cannot be quoted.
        let config = shlex::try_quote(&config).unwrap_or_default();
        let next = match &known.last_run {
            // People inserted the units: nothing else knows which is where.
            Some(run) if run.link.is_empty() => format!(
                "insert them again in a run of the same mode: touchmark-station provision --config {config} --work-order \
                 {work_order} --mode scan|device --link LINK"
            ),
            _ => format!("touchmark-station resume --config {config}"),
        };
        write!(text, "\n  to finish them: {next}").ok();
    }
    if known.torn_bytes > 0 {
        let torn = known.torn_bytes;
        write!(text, "\n  the last {torn} bytes of the journal are torn; the next run cuts them").ok();
    }
    text
}

const ORDERS_SHOWN_MAX: usize = 8;

/// More than 64 units, one for each slot, are unfinished only if a line was killed again and again.
const OPEN_SHOWN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Record, RunStart};

    #[test]
    fn units_that_people_inserted_are_finished_by_inserting_them_again() {
        let mut known = JournalState::default();
        let device: DeviceId = "cam-2/SN1".parse().unwrap();
        known.add(Record::Begun { device, columns: BTreeMap::new() });
        for (link, next) in [
            ("tcp:bench:1", "touchmark-station resume --config 'a b.toml'"),
            ("", "touchmark-station provision --config 'a b.toml' --work-order wo-000001 --mode scan|device"),
        ] {
            known.add(Record::Run(RunStart { at_ms: 1, link: link.to_owned(), slots: 1 }));
            let text = totals_text("wo-000001", &known, Path::new("a b.toml"));
            assert!(text.contains("unfinished: cam-2/SN1") && text.contains(next), "{text}");
        }
    }
}
