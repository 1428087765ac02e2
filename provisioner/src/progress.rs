//! How a run is shown while it goes on: bars on a terminal, lines elsewhere, JSON for programs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::command::complain;
use crate::line::LineEvent;
use crate::report::{UnitOutcome, UnitReport};

/// Shows a run.
pub enum Progress {
    /// Bars on standard error.
    Bars {
        /// One for each slot.
        slots: Vec<ProgressBar>,
        /// All units.
        total: ProgressBar,
        /// Draws them together.
        all: MultiProgress,
    },
    /// A line a unit on standard error.
    Lines {
        /// Units that are done.
        done: u64,
        /// Units in all, at most.
        total: u64,
    },
    /// A JSON object a unit on standard output.
    Json,
}

impl Progress {
    /// For a run of at most `total` units.
    pub fn new(json: bool, slots: usize, total: u64) -> Self {
        if json {
            return Self::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { done: 0, total };
        }
        let all = MultiProgress::new();
        let slots = (1..=slots)
            .map(|slot| {
                let style = ProgressStyle::with_template("{prefix:>8} {spinner} {msg}");
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.set_prefix(format!("slot {slot}"));
                bar
            })
            .collect();
        let style = ProgressStyle::with_template(
            "{bar:40} {pos}/{len} units, {per_minute} per minute, {eta} to go {msg}",
        );
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let per_minute = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            write!(text, "{:.1}", state.per_sec() * 60.0).ok();
        };
        let total = all.add(ProgressBar::new(total).with_style(style.with_key("per_minute", per_minute)));
        total.enable_steady_tick(TICK);
        Self::Bars { slots, total, all }
    }

    /// Shows what happened.
    pub fn show(&mut self, event: &LineEvent) {
        match (self, event) {
            (Self::Bars { slots, .. }, LineEvent::Begun { slot, device }) => {
                if let Some(bar) = slot.checked_sub(1).and_then(|index| slots.get(index)) {
                    bar.enable_steady_tick(TICK);
                    bar.set_message(device.to_string());
                }
            }
            (Self::Bars { slots, total, all }, LineEvent::Ended(report)) => {
                if let Some(bar) = report.slot.checked_sub(1).and_then(|index| slots.get(index)) {
                    bar.set_message(format!("{} {}", report.device, report.cause));
                }
                if report.outcome == UnitOutcome::Failed {
                    all.println(sentence(report)).ok();
                }
                if report.outcome != UnitOutcome::Skipped {
                    total.inc(1);
                }
            }
            (Self::Lines { done, total }, LineEvent::Ended(report)) => {
                if report.outcome != UnitOutcome::Skipped {
                    *done += 1;
                }
                complain(&format!("{done}/{total} {}", sentence(report)));
            }
            (Self::Json, LineEvent::Ended(report)) => {
                if let Ok(json) = report.to_json() {
                    writeln!(std::io::stdout().lock(), "{json}").ok();
                }
            }
            (Self::Lines { .. } | Self::Json, LineEvent::Begun { .. }) => {}
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        if let Self::Bars { slots, total, .. } = self {
            slots.iter().for_each(ProgressBar::finish_and_clear);
            total.abandon();
        }
    }
}

fn sentence(report: &UnitReport) -> String {
    let UnitReport { device, slot, duration_ms, message, said, .. } = report;
    let word = match report.outcome {
        UnitOutcome::Passed => return format!("{device} passed in {duration_ms} ms, slot {slot}"),
        UnitOutcome::Failed => "FAILED",
        UnitOutcome::Skipped => "passed over",
    };
    let said = if said.is_empty() { String::new() } else { format!("; the device said: {said}") };
    format!("{device} {word} in {duration_ms} ms, slot {slot}: {message}{said}")
}

/// Ten times a second: people see that it lives.
const TICK: Duration = Duration::from_millis(100);
