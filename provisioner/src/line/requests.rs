//! What the operator at the screen asks of the line: to pause, to make a unit again, to scrap it, to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use identity::DeviceId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::scans::{interrupt, read};
use super::{Intake, LineEvent, LineShared};
use crate::ca::{CaError, Words};
use crate::journal::Record;
use crate::mode::Mode;
use crate::report::UnitReport;
use crate::scan::{Input, Scan};
use crate::units::{Rules, Unit};
use proto::v1::Reason;

/// Somebody at the screen.
pub(crate) struct Operator {
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Whether the keyboard is read for keys.
    pub(crate) reads_keys: bool,
}

/// Slots count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Pauses the line, or lets it go on.
    Pause,
    /// Makes the unit again that ended last at this slot and did not pass.
    Retry(usize),
    /// Scraps the unit that ended last at this slot, if its serial number is then typed or scanned.
    Scrap(usize),
    /// Ends the run, if it is asked for twice.
    Quit,
}

/// What requests are about.
pub(super) struct Requests {
    /// What a scanned unit must be; `None` where units are not scanned.
    pub(super) rules: Option<Rules>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The unit that ended last at each slot.
    ended: BTreeMap<usize, Ended>,
    /// Slots whose unit is to be made again although it was not taken away.
    again: BTreeSet<usize>,
    question: Option<Question>,
}

#[derive(Clone)]
struct Ended {
    unit: Unit,
    passed: bool,
    /// How it ended, for the ledger.
    cause: String,
}

#[derive(Clone)]
enum Question {
    /// Its serial number confirms.
    Scrap(usize, Ended),
    /// The same key confirms.
    Quit,
}

impl Requests {
    pub(super) fn new(intake: &Intake) -> Self {
        let rules = match intake {
            Intake::Scans(scans) => Some(scans.rules.clone()),
            Intake::Supply | Intake::Order | Intake::Rows(_) | Intake::Devices { .. } => None,
        };
        Self { rules, state: Mutex::default() }
    }

    pub(super) fn begun(&self, slot: usize) {
        self.state.lock().ended.remove(&slot);
    }

    pub(super) fn ended(&self, slot: usize, unit: Unit, report: &UnitReport) {
        let passed = report.outcome.is_good();
        let cause = format!("{} {}", report.cause, report.reason).trim().to_owned();
        self.state.lock().ended.insert(slot, Ended { unit, passed, cause });
    }

    /// Whether the unit on a slot is to be made again. Tells it once.
    pub(super) fn is_again(&self, slot: usize) -> bool {
        self.state.lock().again.remove(&slot)
    }
}

/// Carries requests out, one after another, until the line ends.
pub(super) async fn carry_out(shared: Arc<LineShared>, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        let question = shared.requests.state.lock().question.take();
        if question.is_some() {
            shared.events.send(LineEvent::Question(None)).await.ok();
        }
        match (request, question) {
            (Request::Quit, Some(Question::Quit)) => interrupt(),
            (Request::Quit, _) => shared.ask(Question::Quit).await,
            (Request::Pause, _) if shared.is_paused() => shared.end_pause().await,
            (Request::Pause, _) => {
                shared.begin_pause().await;
                shared
                    .say("the line is paused by the operator; units that were begun are finished".to_owned())
                    .await;
            }
            (Request::Retry(slot), _) => shared.make_again(slot).await,
            (Request::Scrap(slot), _) => {
                let ended = shared.requests.state.lock().ended.get(&slot).cloned();
                match ended {
                    Some(ended) => shared.ask(Question::Scrap(slot, ended)).await,
                    None => {
                        shared.say(format!("slot {slot}: no unit has ended there that can be scrapped")).await
                    }
                }
            }
        }
    }
}

/// Reads the keyboard where units are not scanned: keys, answers, and Enter, which ends a pause.
pub(super) async fn read_keys(shared: Arc<LineShared>) {
    let Ok(input) = Input::stdin() else { return };
    let (scans, mut queue) = mpsc::channel(KEYS_WAITING_MAX);
    let (_, ()) = tokio::join!(read(Arc::clone(&shared), input, true, scans), async {
        while let Some(scan) = queue.recv().await {
            match scan {
                Scan::Code(code) if shared.answered(&code).await => {}
                Scan::Enter if shared.answered("").await => {}
                Scan::Code(code) => {
                    shared.say(format!("{code} was not taken: units of this run are not scanned")).await;
                }
                Scan::Enter => shared.end_pause().await,
                Scan::Mistake(_) | Scan::Interrupt | Scan::Key(_) | Scan::End => {}
            }
        }
    });
}

