//! One unit on one fixture: carries the session's commands out, in order, and brings back what happens.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use identity::{Clock, DeviceId, DeviceSerial};
use proto::v1;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ca::{Ca, CaError};
use crate::journal::{Record, UnitEnd, Writer};
use crate::line::LineEvent;
use crate::link::{Link, LinkSpec, Received};
use crate::session::{
    Assignment, Command, Draw, Event, Kit, Limits, Memory, Outcome, Refusal, Session, Standing, Taken,
};
use crate::units::Unit;
use crate::wire::{decode_answer, encode_question, is_echo, standing};

/// What all slots of a line share.
pub struct Bench {
    /// The order they work to.
    pub work_order: String,
    /// What each unit is given.
    pub kit: Arc<Kit>,
    /// The way to the devices.
    pub link: LinkSpec,
    /// The CA.
    pub ca: Ca,
    /// What is recorded before it is done.
    pub journal: Writer,
    /// How long a session waits.
    pub limits: Limits,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends every session at once.
    pub cut: CancellationToken,
    /// Whom to tell when the CA is waited for.
    pub events: Option<mpsc::Sender<LineEvent>>,
}

/// What became of a unit.
#[derive(Debug)]
pub struct Made {
    /// How it ended.
    pub outcome: Outcome,
    /// All that is known of it.
    pub memory: Memory,
    /// How many questions were sent again.
    pub resent: u32,
    /// Whether the device was heard at all: a whole message of it.
    pub heard: bool,
    /// From the start of its link to its end.
    pub duration: Duration,
    /// Of it, waiting for the CA.
    pub ca_duration: Duration,
    /// The end of what the device's command said on standard error; empty when it passed.
    pub said: String,
}

/// An answer of the CA that is under way.
type Question = Pin<Box<dyn Future<Output = Event> + Send>>;

impl Bench {
    /// Makes one unit, or finishes it: `memory` is what the journal knows of it.
    ///
    /// `withdrawn` are serial numbers that this line gave to units and that belong to others.
    pub async fn make(&self, unit: &Unit, memory: Memory, slot: usize, withdrawn: Vec<DeviceSerial>) -> Made {
        let begun = Instant::now();
        // Before anything is recorded or told: a serial number of another unit costs nothing.
        let assignment = match self.assignment(unit, slot, &memory, withdrawn).await {
            Ok(assignment) => assignment,
            Err(outcome) => {
                return Made { duration: begun.elapsed(), ..Made::without_session(outcome, memory) };
            }
        };
        let record = Record::Begun { device: unit.device.clone(), columns: unit.columns.clone() };
        let (made, said) = match self.journal.record(&record).await {
            Ok(()) => self.over_links(unit, &assignment, memory, slot).await,
            Err(error) => {
                let outcome = Outcome::JournalLost { detail: error.to_string() };
                (Made::without_session(outcome, memory), String::new())
            }
        };
        let made = Made {
            duration: begun.elapsed(),
            said: if made.outcome == Outcome::Passed { String::new() } else { said },
            ..made
        };
        if made.outcome != Outcome::Passed {
            let end = UnitEnd {
                outcome: made.outcome.name().to_owned(),
                reason: made.outcome.reason().to_owned(),
                // What was asked for must be finished, whatever the line is like.
                open: made.outcome.leaves_the_unit_open()
                    || (made.memory.asked.is_some() && !made.outcome.judges_the_unit()),
            };
            let record = Record::Ended { device: unit.device.clone(), end };
            // The unit has ended as it has; without this record it is open, and will be tried again.
            if let Err(error) = self.journal.record(&record).await {
                tracing::error!(%error, device.id = %unit.device, "cannot record how a unit ended");
            }
        }
        made
    }

    /// For whoever watches; when that one is slow, it misses a step.
    fn tell(&self, slot: usize, device: &DeviceId, waiting: bool) {
        if let Some(events) = &self.events {
            events.try_send(LineEvent::AskedCa { slot, device: device.clone(), waiting }).ok();
        }
    }

