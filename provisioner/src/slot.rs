//! One unit on one fixture: carries the session's commands out, in order, and brings back what happens.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{Clock, DeviceId, DeviceSerial, SerialNumber};
use proto::v1;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ca::{Ca, CaError};
use crate::journal::{Record, UnitEnd, Writer};
use crate::line::{Hearing, LineEvent, Verdict};
use crate::link::{Link, LinkSpec, Received};
use crate::session::{
    Assignment, Command, Draw, Event, Kit, Limits, Memory, Outcome, Refusal, Session, Standing, Step, Taken,
};
use crate::units::Unit;
use crate::wire::{
    NotTheProtocol, birth_serial_number, decode_answer, encode_question, is_echo, standing, time,
};

/// What all slots of a line share.
pub(crate) struct Bench {
    /// The order they work to.
    pub(crate) work_order: String,
    /// What each unit is given.
    pub(crate) kit: Arc<Kit>,
    /// The way to the devices.
    pub(crate) link: LinkSpec,
    /// The CA.
    pub(crate) ca: Ca,
    /// What is recorded before it is done.
    pub(crate) journal: Writer,
    /// How long a session waits.
    pub(crate) limits: Limits,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends every session at once.
    pub(crate) cut: CancellationToken,
    /// Whom to tell when the CA is waited for.
    pub(crate) events: Option<mpsc::Sender<LineEvent>>,
    /// Which devices were heard.
    pub(crate) hearing: Hearing,
}

/// What the journal knows of a unit before it is begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Its steps.
    pub(crate) memory: Memory,
    /// Whether it is under way.
    pub(crate) open: bool,
}

/// What became of a unit.
#[derive(Debug)]
pub(crate) struct Made {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// All that is known of it.
    pub(crate) memory: Memory,
    /// How many questions were sent again.
    pub(crate) resent: u32,
    /// Whether the device was heard at all: a whole message of it.
    pub(crate) heard: bool,
    /// Whether its link was opened: it is in the journal.
    pub(crate) begun: bool,
    /// Whether it is under way still: the next run goes on with it.
    pub(crate) open: bool,
    /// What its end says of the link.
    pub(crate) verdict: Verdict,
    /// From the start of its link to its end.
    pub(crate) duration: Duration,
    /// Of it, waiting for the CA.
    pub(crate) ca_duration: Duration,
    /// The end of what the device's command said on standard error; empty when it passed.
    pub(crate) said: String,
}

/// An answer of the CA that is under way.
type Question = Pin<Box<dyn Future<Output = Event> + Send>>;

impl Bench {
    /// Makes one unit, or finishes it.
    ///
    /// `withdrawn` are serial numbers that this line gave to units and that belong to others.
    pub(crate) async fn make(
        &self,
        unit: &Unit,
        history: History,
        slot: usize,
        withdrawn: Vec<DeviceSerial>,
    ) -> Made {
        let begun = Instant::now();
        let History { mut memory, open } = history;
        // Before anything is recorded or told: a serial number of another unit costs nothing.
        let plan = match self.plan(unit, slot, &mut memory, withdrawn).await {
            Ok(plan) => plan,
            Err(outcome) => {
                let mut made =
                    Made { open, duration: begun.elapsed(), ..Made::without_session(outcome, memory) };
                // By the CA's word nothing is under way any more.
                if open && (made.outcome.judges_the_unit() || made.outcome.ends_the_order()) {
                    made.open = false;
                    self.record_end(unit, &made).await;
                }
                return made;
            }
        };
        let (made, said) = self.over_links(unit, &plan, memory, slot).await;
        let is_silent = made.begun
            && !made.heard
            && matches!(made.outcome, Outcome::LinkLost { .. } | Outcome::TimedOut { .. });
        let verdict =
            if made.heard || is_silent { self.hearing.count(slot, made.heard) } else { Verdict::Nothing };
        let made = Made {
            duration: begun.elapsed(),
            said: if made.outcome == Outcome::Passed { String::new() } else { said },
            open: if made.begun { made.stays_open(verdict) } else { open },
            verdict,
            ..made
        };
        if made.begun && made.outcome != Outcome::Passed {
            self.record_end(unit, &made).await;
        }
        made
    }

    async fn record_end(&self, unit: &Unit, made: &Made) {
        let end = UnitEnd {
            outcome: made.outcome.name().to_owned(),
            reason: made.outcome.reason().to_owned(),
            open: made.open,
        };
        let record = Record::Ended { device: unit.device.clone(), end };
        // The unit has ended as it has; without this record it is open, and will be tried again.
        if let Err(error) = self.journal.record(&record).await {
            tracing::error!(%error, device.id = %unit.device, "cannot record how a unit ended");
        }
    }

    /// For whoever watches; when that one is slow, it misses a step.
    fn tell(&self, slot: usize, device: &DeviceId, waiting: bool) {
        if let Some(events) = &self.events {
            events.try_send(LineEvent::AskedCa { slot, device: device.clone(), waiting }).ok();
        }
    }