impl LineShared {
    async fn ask(&self, question: Question) {
        let text = match &question {
            Question::Scrap(slot, Ended { unit, .. }) => format!(
                " SCRAP slot {slot} for ever? Scan or type {} and Enter; Enter alone keeps it",
                unit.device.serial
            ),
            Question::Quit if self.stop.is_cancelled() => {
                " ^Q again aborts the units on the bench (resume finishes them); Enter waits".to_owned()
            }
            Question::Quit => {
                " END THE RUN? ^Q again ends it when the bench is done; Enter goes on".to_owned()
            }
        };
        self.requests.state.lock().question = Some(question);
        self.events.send(LineEvent::Question(Some(text))).await.ok();
    }

    /// Takes what was typed or scanned as the answer of a question. `false`: there is none.
    pub(super) async fn answered(&self, code: &str) -> bool {
        let Some(question) = self.requests.state.lock().question.take() else { return false };
        self.events.send(LineEvent::Question(None)).await.ok();
        match question {
            Question::Scrap(slot, ended) if ended.unit.device.serial.as_str() == code => {
                self.scrap(slot, &ended).await;
            }
            Question::Scrap(_, Ended { unit, .. }) => {
                self.say(format!("{} was not scrapped", unit.device)).await
            }
            Question::Quit if code.is_empty() => {}
            Question::Quit => {
                self.say(format!("{code} was not taken: the line was asked whether to end")).await
            }
        }
        true
    }

    /// Makes a unit again on its slot.
    async fn make_again(&self, slot: usize) {
        let ended = self.requests.state.lock().ended.get(&slot).cloned();
        let unit = match ended {
            None => {
                return self
                    .say(format!("slot {slot}: no unit has ended there that can be tried again"))
                    .await;
            }
            Some(Ended { unit, passed: true, .. }) => {
                return self
                    .say(format!("slot {slot}: {} has passed; there is nothing to retry", unit.device))
                    .await;
            }
            Some(Ended { unit, .. }) => unit,
        };
        let name = unit.device.to_string();
        match self.context.mode {
            Mode::Scan => {
                if let Err(why) = self.placed(&unit.device, slot).await {
                    self.say(format!("{name} was not taken: {why}")).await;
                }
                return;
            }
            Mode::Device => {
                self.requests.state.lock().again.insert(slot);
            }
            Mode::List => {
                self.requests.state.lock().ended.remove(&slot);
                self.with_supply(|supply| supply.again(Unit { slot: Some(slot), ..unit }));
            }
        }
        self.say(format!("slot {slot}: {name} is tried again")).await;
    }

    /// Gives a unit up at the CA, for ever.
    async fn scrap(&self, slot: usize, ended: &Ended) {
        let device = &ended.unit.device;
        let remark: String = format!("scrapped at the station's screen, slot {slot}: {}", ended.cause)
            .chars()
            .take(REMARK_MAX)
            .collect();
        let words = Words { remark: remark.clone(), operator: self.context.crew.now().operator };
        let given_up = match self.scrap_at_the_ca(device, &words).await {
            Ok(given_up) => given_up,
            Err(error) => return self.say(format!("{device} was NOT scrapped: {error}")).await,
        };
        let record = Record::Scrapped { device: device.clone(), reason: remark.clone() };
        if let Err(error) = self.context.journal.record(&record).await {
            self.say(format!("{device} is scrapped at the CA, and the journal does not know it: {error}"))
                .await;
        }
        if let Some(known) = self.known.lock().get_mut(device) {
            (known.scrapped, known.scrap_reason) = (true, remark);
        }
        self.requests.state.lock().ended.remove(&slot);
        self.events.send(LineEvent::Scrapped { slot }).await.ok();
        let what = if given_up { "is given up: it never had a certificate" } else { "is scrapped" };
        self.say(format!("{device} {what}; this station does not make it again")).await;
    }

    /// Returns whether there was no certificate, so that the serial number is given up.
    async fn scrap_at_the_ca(&self, device: &DeviceId, words: &Words) -> Result<bool, CaError> {
        let (ca, order) = (&self.context.ca, &self.context.work_order);
        match ca.scrap(order, device, words).await {
            Err(CaError::Refused(refusal))
                if refusal.is(Reason::DeviceNotFound) && self.never_made(device) =>
            {
                match ca.give_up(order, device, words).await {
                    // The others have used up the quota: this serial number needs none any more.
                    Err(CaError::Refused(refusal)) if refusal.is(Reason::WorkOrderExhausted) => Ok(true),
                    given_up => given_up.map(|()| true),
                }
            }
            scrapped => scrapped.map(|()| false),
        }
    }

    /// Whether the unit was begun here and has no certificate, as far as the journal knows.
    fn never_made(&self, device: &DeviceId) -> bool {
        self.known.lock().get(device).is_some_and(|unit| unit.certificate().is_none())
    }
}

/// Keys that wait while a request is carried out.
const KEYS_WAITING_MAX: usize = 16;

/// `ReportScrapRequest.reason` in provisioning.proto, in characters.
const REMARK_MAX: usize = 256;
