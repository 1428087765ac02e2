//! How a run is shown: bars on a terminal, lines elsewhere, JSON for programs.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use tokio::time::Instant;

use crate::console::Console;
use crate::line::{LineEvent, Request};
use crate::link::last_words;
use crate::report::{UnitOutcome, UnitReport};
use crate::screen::{Key, Screen, View};

pub(crate) enum Progress {
    /// Bars on standard error: one for each slot, and one for all units.
    Bars {
        slots: Vec<ProgressBar>,
        total: ProgressBar,
        /// What is typed.
        typed: ProgressBar,
        /// How the last unit of each slot ended.
        last: Vec<String>,
        console: Console,
    },
    Lines {
        done: u64,
        /// The most units that the run makes; `None` if nobody knows.
        total: Option<u64>,
        console: Console,
    },
    /// Results on standard output; messages for the operator on standard error.
    Json(Console),
    /// The whole terminal.
    Screen {
        view: Box<View>,
        screen: Box<Screen>,
        /// Whether something happened since the last picture.
        has_changed: bool,
        console: Console,
    },
}

impl Progress {
    pub(crate) fn new(json: bool, slots: usize, total: Option<u64>, console: &Console) -> Self {
        if json {
            return Self::Json(console.clone());
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { done: 0, total, console: console.clone() };
        }
        let all = console.bars();
        let last = vec![String::new(); slots];
        let slots = (1..=slots)
            .map(|slot| {
                let style = ProgressStyle::with_template("{prefix:>8} {spinner} {wide_msg}");
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.set_prefix(format!("slot {slot}"));
                bar
            })
            .collect();
        // The bar takes the rest of the line, so that 80 columns are enough.
        let style = ProgressStyle::with_template(match total {
            Some(_) => "{wide_bar} {pos}/{len} {per_minute}/min{left}",
            None => "{spinner} {pos} done, {per_minute}/min",
        });
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let per_minute = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            write!(text, "{:.1}", state.per_sec() * 60.0).ok();
        };
        // The time left is unknown before the first unit is done.
        let left = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            if state.pos() > 0 {
                write!(text, ", {:#} to go", HumanDuration(state.eta())).ok();
            }
        };
        let style = style.with_key("per_minute", per_minute).with_key("left", left);
        let total = all.add(ProgressBar::new(total.unwrap_or_default()).with_style(style));
        total.enable_steady_tick(TICK);
        let style = ProgressStyle::with_template("{wide_msg}");
        let typed = all.add(ProgressBar::new_spinner());
        typed.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self::Bars { slots, total, typed, last, console: console.clone() }
    }

    /// Shows a run on the whole terminal.
    pub(crate) fn on_screen(view: View, console: &Console) -> Self {
        let screen = Box::new(Screen::enter(console));
        Self::Screen { view: Box::new(view), screen, has_changed: true, console: console.clone() }
    }

    /// Waits until the screen is to be drawn again; for ever if there is none.
    pub(crate) async fn is_due(&mut self) {
        match self {
            Self::Screen { screen, .. } => screen.is_due().await,
            Self::Bars { .. } | Self::Lines { .. } | Self::Json(_) => std::future::pending().await,
        }
    }

    /// Draws the screen.
    pub(crate) fn draw(&mut self) {
        if let Self::Screen { view, screen, has_changed, console } = self {
            for text in console.fresh() {
                *has_changed = true;
                view.say(text, "");
            }
            *has_changed &= !screen.draw(view, *has_changed, Instant::now());
        }
    }

    /// Takes a key. Returns what the line is asked to do.
    pub(crate) fn press(&mut self, key: Key) -> Option<Request> {
        let Self::Screen { view, screen, has_changed, .. } = self else { return None };
        *has_changed = true;
        if key == Key::Redraw {
            screen.forget();
        }
        view.press(key)
    }

    /// The run takes no further units.
    pub(crate) fn stop(&mut self) {
        if let Self::Screen { view, has_changed, .. } = self {
            *has_changed = true;
            view.stop();
        }
    }

    pub(crate) fn show(&mut self, event: &LineEvent) {
        match self {
            Self::Bars { .. } => self.show_in_bars(event),
            Self::Lines { done, total, console } => show_in_lines(event, done, *total, console),
            Self::Json(console) => show_as_json(event, console),
            Self::Screen { view, has_changed, console, .. } => {
                *has_changed = true;
                view.take(event, Instant::now());
                match event {
                    LineEvent::Said(text) => console.complain(text),
                    LineEvent::Ended(report) if report.outcome.needs_a_person() => {
                        console.complain_later(&sentence(report));
                    }
                    LineEvent::Closed { slot, detail } => console.complain_later(&closed(*slot, detail)),
                    _ => {}
                }
            }
        }
    }

    fn show_in_bars(&mut self, event: &LineEvent) {
        let Self::Bars { slots, total, typed, last, console } = self else { return };
        match event {
            LineEvent::Begun { slot, device } => {
                if let Some(bar) = bar_of(slots, *slot) {
                    bar.enable_steady_tick(TICK);
                    bar.set_message(device.to_string());
                }
            }
            LineEvent::Ended(report) => {
                if let Some(bar) = bar_of(slots, report.slot) {
                    bar.set_message(format!("{} {}", report.device, report.cause));
                }
                if let Some(last) = report.slot.checked_sub(1).and_then(|index| last.get_mut(index)) {
                    *last = format!("{} {} | ", report.device, word(report.outcome));
                }
                if report.outcome.needs_a_person() {
                    console.complain(&sentence(report));
                }
                if report.outcome.is_an_end() {
                    total.inc(1);
                }
            }
            LineEvent::AskedCa { slot, device, waiting } => {
                if let Some(bar) = bar_of(slots, *slot) {
                    let what = if *waiting { " waiting for the CA" } else { "" };
                    bar.set_message(format!("{device}{what}"));
                }
            }
            LineEvent::Closed { slot, detail } => console.complain(&closed(*slot, detail)),
            LineEvent::Waiting { slot, what, .. } => {
                if let Some(bar) = bar_of(slots, *slot) {
                    let last = slot.checked_sub(1).and_then(|index| last.get(index));
                    bar.enable_steady_tick(TICK);
                    bar.set_message(format!("{}{what}", last.map_or("", String::as_str)));
                }
            }
            LineEvent::Said(text) => console.complain(text),
            LineEvent::Typed(text) => {
                typed.set_message(if text.is_empty() { String::new() } else { format!("scan: {text}") });
            }
            LineEvent::Step { .. }
            | LineEvent::Scrapped { .. }
            | LineEvent::Reserved(_)
            | LineEvent::Paused(_)
            | LineEvent::Away(_)
            | LineEvent::Question(_)
            | LineEvent::Key(_) => {}
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Self::Bars { slots, total, typed, .. } = self {
            slots.iter().for_each(ProgressBar::finish_and_clear);
            total.finish_and_clear();
            typed.finish_and_clear();
        }
    }
}