    /// Whether the serial number may be told to a unit, by the CA's record of this moment. What this station has asked for before goes on
    /// without a question. Another station may still be faster: then the CA refuses, and the unit takes the next serial number in place of
    /// this one.
    async fn assignment(
        &self,
        unit: &Unit,
        slot: usize,
        memory: &Memory,
        withdrawn: Vec<DeviceSerial>,
    ) -> Result<Assignment, Outcome> {
        let tell = Assignment::Tell { withdrawn };
        if memory.asked.is_some() {
            return Ok(tell);
        }
        let serials = vec![unit.device.serial.to_string()];
        self.tell(slot, &unit.device, true);
        let answer = tokio::select! {
            () = self.cut.cancelled() => return Err(Outcome::Cancelled),
            answer = self.ca.units(&self.work_order, serials, String::new()) => answer.map_err(outcome_of)?,
        };
        self.tell(slot, &unit.device, false);
        let order = answer.work_order.unwrap_or_default();
        match answer.units.first().map_or(Standing::Free, standing) {
            Standing::Taken(taken @ (Taken::OtherOrder | Taken::Gone), _)
            | Standing::Taken(taken @ Taken::OtherStation, true) => Err(Outcome::SerialTaken(taken)),
            Standing::Taken(taken, _) => Ok(Assignment::Ask(taken)),
            Standing::Rework => Ok(tell),
            Standing::Free => match no_more(&order) {
                Some(refusal) => Err(Outcome::Refused(refusal)),
                None => Ok(tell),
            },
        }
    }

    /// A link that breaks is opened again a few times: a plug that was not quite in, a device of the run before that still ends.
    async fn over_links(
        &self,
        unit: &Unit,
        assignment: &Assignment,
        memory: Memory,
        slot: usize,
    ) -> (Made, String) {
        let mut pauses = LINK_PAUSES.into_iter();
        let mut memory = memory;
        loop {
            let (made, link) = self.with_link(unit, assignment, memory, slot).await;
            let said = match link {
                Some(link) => link.close().await,
                None => String::new(),
            };
            let pause = match made.outcome {
                Outcome::LinkLost { .. } | Outcome::NotConnected { .. } if !self.cut.is_cancelled() => {
                    pauses.next()
                }
                _ => None,
            };
            let Some(pause) = pause else { return (made, said) };
            tracing::info!(device.id = %unit.device, "the link broke, opening it again: {}", made.outcome);
            memory = made.memory;
            tokio::time::sleep(pause).await;
        }
    }

    async fn with_link(
        &self,
        unit: &Unit,
        assignment: &Assignment,
        memory: Memory,
        slot: usize,
    ) -> (Made, Option<Link>) {
        let mut link = match Link::open(&self.link, &unit.device, slot).await {
            Ok(link) => link,
            Err(error) => {
                return (Made::without_session(error.into(), memory), None);
            }
        };
        let Some(draw) = draw() else {
            let detail = "the system has no random numbers".to_owned();
            return (Made::without_session(Outcome::Misbehaved { what: detail }, memory), Some(link));
        };
        let kit = Arc::clone(&self.kit);
        let session = Session::new(unit.device.clone(), assignment.clone(), kit, self.limits, draw, memory);
        let mut run = Run {
            bench: self,
            device: &unit.device,
            slot,
            session,
            question: None,
            timer: None,
            ca: Duration::ZERO,
            heard: false,
        };
        let outcome = run.until_it_ends(&mut link).await;
        let made = Made {
            outcome,
            memory: run.session.memory().clone(),
            resent: run.session.resent(),
            heard: run.heard,
            duration: Duration::ZERO,
            ca_duration: run.ca,
            said: String::new(),
        };
        (made, Some(link))
    }
}

impl Made {
    fn without_session(outcome: Outcome, memory: Memory) -> Self {
        let (duration, ca_duration) = (Duration::ZERO, Duration::ZERO);
        Self { outcome, memory, resent: 0, heard: false, duration, ca_duration, said: String::new() }
    }
}

/// A session that runs.
struct Run<'a> {
    bench: &'a Bench,
    device: &'a DeviceId,
    slot: usize,
    session: Session,
    question: Option<(Question, Instant)>,
    timer: Option<Instant>,
    ca: Duration,
    heard: bool,
}

