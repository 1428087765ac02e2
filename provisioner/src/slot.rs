//! One unit on one fixture: carries out the session's commands in order, and reports events to it.

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
use crate::line::{LineEvent, SilenceMonitor, SilenceVerdict};
use crate::link::{Link, LinkSpec, Received};
use crate::session::{
    Assignment, Command, Event, Limits, Outcome, ProvisioningBundle, Refusal, SerialStatus, Session,
    SessionRandomness, Step, Taken, UnitProgress,
};
use crate::units::Unit;
use crate::wire::{
    NotTheProtocol, birth_serial_number, decode_response, encode_request, is_echo, serial_status, time,
};

/// What all slots of a line share.
pub(crate) struct LineContext {
    pub(crate) work_order: String,
    pub(crate) bundle: Arc<ProvisioningBundle>,
    pub(crate) link: LinkSpec,
    pub(crate) ca: Ca,
    pub(crate) journal: Writer,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends every session at once.
    pub(crate) abort: CancellationToken,
    /// Receives a message when a slot begins or ends to wait for the CA.
    pub(crate) events: Option<mpsc::Sender<LineEvent>>,
    pub(crate) silence: SilenceMonitor,
}

/// What the journal says of a unit before it is begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) progress: UnitProgress,
    /// Whether an earlier run left it unfinished.
    pub(crate) open: bool,
}

/// What became of a unit.
#[derive(Debug)]
pub(crate) struct UnitResult {
    pub(crate) outcome: Outcome,
    /// Everything that is known of the unit.
    pub(crate) progress: UnitProgress,
    /// How many requests to the device were sent again.
    pub(crate) resent: u32,
    /// Whether a whole message of the device was received.
    pub(crate) heard: bool,
    /// Whether its link was opened; then it is in the journal.
    pub(crate) begun: bool,
    /// Whether it is unfinished, so that the next run continues it.
    pub(crate) open: bool,
    /// What its end says about the link.
    pub(crate) verdict: SilenceVerdict,
    /// From the opening of the link to the end.
    pub(crate) duration: Duration,
    /// The part of `duration` that was spent waiting for the CA.
    pub(crate) ca_duration: Duration,
    /// The end of what the device's command wrote to standard error; empty when the unit passed.
    pub(crate) said: String,
}

/// A call to the CA that is under way.
type PendingCall = Pin<Box<dyn Future<Output = Event> + Send>>;

impl LineContext {
    /// Makes one unit, or finishes it. `withdrawn` are serial numbers that this line gave to units and that
    /// belong to others.
    pub(crate) async fn make(
        &self,
        unit: &Unit,
        history: History,
        slot: usize,
        withdrawn: Vec<DeviceSerial>,
    ) -> UnitResult {
        let begun = Instant::now();
        let History { mut progress, open } = history;
        // Checked before anything is recorded or sent, so that a serial number of another unit costs nothing.
        let plan = match self.plan(unit, slot, &mut progress, withdrawn).await {
            Ok(plan) => plan,
            Err(outcome) => {
                let mut result = UnitResult {
                    open,
                    duration: begun.elapsed(),
                    ..UnitResult::without_session(outcome, progress)
                };
                // By the CA's record nothing is unfinished any more.
                if open && (result.outcome.judges_the_unit() || result.outcome.ends_the_order()) {
                    result.open = false;
                    self.record_end(unit, &result).await;
                }
                return result;
            }
        };
        let (result, said) = self.with_reconnects(unit, &plan, progress, slot).await;
        let is_silent = result.begun
            && !result.heard
            && matches!(result.outcome, Outcome::LinkLost(_) | Outcome::TimedOut { .. });
        let verdict = if result.heard || is_silent {
            self.silence.count(slot, result.heard)
        } else {
            SilenceVerdict::Nothing
        };
        let result = UnitResult {
            duration: begun.elapsed(),
            said: if result.outcome == Outcome::Passed { String::new() } else { said },
            open: if result.begun { result.stays_open(verdict) } else { open },
            verdict,
            ..result
        };
        if result.begun && result.outcome != Outcome::Passed {
            self.record_end(unit, &result).await;
        }
        result
    }

    async fn record_end(&self, unit: &Unit, result: &UnitResult) {
        let end = UnitEnd {
            outcome: result.outcome.name().to_owned(),
            reason: result.outcome.reason().to_owned(),
            open: result.open,
        };
        let record = Record::Ended { device: unit.device.clone(), end };
        // Without this record the unit counts as unfinished, and is tried again.
        if let Err(error) = self.journal.record(&record).await {
            tracing::error!(%error, device.id = %unit.device, "cannot record how a unit ended");
        }
    }

