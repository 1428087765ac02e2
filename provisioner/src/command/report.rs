//! `touchmark-station report`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use cli::Status;
use identity::DeviceId;

use super::{Failure, say, settings};
use crate::arguments::ReportArguments;
use crate::config::Settings;
use crate::journal::{JournalState, UnitEnd, UnitRecord, known, work_orders};

pub(super) fn run(arguments: &ReportArguments) -> Result<Status, Failure> {
    let settings = settings(&arguments.common.config)?;
    let all = match &arguments.work_order {
        Some(work_order) => vec![work_order.clone()],
        None if settings.journal.current().is_dir() => work_orders(settings.journal.current())?,
        None => Vec::new(),
    };
    if let Some(missing) = arguments.work_order.as_ref().filter(|id| !has(&settings, id)) {
        return Err(Failure::WorkOrder(not_here(&settings, missing)?));
    }
    for work_order in &all {
        let known = known(settings.journal.current(), work_order)?;
        if arguments.units {
            for (device, unit) in &known.units {
                say(&if arguments.json { unit_json(device, unit) } else { unit_text(device, unit) })?;
            }
        }
        let totals = Totals::of(&known);
        let config = &arguments.common.config;
        say(&if arguments.json { totals.json(work_order) } else { totals.text(work_order, config) })?;
    }
    if all.is_empty() && !arguments.json {
        say("the journal has no work orders")?;
    }
    Ok(Status::Done)
}

/// Whether the journal has this work order.
fn has(settings: &Settings, work_order: &str) -> bool {
    let current = settings.journal.current();
    work_orders(current).is_ok_and(|all| all.iter().any(|id| id == work_order))
}

fn not_here(settings: &Settings, work_order: &str) -> Result<String, Failure> {
    let current = settings.journal.current();
    let mut all = if current.is_dir() { work_orders(current)? } else { Vec::new() };
    let surplus = all.len().saturating_sub(ORDERS_SHOWN_MAX);
    all.drain(..surplus);
    let others = match all.as_slice() {
        [] => "it has none".to_owned(),
        all => format!("its last ones are {}", all.join(", ")),
    };
    Ok(format!("the journal {} has no work order {work_order}; {others}", current.display()))
}

/// The state of a unit, in the words of a report file.
fn outcome(unit: &UnitRecord) -> &'static str {
    if unit.is_given_up() {
        "given-up"
    } else if unit.scrapped {
        "scrapped"
    } else if unit.progress.passed {
        "passed"
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

fn unit_json(device: &DeviceId, unit: &UnitRecord) -> String {
    let end = unit.end.as_ref().filter(|_| !unit.is_done() && !unit.waits_for_rework());
    serde_json::json!({
        "device": device.to_string(),
        "outcome": outcome(unit),
        "cause": end.map_or("", |end| end.outcome.as_str()),
        "reason": end.map_or(unit.scrap_reason.as_str(), UnitEnd::reason_or_outcome),
        "certificate_serial": certificate_serial(unit),
        "ledger_entry": unit.progress.certificate.as_ref().map(|certificate| certificate.ledger_entry).filter(|entry| *entry > 0),
        "attempts": unit.attempts,
        "columns": unit.columns,
    })
    .to_string()
}

fn unit_text(device: &DeviceId, unit: &UnitRecord) -> String {
    let mut text = format!("{device} {}", outcome(unit));
    if let Some(end) = unit.end.as_ref().filter(|_| !unit.is_done() && !unit.waits_for_rework()) {
        write!(text, ": {} {}", end.outcome, end.reason).ok();
    }
    if let Some(serial_number) = certificate_serial(unit) {
        write!(text, ", certificate {serial_number}").ok();
    }
    text.trim_end().to_owned()
}

/// Numbers of units of one work order.
struct Totals {
    passed: usize,
    scrapped: usize,
    given_up: usize,
    rework: usize,
    failures: BTreeMap<String, usize>,
    open: Vec<String>,
    torn_bytes: usize,
}

impl Totals {
    fn of(known: &JournalState) -> Self {
        let mut failures = BTreeMap::new();
        let is_failed = |unit: &&UnitRecord| !unit.is_done() && !unit.is_open() && !unit.waits_for_rework();
        for unit in known.units.values().filter(is_failed) {
            if let Some(end) = &unit.end {
                let cause = format!("{} {}", end.outcome, end.reason).trim().to_owned();
                *failures.entry(cause).or_default() += 1;
            }
        }
        Self {
            passed: known.units.values().filter(|unit| unit.progress.passed && !unit.scrapped).count(),
            scrapped: known.units.values().filter(|unit| unit.scrapped && !unit.is_given_up()).count(),
            given_up: known.units.values().filter(|unit| unit.is_given_up()).count(),
            rework: known.units.values().filter(|unit| !unit.is_done() && unit.waits_for_rework()).count(),
            failures,
            open: known.open_units().map(|(device, _)| device.to_string()).collect(),
            torn_bytes: known.torn.map_or(0, |torn| torn.bytes),
        }
    }

    fn failed(&self) -> usize {
        self.failures.values().sum()
    }

    fn json(&self, work_order: &str) -> String {
        serde_json::json!({
            "work_order": work_order,
            "passed": self.passed,
            "scrapped": self.scrapped,
            "given_up": self.given_up,
            "rework": self.rework,
            "failed": self.failed(),
            "failures": self.failures,
            "open": self.open,
            "torn_bytes": self.torn_bytes,
        })
        .to_string()
    }

    fn text(&self, work_order: &str, config: &Path) -> String {
        let mut text = format!(
            "{work_order}: {} passed, {} failed, {} unfinished",
            self.passed,
            self.failed(),
            self.open.len()
        );
        if self.scrapped > 0 {
            write!(text, ", {} scrapped", self.scrapped).ok();
        }
        if self.given_up > 0 {
            write!(text, ", {} given up", self.given_up).ok();
        }
        if self.rework > 0 {
            write!(text, ", {} to be made again (rework)", self.rework).ok();
        }
        for (cause, count) in &self.failures {
            write!(text, "\n  {count} {cause}").ok();
        }
        for device in self.open.iter().take(OPEN_SHOWN_MAX) {
            write!(text, "\n  unfinished: {device}").ok();
        }
        if !self.open.is_empty() {
            let config = config.display().to_string();
            // A path contains no NUL, which is all that cannot be quoted.
            let config = shlex::try_quote(&config).unwrap_or_default();
            write!(text, "\n  to finish them: touchmark-station resume --config {config}").ok();
        }
        if self.torn_bytes > 0 {
            write!(
                text,
                "\n  the last {} bytes of the journal are torn; the next run cuts them",
                self.torn_bytes
            )
            .ok();
        }
        text
    }
}

/// Work orders in a message.
const ORDERS_SHOWN_MAX: usize = 8;

/// More than 64 units, one for each slot, are unfinished only if a line was killed again and again.
const OPEN_SHOWN_MAX: usize = 64;
