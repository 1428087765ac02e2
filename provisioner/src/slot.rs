//! One unit on one fixture: carries the session's commands out, in order, and brings back what happens.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use identity::{Clock, DeviceId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ca::{Ca, CaError};
use crate::journal::{Record, UnitEnd, Writer};
use crate::link::{Link, LinkSpec, Received};
use crate::session::{Command, Draw, Event, Kit, Limits, Memory, Outcome, Session};
use crate::units::Unit;
use crate::wire::{decode_answer, encode_question};

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
    pub async fn make(&self, unit: &Unit, memory: Memory, slot: usize) -> Made {
        let begun = Instant::now();
        let record = Record::Begun { device: unit.device.clone(), columns: unit.columns.clone() };
        let (made, said) = match self.journal.record(&record).await {
            Ok(()) => self.over_links(unit, memory, slot).await,
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
                open: made.outcome.leaves_the_unit_open(),
            };
            let record = Record::Ended { device: unit.device.clone(), end };
            // The unit has ended as it has; without this record it is open, and will be tried again.
            if let Err(error) = self.journal.record(&record).await {
                tracing::error!(%error, device.id = %unit.device, "cannot record how a unit ended");
            }
        }
        made
    }

    /// A link that breaks is opened again a few times: a plug that was not quite in, a device of the run before that still ends.
    async fn over_links(&self, unit: &Unit, memory: Memory, slot: usize) -> (Made, String) {
        let mut pauses = LINK_PAUSES.into_iter();
        let mut memory = memory;
        loop {
            let (made, link) = self.with_link(unit, memory, slot).await;
            let said = match link {
                Some(link) => link.close().await,
                None => String::new(),
            };
            let pause = match made.outcome {
                Outcome::LinkLost { .. } if !self.cut.is_cancelled() => pauses.next(),
                _ => None,
            };
            let Some(pause) = pause else { return (made, said) };
            tracing::info!(device.id = %unit.device, "the link broke, opening it again: {}", made.outcome);
            memory = made.memory;
            tokio::time::sleep(pause).await;
        }
    }

    async fn with_link(&self, unit: &Unit, memory: Memory, slot: usize) -> (Made, Option<Link>) {
        let mut link = match Link::open(&self.link, &unit.device, slot).await {
            Ok(link) => link,
            Err(error) => {
                let outcome = Outcome::LinkLost { detail: error.to_string() };
                return (Made::without_session(outcome, memory), None);
            }
        };
        let Some(draw) = draw() else {
            let detail = "the system has no random numbers".to_owned();
            return (Made::without_session(Outcome::Misbehaved { what: detail }, memory), Some(link));
        };
        let kit = Arc::clone(&self.kit);
        let session = Session::new(unit.device.clone(), kit, self.limits, draw, memory);
        let mut run = Run {
            bench: self,
            device: &unit.device,
            session,
            question: None,
            timer: None,
            ca: Duration::ZERO,
        };
        let outcome = run.until_it_ends(&mut link).await;
        let made = Made {
            outcome,
            memory: run.session.memory().clone(),
            resent: run.session.resent(),
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
        Self { outcome, memory, resent: 0, duration, ca_duration, said: String::new() }
    }
}

/// A session that runs.
struct Run<'a> {
    bench: &'a Bench,
    device: &'a DeviceId,
    session: Session,
    question: Option<(Question, Instant)>,
    timer: Option<Instant>,
    ca: Duration,
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
                self.ca += asked.map(|asked| asked.elapsed()).unwrap_or_default();
                event
            }
            received = link.receive() => match received {
                Ok(Received::Payload(message)) => match decode_answer(&message) {
                    Some((exchange, answer)) => Event::Answer { exchange, answer },
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
