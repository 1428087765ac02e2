//! What the screen shows. Only events change it: no terminal, no clock, no file.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Key;
use crate::line::{LineEvent, Request, Summary, Wait};
use crate::report::{UnitOutcome, UnitReport};

/// The state of a run, as a person at the bench sees it.
#[derive(Debug)]
pub(crate) struct View {
    pub(super) work_order: String,
    pub(super) product: String,
    /// The most units that the run makes; `None` if nobody knows.
    pub(super) total: Option<u64>,
    pub(super) begun: Instant,
    pub(super) slots: Vec<SlotView>,
    /// From 0.
    pub(super) selected: usize,
    pub(super) counts: Summary,
    pub(super) messages: VecDeque<Message>,
    pub(super) typed: String,
    pub(super) is_paused: bool,
    /// Whether the line works without the CA.
    pub(super) is_away: bool,
    /// The run takes no further units.
    pub(super) is_stopping: bool,
    /// What the operator must answer.
    pub(super) question: Option<String>,
    /// Whether keys are read.
    pub(super) has_keys: bool,
    /// Why the CA could not answer last.
    pub(super) ca: Option<String>,
    /// When the CA last answered.
    pub(super) answered: Option<Instant>,
    /// How many reserved units are in hand, and until when the first of them still are.
    pub(super) reserved: Option<(usize, Instant)>,
    /// How many panels are between one and the one below, and on a page; the drawing knows.
    pub(super) steps: (usize, usize),
}

/// One slot.
#[derive(Debug)]
pub(super) struct SlotView {
    /// The serial number that the panel is about; empty if there is none.
    pub(super) serial: String,
    pub(super) state: SlotState,
    /// Since when it is in this state; while a unit is made, since its begin.
    pub(super) since: Instant,
    /// Since when the CA is asked.
    pub(super) asked: Option<Instant>,
    /// How the unit before ended.
    pub(super) before: Option<(Verdict, String)>,
}

#[derive(Debug)]
pub(super) enum SlotState {
    Waiting(String),
    Making(&'static str),
    Ended {
        verdict: Verdict,
        text: String,
        took: Duration,
        /// What the slot waits for, while the verdict stays.
        then: String,
    },
    Closed(String),
}

/// The word on a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// It is good, and its certificate comes later.
    Deferred,
    Fail,
    /// It is finished later.
    Open,
    /// Its serial number is another unit's.
    Skipped,
    Scrapped,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pass | Self::Deferred => "PASS",
            Self::Fail => "FAIL",
            Self::Open => "OPEN",
            Self::Skipped => "SKIP",
            Self::Scrapped => "SCRAP",
        }
    }
}

/// A message, and what to do about it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) advice: &'static str,
}

impl View {
    pub(crate) fn new(
        work_order: String,
        product: String,
        slots: usize,
        total: Option<u64>,
        now: Instant,
    ) -> Self {
        let slot = || SlotView {
            serial: String::new(),
            state: SlotState::Waiting(String::new()),
            since: now,
            asked: None,
            before: None,
        };
        Self {
            work_order,
            product,
            total,
            begun: now,
            slots: (0..slots).map(|_| slot()).collect(),
            selected: 0,
            counts: Summary::default(),
            messages: VecDeque::new(),
            typed: String::new(),
            is_paused: false,
            is_away: false,
            is_stopping: false,
            question: None,
            has_keys: false,
            ca: None,
            answered: None,
            reserved: None,
            steps: (1, 1),
        }
    }

    /// Shows the keys, because they are read.
    pub(crate) fn with_keys(self, has_keys: bool) -> Self {
        Self { has_keys, ..self }
    }

    /// Takes what happened at `now`.
    pub(crate) fn take(&mut self, event: &LineEvent, now: Instant) {
        match event {
            LineEvent::Begun { slot, device } => {
                let serial = device.serial.to_string();
                self.change(*slot, |slot| slot.begin(serial, now));
            }
            LineEvent::Step { slot, doing } => self.change(*slot, |slot| {
                if let SlotState::Making(step) = &mut slot.state {
                    *step = doing;
                }
            }),
            LineEvent::AskedCa { slot, waiting, .. } => {
                self.change(*slot, |slot| slot.asked = waiting.then_some(now));
                if !waiting {
                    self.answered = Some(now);
                    self.ca = None;
                }
            }
            LineEvent::Ended(report) => self.end(report, now),
            LineEvent::Closed { slot, detail } => {
                self.change(*slot, |slot| slot.becomes(SlotState::Closed(detail.clone()), now));
                self.say(format!("slot {slot} takes no units in this run: {detail}"), "call an engineer");
            }
            LineEvent::Waiting { slot, what, wait } => {
                self.change(*slot, |slot| slot.waits(what, *wait, now));
            }
            LineEvent::Scrapped { slot } => self.change(*slot, |slot| {
                if let SlotState::Ended { verdict, .. } = &mut slot.state {
                    *verdict = Verdict::Scrapped;
                }
            }),
            LineEvent::Reserved(in_hand) => {
                self.reserved = in_hand.and_then(|(units, left)| Some((units, now.checked_add(left)?)));
            }
            LineEvent::Paused(paused) => self.is_paused = *paused,
            LineEvent::Away(is_away) => {
                self.is_away = *is_away;
                if !is_away {
                    (self.ca, self.answered) = (None, Some(now));
                }
            }
            LineEvent::Question(question) => self.question.clone_from(question),
            LineEvent::Typed(text) => self.typed.clone_from(text),
            // They come through the console, with those of the log.
            LineEvent::Said(_) | LineEvent::Key(_) => {}
        }
    }