    /// Tells the observer, which misses the message when its queue is full.
    fn tell(&self, slot: usize, device: &DeviceId, waiting: bool) {
        if let Some(events) = &self.events {
            events.try_send(LineEvent::AskedCa { slot, device: device.clone(), waiting }).ok();
        }
    }

    /// Asks the CA whether the serial number may be given to a unit. Another station may still be faster:
    /// then the CA refuses to issue, and the unit gets the next serial number instead. If the CA has replaced
    /// the certificate that the journal knows, or lets it be replaced, the journal's progress is reset.
    async fn plan(
        &self,
        unit: &Unit,
        slot: usize,
        progress: &mut UnitProgress,
        withdrawn: Vec<DeviceSerial>,
    ) -> Result<Plan, Outcome> {
        let serials = vec![unit.device.serial.to_string()];
        self.tell(slot, &unit.device, true);
        let answer = tokio::select! {
            () = self.abort.cancelled() => return Err(Outcome::Cancelled),
            answer = self.ca.units(&self.work_order, serials, String::new()) => answer.map_err(outcome_of)?,
        };
        self.tell(slot, &unit.device, false);
        let now = answer.now.as_ref().map(time);
        if let Some(detail) = now.and_then(|of_ca| clock_difference(self.clock.now(), of_ca)) {
            return Err(Outcome::ClockWrong(detail));
        }
        let order = answer.work_order.unwrap_or_default();
        let on_record = answer.units.first();
        let serial_status = on_record.map_or(SerialStatus::Free, serial_status);
        let certificate = on_record.and_then(birth_serial_number);
        if let Some(serial_number) = superseded(progress, serial_status, certificate) {
            let step = Step::Superseded { serial_number };
            progress.apply(&step);
            let record = Record::Step { device: unit.device.clone(), step };
            let recorded = self.journal.record(&record).await;
            recorded.map_err(|error| Outcome::JournalLost(error.to_string()))?;
        }
        let tell = Assignment::Assign { withdrawn };
        let assignment = match serial_status {
            SerialStatus::Taken(
                taken @ (Taken::OtherOrder | Taken::Gone | Taken::Revoked | Taken::GivenUp),
                _,
            ) => {
                return Err(Outcome::SerialTaken(taken));
            }
            // The CA has refused this serial number to this station before.
            SerialStatus::Taken(taken, _) if progress.assigned_in_vain => {
                return Err(Outcome::SerialTaken(taken));
            }
            // The CA tells by the key whether it is the same unit.
            SerialStatus::Taken(..) if progress.asked.is_some() => tell,
            SerialStatus::Taken(taken @ Taken::OtherStation, true) => {
                return Err(Outcome::SerialTaken(taken));
            }
            SerialStatus::Taken(taken, _) => Assignment::Identify(taken),
            SerialStatus::Rework => tell,
            SerialStatus::Free => match order_refusal(&order, now) {
                Some(refusal) => return Err(Outcome::Refused(refusal)),
                None => tell,
            },
        };
        Ok(Plan { assignment, certificate })
    }

    /// Opens a link that breaks again a few times: a plug was not quite in, or the previous device still
    /// ends.
    async fn with_reconnects(
        &self,
        unit: &Unit,
        plan: &Plan,
        progress: UnitProgress,
        slot: usize,
    ) -> (UnitResult, String) {
        let mut pauses = LINK_PAUSES.into_iter();
        let (mut progress, mut begun, mut heard) = (progress, false, false);
        loop {
            let (mut result, link) = self.over_link(unit, plan, progress, (slot, begun)).await;
            begun |= result.begun;
            heard |= result.heard;
            (result.begun, result.heard) = (begun, heard);
            result.outcome = match result.outcome {
                // The device was connected before.
                Outcome::NotConnected(detail) if begun => Outcome::LinkLost(detail),
                outcome => outcome,
            };
            let said = match link {
                Some(link) => link.close().await,
                None => String::new(),
            };
            let pause = match result.outcome {
                Outcome::LinkLost(_) | Outcome::NotConnected(_) if !self.abort.is_cancelled() => {
                    pauses.next()
                }
                _ => None,
            };
            let Some(pause) = pause else { return (result, said) };
            tracing::info!(device.id = %unit.device, "the link broke, opening it again: {}", result.outcome);
            progress = result.progress;
            tokio::time::sleep(pause).await;
        }
    }

