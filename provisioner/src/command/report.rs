//! `touchmark-station report`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Failure, say, settings};
use crate::arguments::ReportArguments;
use crate::journal::{Known, known, work_orders};

pub(super) fn run(arguments: &ReportArguments) -> Result<u8, Failure> {
    let settings = settings(&arguments.common.config)?;
    let all = match &arguments.work_order {
        Some(work_order) => vec![work_order.clone()],
        None if settings.journal.is_dir() => work_orders(&settings.journal)?,
        None => Vec::new(),
    };
    for work_order in &all {
        let totals = Totals::of(&known(&settings.journal, work_order)?);
        say(&if arguments.json { totals.json(work_order) } else { totals.text(work_order) });
    }
    if all.is_empty() && !arguments.json {
        say("the journal has no work orders");
    }
    Ok(0)
}

/// What became of the units of one work order.
struct Totals {
    passed: usize,
    scrapped: usize,
    failures: BTreeMap<String, usize>,
    open: Vec<String>,
    torn_bytes: usize,
}

impl Totals {
    fn of(known: &Known) -> Self {
        let mut failures = BTreeMap::new();
        for unit in known.units.values().filter(|unit| !unit.is_done() && !unit.is_open()) {
            if let Some(end) = &unit.end {
                let cause = format!("{} {}", end.outcome, end.reason).trim().to_owned();
                *failures.entry(cause).or_default() += 1;
            }
        }
        Self {
            passed: known.units.values().filter(|unit| unit.memory.passed && !unit.scrapped).count(),
            scrapped: known.units.values().filter(|unit| unit.scrapped).count(),
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
            "failed": self.failed(),
            "failures": self.failures,
            "open": self.open,
            "torn_bytes": self.torn_bytes,
        })
        .to_string()
    }

    fn text(&self, work_order: &str) -> String {
        let mut text = format!(
            "{work_order}: {} passed, {} failed, {} under way",
            self.passed,
            self.failed(),
            self.open.len()
        );
        if self.scrapped > 0 {
            write!(text, ", {} scrapped", self.scrapped).ok();
        }
        for (cause, count) in &self.failures {
            write!(text, "\n  {count} {cause}").ok();
        }
        for device in self.open.iter().take(OPEN_SHOWN_MAX) {
            write!(text, "\n  under way: {device}").ok();
        }
        if !self.open.is_empty() {
            write!(text, "\n  to finish them: touchmark-station resume --config FILE").ok();
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

/// Of units under way: 64 slots have no more, unless a line was killed again and again.
const OPEN_SHOWN_MAX: usize = 64;