fn show_in_lines(event: &LineEvent, done: &mut u64, total: Option<u64>, console: &Console) {
    match event {
        LineEvent::Ended(report) => {
            if report.outcome.is_an_end() {
                *done += 1;
            }
            let total = total.map(|total| format!("/{total}")).unwrap_or_default();
            console.complain(&format!("{done}{total} {}", sentence(report)));
        }
        LineEvent::Closed { slot, detail } => console.complain(&closed(*slot, detail)),
        LineEvent::Waiting { slot, what, .. } => console.complain(&format!("slot {slot}: {what}")),
        LineEvent::Said(text) => console.complain(text),
        _ => {}
    }
}

fn show_as_json(event: &LineEvent, console: &Console) {
    match event {
        LineEvent::Ended(report) => {
            if let Ok(json) = report.to_json() {
                // Lost lines are counted and reported at the end.
                diagnostics::results().put(format!("{json}\n").as_bytes());
            }
        }
        LineEvent::Said(text) => console.complain(text),
        _ => {}
    }
}

fn bar_of(slots: &[ProgressBar], slot: usize) -> Option<&ProgressBar> {
    slots.get(slot.checked_sub(1)?)
}

fn closed(slot: usize, detail: &str) -> String {
    format!("slot {slot} takes no units in this run: {detail}")
}

fn sentence(report: &UnitReport) -> String {
    let UnitReport { device, slot, duration_ms, message, .. } = report;
    let word = word(report.outcome);
    if report.outcome.is_good() {
        return format!("{device} {word} in {duration_ms} ms, slot {slot}");
    }
    // A silent device may have written to standard error. What others write is in the report.
    let said = match last_words(&report.said) {
        Some(said) if report.cause == "timed-out" => format!("; its standard error says: {said}"),
        _ => String::new(),
    };
    format!("{device} {word} in {duration_ms} ms, slot {slot}: {message}{said}")
}

fn word(outcome: UnitOutcome) -> &'static str {
    match outcome {
        UnitOutcome::Passed => "passed",
        UnitOutcome::Deferred => "certificate deferred",
        UnitOutcome::Failed => "FAILED",
        UnitOutcome::Unfinished => "unfinished",
        UnitOutcome::Skipped => "skipped",
    }
}

const TICK: Duration = Duration::from_millis(100);