    /// Whether the serial number may be told to a unit, by the CA's record of this moment. Another station may still be faster: then the CA
    /// refuses, and the unit takes the next serial number in place of this one. What the journal knew of a certificate that the CA lets be
    /// replaced, or has replaced, is over.
    async fn plan(
        &self,
        unit: &Unit,
        slot: usize,
        memory: &mut Memory,
        withdrawn: Vec<DeviceSerial>,
    ) -> Result<Plan, Outcome> {
        let serials = vec![unit.device.serial.to_string()];
        self.tell(slot, &unit.device, true);
        let answer = tokio::select! {
            () = self.cut.cancelled() => return Err(Outcome::Cancelled),
            answer = self.ca.units(&self.work_order, serials, String::new()) => answer.map_err(outcome_of)?,
        };
        self.tell(slot, &unit.device, false);
        let now = answer.now.as_ref().map(time);
        if let Some(detail) = now.and_then(|of_ca| clock_difference(self.clock.now(), of_ca)) {
            return Err(Outcome::ClockWrong { detail });
        }
        let order = answer.work_order.unwrap_or_default();
        let on_record = answer.units.first();
        let standing = on_record.map_or(Standing::Free, standing);
        let certificate = on_record.and_then(birth_serial_number);
        if let Some(serial_number) = superseded(memory, standing, certificate) {
            let step = Step::Superseded { serial_number };
            memory.apply(&step);
            let record = Record::Step { device: unit.device.clone(), step };
            let recorded = self.journal.record(&record).await;
            recorded.map_err(|error| Outcome::JournalLost { detail: error.to_string() })?;
        }
        let tell = Assignment::Tell { withdrawn };
        let assignment = match standing {
            Standing::Taken(
                taken @ (Taken::OtherOrder | Taken::Gone | Taken::Revoked | Taken::GivenUp),
                _,
            ) => {
                return Err(Outcome::SerialTaken(taken));
            }
            // The CA has told this station before that it is another unit's.
            Standing::Taken(taken, _) if memory.told_in_vain => return Err(Outcome::SerialTaken(taken)),
            // The CA tells by the key whether it is the same unit.
            Standing::Taken(..) if memory.asked.is_some() => tell,
            Standing::Taken(taken @ Taken::OtherStation, true) => return Err(Outcome::SerialTaken(taken)),
            Standing::Taken(taken, _) => Assignment::Ask(taken),
            Standing::Rework => tell,
            Standing::Free => match no_more(&order, now) {
                Some(refusal) => return Err(Outcome::Refused(refusal)),
                None => tell,
            },
        };
        Ok(Plan { assignment, certificate })
    }

    /// A link that breaks is opened again a few times: a plug that was not quite in, a device of the run before that still ends.
    async fn over_links(&self, unit: &Unit, plan: &Plan, memory: Memory, slot: usize) -> (Made, String) {
        let mut pauses = LINK_PAUSES.into_iter();
        let (mut memory, mut begun, mut heard) = (memory, false, false);
        loop {
            let (mut made, link) = self.with_link(unit, plan, memory, (slot, begun)).await;
            begun |= made.begun;
            heard |= made.heard;
            (made.begun, made.heard) = (begun, heard);
            made.outcome = match made.outcome {
                // It was there.
                Outcome::NotConnected { detail } if begun => Outcome::LinkLost { detail },
                outcome => outcome,
            };
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
        plan: &Plan,
        memory: Memory,
        (slot, begun): (usize, bool),
    ) -> (Made, Option<Link>) {
        let mut link = match Link::open(&self.link, &unit.device, slot).await {
            Ok(link) => link,
            Err(error) => {
                return (Made::without_session(error.into(), memory), None);
            }
        };
        if !begun {
            let record = Record::Begun { device: unit.device.clone(), columns: unit.columns.clone() };
            if let Err(error) = self.journal.record(&record).await {
                let outcome = Outcome::JournalLost { detail: error.to_string() };
                return (Made::without_session(outcome, memory), Some(link));
            }
        }
        let Some(draw) = draw() else {
            let detail = "the system has no random numbers".to_owned();
            let made = Made::without_session(Outcome::Misbehaved { what: detail }, memory);
            return (Made { begun: true, ..made }, Some(link));
        };
        let (kit, assignment) = (Arc::clone(&self.kit), plan.assignment.clone());
        let session = Session::new(unit.device.clone(), assignment, kit, self.limits, draw, memory)
            .with_certificate_on_record(plan.certificate);
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
        let outcome = match run.until_it_ends(&mut link).await {
            Outcome::TimedOut { doing, damaged: 0, noise_bytes: 0 } if !run.heard => {
                Outcome::TimedOut { doing, damaged: 0, noise_bytes: link.noise_bytes() }
            }
            outcome => outcome,
        };
        let made = Made {
            outcome,
            memory: run.session.memory().clone(),
            resent: run.session.resent(),
            heard: run.heard,
            begun: true,
            open: false,
            verdict: Verdict::Nothing,
            duration: Duration::ZERO,
            ca_duration: run.ca,
            said: String::new(),
        };
        (made, Some(link))
    }
}

impl Made {
    /// Of a unit that nothing was done about.
    pub(crate) fn without_session(outcome: Outcome, memory: Memory) -> Self {
        Self {
            outcome,
            memory,
            resent: 0,
            heard: false,
            begun: false,
            open: false,
            verdict: Verdict::Nothing,
            duration: Duration::ZERO,
            ca_duration: Duration::ZERO,
            said: String::new(),
        }
    }