    /// Takes a key. Returns what the line is asked to do.
    pub(crate) fn press(&mut self, key: Key) -> Option<Request> {
        let slot = self.selected + 1;
        let (below, page) = self.steps;
        match key {
            Key::Pause => return Some(Request::Pause),
            Key::Quit => return Some(Request::Quit),
            Key::Retry => return Some(Request::Retry(slot)),
            Key::Scrap => return Some(Request::Scrap(slot)),
            Key::Redraw => {}
            Key::Left => self.select(self.selected.checked_sub(1)),
            Key::Right => self.select(self.selected.checked_add(1)),
            Key::Up => self.select(self.selected.checked_sub(below)),
            Key::Down => self.select(self.selected.checked_add(below)),
            Key::PageUp => self.select(Some(self.selected.saturating_sub(page))),
            Key::PageDown => {
                self.select(Some((self.selected + page).min(self.slots.len().saturating_sub(1))))
            }
        }
        None
    }

    /// Shows a message.
    pub(crate) fn say(&mut self, text: String, advice: &'static str) {
        let text = plain(&text);
        self.messages.push_front(Message { text, advice });
        self.messages.truncate(MESSAGES_MAX);
    }

    /// No further units are begun.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Units that may leave the bench for good; some get their certificates later.
    fn good(&self) -> u64 {
        self.counts.passed.saturating_add(self.counts.deferred)
    }

    pub(super) fn failed(&self) -> u64 {
        self.counts.failed()
    }

    /// Units that passed of those that ended, in tenths of a percent; `None` before the first has ended.
    pub(super) fn yield_per_mille(&self) -> Option<u64> {
        let good = self.good();
        let ended = good.saturating_add(self.failed());
        good.saturating_mul(1_000).checked_div(ended)
    }

    /// Units that pass in an hour; `None` in the first seconds, which say nothing.
    pub(super) fn per_hour(&self, now: Instant) -> Option<u64> {
        let seconds = now.duration_since(self.begun).as_secs();
        (seconds >= RATE_AFTER.as_secs()).then(|| self.good().saturating_mul(3_600) / seconds.max(1))
    }

    /// Since when the CA has owed an answer for the longest time.
    pub(super) fn asked(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.asked).min()
    }

    /// Slots with this verdict, from 0.
    pub(super) fn with_verdict(&self, wanted: Verdict) -> impl Iterator<Item = usize> {
        let is_wanted = move |slot: &SlotView| matches!(&slot.state, SlotState::Ended { verdict, .. } if *verdict == wanted);
        self.slots.iter().enumerate().filter(move |(_, slot)| is_wanted(slot)).map(|(index, _)| index)
    }

    fn select(&mut self, index: Option<usize>) {
        if let Some(index) = index.filter(|index| *index < self.slots.len()) {
            self.selected = index;
        }
    }

    fn change(&mut self, slot: usize, change: impl FnOnce(&mut SlotView)) {
        if let Some(slot) = slot.checked_sub(1).and_then(|index| self.slots.get_mut(index)) {
            change(slot);
        }
    }

    fn end(&mut self, report: &UnitReport, now: Instant) {
        self.counts.count(report);
        let verdict = match report.outcome {
            UnitOutcome::Passed => Verdict::Pass,
            UnitOutcome::Deferred => Verdict::Deferred,
            UnitOutcome::Failed => Verdict::Fail,
            UnitOutcome::Unfinished => Verdict::Open,
            UnitOutcome::Skipped => Verdict::Skipped,
        };
        let serial = report.device.split_once('/').map_or("", |(_, serial)| serial).to_owned();
        if report.cause == "ca-unreachable" {
            self.ca = Some(report.message.clone());
        }
        if matches!(verdict, Verdict::Fail | Verdict::Open) {
            let name = if serial.is_empty() { "a unit without a serial number" } else { &serial };
            let word = verdict.word();
            self.say(format!("slot {} {word} {name}: {}", report.slot, report.message), report.advice);
        }
        let took = Duration::from_millis(report.duration_ms);
        let state = SlotState::Ended { verdict, text: report.message.clone(), took, then: String::new() };
        self.change(report.slot, |slot| {
            slot.serial = serial;
            slot.becomes(state, now);
        });
    }
}

impl SlotView {
    fn begin(&mut self, serial: String, now: Instant) {
        self.keep_verdict();
        self.serial = serial;
        self.becomes(SlotState::Making("asking the CA"), now);
    }

    /// The verdict stays while its unit may still be there.
    fn waits(&mut self, what: &str, wait: Wait, now: Instant) {
        match (&mut self.state, wait) {
            (SlotState::Ended { then, .. }, Wait::Next) => what.clone_into(then),
            (_, Wait::Next) => self.becomes(SlotState::Waiting(what.to_owned()), now),
            (_, Wait::Unit) => {
                self.keep_verdict();
                self.serial.clear();
                self.becomes(SlotState::Waiting(what.to_owned()), now);
            }
        }
    }

    fn keep_verdict(&mut self) {
        if let SlotState::Ended { verdict, .. } = self.state {
            self.before = Some((verdict, std::mem::take(&mut self.serial)));
        }
    }

    fn becomes(&mut self, state: SlotState, now: Instant) {
        (self.state, self.since, self.asked) = (state, now, None);
    }
}

/// A message in one line, without the colours of the log (ECMA-48 control sequences).
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.as_str().starts_with('[') => {
                characters.find(|c| ('@'..='~').contains(c) && *c != '[');
            }
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

/// Messages that are kept for the screen: more than it has lines.
const MESSAGES_MAX: usize = 64;

/// A rate over less time than this says nothing.
const RATE_AFTER: Duration = Duration::from_secs(60);
