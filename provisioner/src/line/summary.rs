//! What became of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::v1::Reason;

use crate::report::{UnitOutcome, UnitReport};
use crate::session::Refusal;

#[derive(Debug, Default, Clone)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    /// Serial numbers of other units, by the name of [`crate::session::Taken`]. No unit was made under them.
    pub(crate) skipped: BTreeMap<String, u64>,
    /// Units that did not pass, by cause: kind of end and reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Units that the stop of the line left unfinished, by cause.
    pub(crate) unfinished: BTreeMap<String, u64>,
    /// Units that were not begun.
    pub(crate) left: u64,
    /// Units that were wanted when no serial number was left.
    pub(crate) short: u64,
    /// Slots that took no further units, and why.
    pub(crate) closed: Vec<(usize, String)>,
    pub(crate) done_before: u64,
    /// From the first unit's start to the last one's end.
    pub(crate) duration: Duration,
    pub(crate) stop: Option<Stop>,
}

/// Why a line stops before its units are done. The texts say why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The CA would refuse every unit.
    Refused {
        reason: String,
        message: String,
    },
    JournalLost(String),
    /// The link cannot be used for any unit.
    LinkUnusable(String),
    /// The station's clock or the CA's is wrong.
    ClockWrong(String),
    Interrupted,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { reason: refusal.reason, message: refusal.message }
    }
}

impl Summary {
    pub(crate) fn count(&mut self, report: &UnitReport) {
        match report.outcome {
            UnitOutcome::Passed => self.passed += 1,
            UnitOutcome::Skipped => count(&mut self.skipped, &report.reason, ""),
            UnitOutcome::Failed => self.count_failure(report.cause, &report.reason),
            UnitOutcome::Unfinished => count(&mut self.unfinished, report.cause, &report.reason),
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Units that cannot be made, because serial numbers of the order were used outside of it.
    pub(crate) fn not_made(&self) -> u64 {
        let lost = ["USED_UNDER_ANOTHER_ORDER", "SCRAPPED_OR_RETIRED", "REVOKED"];
        let lost: u64 = lost.iter().filter_map(|whose| self.skipped.get(*whose)).sum();
        self.short.min(lost)
    }

    /// Whether it ended because all units of the order were made, some of them by other stations.
    pub(crate) fn is_complete(&self) -> bool {
        self.skipped.contains_key(Reason::WorkOrderExhausted.as_str_name()) && self.unfinished() == 0
    }

    pub(crate) fn unfinished(&self) -> u64 {
        self.unfinished.values().sum()
    }

    /// Units that passed in a minute; zero when nothing ran.
    pub(crate) fn units_per_minute(&self) -> f64 {
        let minutes = self.duration.as_secs_f64() / 60.0;
        #[expect(clippy::cast_precision_loss, reason = "counts of units stay far below 2^52")]
        let passed = self.passed as f64;
        if minutes > 0.0 { passed / minutes } else { 0.0 }
    }

    pub(super) fn count_failure(&mut self, cause: &str, reason: &str) {
        count(&mut self.failures, cause, reason);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, cause: &str, reason: &str) {
    let cause = if reason.is_empty() { cause.to_owned() } else { format!("{cause} {reason}") };
    *counts.entry(cause).or_default() += 1;
}