    /// Whether the next run goes on with it.
    fn stays_open(&self, verdict: Verdict) -> bool {
        let Memory { asked, certificate, read_back, .. } = &self.memory;
        // The CA looks at what it has issued before it says that the order is over: this unit has nothing.
        if self.outcome.ends_the_order() && certificate.is_none() && read_back.is_none() {
            return false;
        }
        // Nothing was done to a unit that said nothing. Behind a line that is silent it was not judged either.
        let is_untouched = !self.heard && asked.is_none();
        match verdict {
            Verdict::LineWasSilent => true,
            _ if is_untouched && self.outcome.judges_the_unit() => false,
            // What was asked for must be finished, whatever the line is like.
            _ => self.outcome.leaves_the_unit_open() || (asked.is_some() && !self.outcome.judges_the_unit()),
        }
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
                Ok(Received::Payload(message)) => {
                    self.heard = true;
                    match decode_answer(&message) {
                        Ok((exchange, answer)) => Event::Answer { exchange, answer },
                        Err(NotTheProtocol { exchange, what }) => Event::NotTheProtocol { exchange, what },
                    }
                }
                Ok(Received::Damaged) => Event::DamagedFrame,
                Ok(Received::Noise(bytes)) => Event::Noise(bytes),
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

/// How a unit is made, by the CA's record.
struct Plan {
    assignment: Assignment,
    /// The last birth certificate of the unit.
    certificate: Option<SerialNumber>,
}

/// Of the certificate that is over, if what the journal knew of the unit is: the CA allows another one in its place, or has given one.
fn superseded(memory: &Memory, standing: Standing, on_record: Option<SerialNumber>) -> Option<SerialNumber> {
    let on_record = on_record?;
    let had = memory.certificate.as_ref().map(|certificate| certificate.serial_number).or(memory.read_back);
    match had {
        _ if standing == Standing::Rework => (memory.superseded != Some(on_record)).then_some(on_record),
        Some(had) if had != on_record => Some(had),
        _ => None,
    }
}

/// Why no certificate can be judged by the station's clock, if so.
fn clock_difference(station: SystemTime, ca: SystemTime) -> Option<String> {
    let difference = station.duration_since(ca).unwrap_or_else(|error| error.duration());
    let shown = |time| humantime::format_rfc3339_seconds(time);
    (difference > CLOCK_DIFFERENCE_MAX).then(|| {
        format!(
            "this station's clock shows {} and the CA's {}: they may differ by {} at most; set the one that is wrong",
            shown(station),
            shown(ca),
            humantime::format_duration(CLOCK_DIFFERENCE_MAX)
        )
    })
}

/// Why the order gives no certificate to a unit that has none, as the CA would say it to each. `now` is the CA's time, if it says it.
pub(crate) fn no_more(order: &v1::WorkOrder, now: Option<SystemTime>) -> Option<Refusal> {
    let made = order.counts.map_or(0, |counts| counts.issued);
    let bound = |at: &Option<prost_types::Timestamp>| at.as_ref().map(time).zip(now);
    let shown = |time| humantime::format_rfc3339_seconds(time);
    let (reason, why) = match order.state() {
        v1::WorkOrderState::Paused => ("WORK_ORDER_PAUSED", "is paused".to_owned()),
        v1::WorkOrderState::Closed => ("WORK_ORDER_CLOSED", "is closed".to_owned()),
        v1::WorkOrderState::Open | v1::WorkOrderState::Unspecified => {
            match (bound(&order.opens_at), bound(&order.closes_at)) {
                (Some((opens_at, now)), _) if now < opens_at => {
                    ("WORK_ORDER_NOT_YET_OPEN", format!("opens at {}", shown(opens_at)))
                }
                (_, Some((closes_at, now))) if now >= closes_at => {
                    ("WORK_ORDER_EXPIRED", format!("ended at {}", shown(closes_at)))
                }
                _ if made >= order.quantity => {
                    ("WORK_ORDER_EXHAUSTED", format!("is for {} units, and all are made", order.quantity))
                }
                _ => return None,
            }
        }
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

/// Between the station's clock and the CA's: birth certificates begin an hour before they are issued.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(45 * 60);
