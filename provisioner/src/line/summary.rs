//! What became of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::v1::Reason;

use crate::report::{UnitOutcome, UnitReport};
use crate::session::Refusal;

#[derive(Debug, Default, Clone)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    /// Units that are locked and get their certificates later.
    pub(crate) deferred: u64,
    /// Serial numbers of other units, by the name of [`crate::session::Taken`]. No unit was made under them.
    pub(crate) skipped: BTreeMap<String, u64>,
    /// Units that did not pass, by cause: kind of end and reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Units that the stop of the line left unfinished, by cause.
    pub(crate) unfinished: BTreeMap<String, u64>,
    /// Lines with mistakes in a list that came line by line.
    pub(crate) list_mistakes: u64,
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
    /// How the last attempt of each unit ended that has not passed: where it is counted.
    open_ends: BTreeMap<String, (UnitOutcome, String)>,
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
    /// Several units in a row failed in the same way, and nobody is there to look.
    SameFailure(String),
    Interrupted,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { reason: refusal.reason, message: refusal.message }
    }
}

impl Summary {
    /// Counts an attempt. A unit that is tried again is counted as its last attempt ended.
    pub(crate) fn count(&mut self, report: &UnitReport) {
        if let Some((outcome, cause)) = self.open_ends.remove(&report.device)
            && let Some(counts) = self.counts_of(outcome)
        {
            uncount(counts, &cause);
        }
        let cause = match report.outcome {
            UnitOutcome::Passed => {
                self.passed += 1;
                return;
            }
            UnitOutcome::Deferred => {
                self.deferred += 1;
                return;
            }
            UnitOutcome::Skipped => cause_of(&report.reason, ""),
            UnitOutcome::Failed | UnitOutcome::Unfinished => cause_of(report.cause, &report.reason),
        };
        if let Some(counts) = self.counts_of(report.outcome) {
            *counts.entry(cause.clone()).or_default() += 1;
        }
        // A unit without a name may be another one each time.
        if report.outcome != UnitOutcome::Skipped && !report.device.ends_with('/') {
            self.open_ends.insert(report.device.clone(), (report.outcome, cause));
        }
    }

    fn counts_of(&mut self, outcome: UnitOutcome) -> Option<&mut BTreeMap<String, u64>> {
        match outcome {
            UnitOutcome::Passed | UnitOutcome::Deferred => None,
            UnitOutcome::Skipped => Some(&mut self.skipped),
            UnitOutcome::Failed => Some(&mut self.failures),
            UnitOutcome::Unfinished => Some(&mut self.unfinished),
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Units that cannot be made, because serial numbers of the order were used outside of it.
    pub(crate) fn not_made(&self) -> u64 {
        let lost = ["USED_UNDER_ANOTHER_ORDER", "SCRAPPED_OR_RETIRED", "WITHDRAWN", "REVOKED"];
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

    /// Units that were made in a minute; zero when nothing ran.
    pub(crate) fn units_per_minute(&self) -> f64 {
        let minutes = self.duration.as_secs_f64() / 60.0;
        #[expect(clippy::cast_precision_loss, reason = "counts of units stay far below 2^52")]
        let passed = (self.passed + self.deferred) as f64;
        if minutes > 0.0 { passed / minutes } else { 0.0 }
    }

    pub(super) fn count_failure(&mut self, cause: &str, reason: &str) {
        *self.failures.entry(cause_of(cause, reason)).or_default() += 1;
    }
}

fn cause_of(cause: &str, reason: &str) -> String {
    if reason.is_empty() { cause.to_owned() } else { format!("{cause} {reason}") }
}

fn uncount(counts: &mut BTreeMap<String, u64>, cause: &str) {
    match counts.get_mut(cause) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(cause);
        }
    }
}