impl Run<'_> {
    async fn until_it_ends(&mut self, link: &mut Link) -> Outcome {
        let mut event = Event::Begin;
        loop {
            let commands = self.session.handle(event, self.bench.clock.now());
            event = match self.carry_out(commands, link).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => self.next_event(link).await,
                Err(event) => event,
            };
        }
    }

    /// In order; what could not be done is an event, and what follows it is not done.
    async fn carry_out(&mut self, commands: Vec<Command>, link: &mut Link) -> Result<Option<Outcome>, Event> {
        for command in commands {
            match command {
                Command::Record(step) => {
                    let record = Record::Step { device: self.device.clone(), step };
                    let recorded = self.bench.journal.record(&record).await;
                    recorded.map_err(|error| Event::JournalLost(error.to_string()))?;
                }
                Command::Send { exchange, question } => {
                    let message = encode_question(exchange, &question);
                    link.send(&message).await.map_err(|error| Event::LinkLost(error.to_string()))?;
                }
                Command::ArmTimer(after) => self.timer = Some(Instant::now() + after),
                Command::Ask { request_id, csr } => {
                    let (ca, device) = (self.bench.ca.clone(), self.device.clone());
                    let work_order = self.bench.work_order.clone();
                    self.ask(async move {
                        match ca.issue(&work_order, &device, request_id, &csr).await {
                            Ok(certificate) => Event::Issued(certificate),
                            Err(error) => no_answer(error),
                        }
                    });
                }
                Command::Confirm { serial_number } => {
                    let (ca, device) = (self.bench.ca.clone(), self.device.clone());
                    let work_order = self.bench.work_order.clone();
                    self.ask(async move {
                        match ca.confirm(&work_order, &device, serial_number).await {
                            Ok(()) => Event::Confirmed,
                            Err(error) => no_answer(error),
                        }
                    });
                }
                Command::End(outcome) => return Ok(Some(outcome)),
            }
        }
        Ok(None)
    }

    fn ask(&mut self, question: impl Future<Output = Event> + Send + 'static) {
        self.question = Some((Box::pin(question), Instant::now()));
        self.bench.tell(self.slot, self.device, true);
    }

    async fn next_event(&mut self, link: &mut Link) -> Event {
        let timer = self.timer;
        let timed_out = async move {
            match timer {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let asked = self.question.as_ref().map(|(_, asked)| *asked);
        let question = &mut self.question;
        let answered = async move {
            match question {
                Some((question, _)) => question.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.bench.cut.cancelled() => Event::Cancelled,
            event = answered => {
                self.question = None;
                self.bench.tell(self.slot, self.device, false);
                self.ca += asked.map(|asked| asked.elapsed()).unwrap_or_default();
                event
            }
            received = link.receive() => match received {
                Ok(Received::Payload(message)) if is_echo(&message) => Event::Echo,
                Ok(Received::Payload(message)) => match decode_answer(&message) {
                    Some((exchange, answer)) => {
                        self.heard = true;
                        Event::Answer { exchange, answer }
                    }
                    None => Event::DamagedFrame,
                },
                Ok(Received::Damaged) => Event::DamagedFrame,
                Err(error) => Event::LinkLost(error.to_string()),
            },
            () = timed_out => {
                self.timer = None;
                Event::TimedOut
            }
        }
    }
}

fn outcome_of(error: CaError) -> Outcome {
    match error {
        CaError::Refused(refusal) => Outcome::Refused(refusal),
        CaError::Unreachable(detail) => Outcome::CaUnreachable { detail },
    }
}

/// Why the order gives no certificate to a unit that has none, as the CA would say it to each.
pub(crate) fn no_more(order: &v1::WorkOrder) -> Option<Refusal> {
    let made = order.counts.map_or(0, |counts| counts.issued);
    let (reason, why) = match order.state() {
        v1::WorkOrderState::Paused => ("WORK_ORDER_PAUSED", "is paused".to_owned()),
        v1::WorkOrderState::Closed => ("WORK_ORDER_CLOSED", "is closed".to_owned()),
        _ if made >= order.quantity => {
            ("WORK_ORDER_EXHAUSTED", format!("is for {} units, and all are made", order.quantity))
        }
        v1::WorkOrderState::Open | v1::WorkOrderState::Unspecified => return None,
    };
    let message = format!("work order {} {why}", order.id);
    Some(Refusal { reason: reason.to_owned(), message, retry_after: None, stops_the_line: true })
}

fn no_answer(error: CaError) -> Event {
    match error {
        CaError::Refused(refusal) => Event::Refused(refusal),
        CaError::Unreachable(detail) => Event::CaUnreachable(detail),
    }
}

/// Fresh random values, or `None` when the system has none.
fn draw() -> Option<Draw> {
    let (mut request_id, mut nonce, mut exchange) = ([0; 16], [0; 32], [0; 4]);
    aws_lc_rs::rand::fill(&mut request_id).ok()?;
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    aws_lc_rs::rand::fill(&mut exchange).ok()?;
    // Never zero, and far from its end: people read these numbers in traces.
    let first_exchange = u32::from_be_bytes(exchange) >> 2 | 1;
    Some(Draw { request_id: request_id.into(), nonce, first_exchange })
}

/// Before a broken link is opened again.
const LINK_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];