    async fn over_link(
        &self,
        unit: &Unit,
        plan: &Plan,
        progress: UnitProgress,
        (slot, begun): (usize, bool),
    ) -> (UnitResult, Option<Link>) {
        let mut link = match Link::open(&self.link, &unit.device, slot).await {
            Ok(link) => link,
            Err(error) => {
                return (UnitResult::without_session(error.into(), progress), None);
            }
        };
        if !begun {
            let record = Record::Begun { device: unit.device.clone(), columns: unit.columns.clone() };
            if let Err(error) = self.journal.record(&record).await {
                let outcome = Outcome::JournalLost(error.to_string());
                return (UnitResult::without_session(outcome, progress), Some(link));
            }
        }
        let Some(randomness) = randomness() else {
            let detail = "the system has no random numbers".to_owned();
            let result = UnitResult::without_session(Outcome::Misbehaved(detail), progress);
            return (UnitResult { begun: true, ..result }, Some(link));
        };
        let (bundle, assignment) = (Arc::clone(&self.bundle), plan.assignment.clone());
        let session =
            Session::new(unit.device.clone(), assignment, bundle, self.limits, randomness, progress)
                .with_certificate_on_record(plan.certificate);
        let mut run = Run {
            context: self,
            device: &unit.device,
            slot,
            session,
            pending: None,
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
        let result = UnitResult {
            outcome,
            progress: run.session.progress().clone(),
            resent: run.session.resent(),
            heard: run.heard,
            begun: true,
            open: false,
            verdict: SilenceVerdict::Nothing,
            duration: Duration::ZERO,
            ca_duration: run.ca,
            said: String::new(),
        };
        (result, Some(link))
    }
}

impl UnitResult {
    /// The result of a unit without a session.
    pub(crate) fn without_session(outcome: Outcome, progress: UnitProgress) -> Self {
        Self {
            outcome,
            progress,
            resent: 0,
            heard: false,
            begun: false,
            open: false,
            verdict: SilenceVerdict::Nothing,
            duration: Duration::ZERO,
            ca_duration: Duration::ZERO,
            said: String::new(),
        }
    }

    /// Whether the next run continues it.
    fn stays_open(&self, verdict: SilenceVerdict) -> bool {
        let UnitProgress { asked, certificate, read_back, .. } = &self.progress;
        // The CA looks for an issued certificate before it reports the end of the order, so this unit has
        // none.
        if self.outcome.ends_the_order() && certificate.is_none() && read_back.is_none() {
            return false;
        }
        // A silent unit was not changed. Behind a silent line it was not judged either.
        let is_untouched = !self.heard && asked.is_none();
        match verdict {
            SilenceVerdict::LineWasSilent => true,
            _ if is_untouched && self.outcome.judges_the_unit() => false,
            // A certificate that was requested must be installed, whatever the line is like.
            _ => self.outcome.leaves_the_unit_open() || (asked.is_some() && !self.outcome.judges_the_unit()),
        }
    }
}

/// A running session.
struct Run<'a> {
    context: &'a LineContext,
    device: &'a DeviceId,
    slot: usize,
    session: Session,
    pending: Option<(PendingCall, Instant)>,
    timer: Option<Instant>,
    ca: Duration,
    heard: bool,
}

impl Run<'_> {
    async fn until_it_ends(&mut self, link: &mut Link) -> Outcome {
        let mut event = Event::Begin;
        loop {
            let commands = self.session.handle(event, self.context.clock.now());
            event = match self.carry_out(commands, link).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => self.next_event(link).await,
                Err(event) => event,
            };
        }
    }

    /// Carries the commands out in order. A failure becomes an event, and the commands after it are dropped.
    async fn carry_out(&mut self, commands: Vec<Command>, link: &mut Link) -> Result<Option<Outcome>, Event> {
        for command in commands {
            match command {
                Command::Record(step) => {
                    let record = Record::Step { device: self.device.clone(), step };
                    let recorded = self.context.journal.record(&record).await;
                    recorded.map_err(|error| Event::JournalLost(error.to_string()))?;
                }
                Command::Send { exchange, request } => {
                    let message = encode_request(exchange, &request);
                    link.send(&message).await.map_err(|error| Event::LinkLost(error.to_string()))?;
                }
                Command::ArmTimer(after) => self.timer = Some(Instant::now() + after),
                Command::RequestCertificate { request_id, csr } => {
                    let (ca, device) = (self.context.ca.clone(), self.device.clone());
                    let work_order = self.context.work_order.clone();
                    self.call(async move {
                        match ca.issue(&work_order, &device, request_id, &csr).await {
                            Ok(certificate) => Event::Issued(certificate),
                            Err(error) => no_answer(error),
                        }
                    });
                }
                Command::Confirm { serial_number } => {
                    let (ca, device) = (self.context.ca.clone(), self.device.clone());
                    let work_order = self.context.work_order.clone();
                    self.call(async move {
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

    fn call(&mut self, call: impl Future<Output = Event> + Send + 'static) {
        self.pending = Some((Box::pin(call), Instant::now()));
        self.context.tell(self.slot, self.device, true);
    }

    async fn next_event(&mut self, link: &mut Link) -> Event {
        let timer = self.timer;
        let timed_out = async move {
            match timer {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let asked = self.pending.as_ref().map(|(_, asked)| *asked);
        let pending = &mut self.pending;
        let answered = async move {
            match pending {
                Some((call, _)) => call.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.context.abort.cancelled() => Event::Cancelled,
            event = answered => {
                self.pending = None;
                self.context.tell(self.slot, self.device, false);
                self.ca += asked.map(|asked| asked.elapsed()).unwrap_or_default();
                event
            }
            received = link.receive() => match received {
                Ok(Received::Payload(message)) if is_echo(&message) => Event::Echo,
                Ok(Received::Payload(message)) => {
                    self.heard = true;
                    match decode_response(&message) {
                        Ok((exchange, response)) => Event::Response { exchange, response },
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
        CaError::Unreachable(detail) => Outcome::CaUnreachable(detail),
    }
}

/// How a unit is made, by the CA's record.
struct Plan {
    assignment: Assignment,
    /// The serial number of the unit's last birth certificate.
    certificate: Option<SerialNumber>,
}

/// The serial number of the certificate that is superseded: the CA allows another one in its place, or has
/// issued one.
fn superseded(
    progress: &UnitProgress,
    serial_status: SerialStatus,
    on_record: Option<SerialNumber>,
) -> Option<SerialNumber> {
    let on_record = on_record?;
    let had =
        progress.certificate.as_ref().map(|certificate| certificate.serial_number).or(progress.read_back);
    match had {
        _ if serial_status == SerialStatus::Rework => {
            (progress.superseded != Some(on_record)).then_some(on_record)
        }
        Some(had) if had != on_record => Some(had),
        _ => None,
    }
}

/// Why the station's clock cannot be used to judge certificates: it differs too much from the CA's.
fn clock_difference(station: SystemTime, ca: SystemTime) -> Option<String> {
    let difference = station.duration_since(ca).unwrap_or_else(|error| error.duration());
    let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
    (difference > CLOCK_DIFFERENCE_MAX).then(|| {
        format!(
            "this station's clock shows {} and the CA's {}: they may differ by {} at most; set the one that is wrong",
            rfc3339(station),
            rfc3339(ca),
            humantime::format_duration(CLOCK_DIFFERENCE_MAX)
        )
    })
}

/// The refusal that the CA would give to a unit without a certificate, if the order stands still. `now` is
/// the CA's time.
pub(crate) fn order_refusal(order: &v1::WorkOrder, now: Option<SystemTime>) -> Option<Refusal> {
    let result = order.counts.map_or(0, |counts| counts.issued);
    let bound = |at: &Option<prost_types::Timestamp>| at.as_ref().map(time).zip(now);
    let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
    let (reason, why) = match order.state() {
        v1::WorkOrderState::Paused => ("WORK_ORDER_PAUSED", "is paused".to_owned()),
        v1::WorkOrderState::Closed => ("WORK_ORDER_CLOSED", "is closed".to_owned()),
        v1::WorkOrderState::Open | v1::WorkOrderState::Unspecified => {
            match (bound(&order.opens_at), bound(&order.closes_at)) {
                (Some((opens_at, now)), _) if now < opens_at => {
                    ("WORK_ORDER_NOT_YET_OPEN", format!("opens at {}", rfc3339(opens_at)))
                }
                (_, Some((closes_at, now))) if now >= closes_at => {
                    ("WORK_ORDER_EXPIRED", format!("ended at {}", rfc3339(closes_at)))
                }
                _ if result >= order.quantity => {
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

/// Fresh random values; `None` when the system has none.
fn randomness() -> Option<SessionRandomness> {
    let (mut request_id, mut nonce, mut exchange) = ([0; 16], [0; 32], [0; 4]);
    aws_lc_rs::rand::fill(&mut request_id).ok()?;
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    aws_lc_rs::rand::fill(&mut exchange).ok()?;
    // Never zero, and far from the largest, because people read these numbers in traces.
    let first_exchange = u32::from_be_bytes(exchange) >> 2 | 1;
    Some(SessionRandomness { request_id: request_id.into(), nonce, first_exchange })
}

/// Pauses before a broken link is opened again.
const LINK_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// The largest difference between the two clocks: birth certificates begin an hour before they are issued.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(45 * 60);
