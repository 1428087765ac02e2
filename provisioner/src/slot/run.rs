//! Runs a session over a link: carries out its commands in order, and reports events to it.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use identity::DeviceId;
use tokio::time::Instant;

use super::LineContext;
use crate::ca::CaError;
use crate::crew::CrewNow;
use crate::journal::Record;
use crate::link::{Link, Received};
use crate::metrics::{CONFIRM, ISSUE, StepClock};
use crate::session::{Command, Event, Outcome, Session};
use crate::wire::{NotTheProtocol, decode_response, encode_request, is_echo};

type PendingCall = Pin<Box<dyn Future<Output = Event> + Send>>;

pub(super) struct Run<'a> {
    pub(super) context: &'a LineContext,
    pub(super) device: &'a DeviceId,
    pub(super) slot: usize,
    pub(super) session: Session,
    pub(super) pending: Option<(PendingCall, Instant)>,
    pub(super) timer: Option<Instant>,
    pub(super) ca: Duration,
    pub(super) heard: bool,
    pub(super) steps: StepClock,
    /// Whether the question to the CA that is under way is for a certificate.
    pub(super) awaits_certificate: bool,
    /// What the observer knows that the unit does.
    pub(super) told: &'static str,
}

impl Run<'_> {
    pub(super) async fn until_it_ends(&mut self, link: &mut Link) -> Outcome {
        let mut event = Event::Begin;
        loop {
            event = match event {
                Event::CaUnreachable(detail) if self.awaits_certificate => {
                    self.context.or_defer(self.device, &self.session.progress, detail)
                }
                Event::CaUnreachable(_) if self.context.deferrals.are_allowed() => Event::ConfirmLater,
                event => event,
            };
            let commands = self.session.handle(event, self.context.clock.now());
            let doing = self.session.doing();
            if std::mem::replace(&mut self.told, doing) != doing {
                self.context.tell_step(self.slot, doing);
            }
            event = match self.carry_out(commands, link).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => self.next_event(link).await,
                // Also after the session's last step: what follows a record that failed is not done.
                Err(Event::JournalLost(detail)) => return Outcome::JournalLost(detail),
                Err(event) => event,
            };
        }
    }

    /// Carries the commands out in order. A failure becomes an event, and the commands after it are dropped.
    async fn carry_out(&mut self, commands: Vec<Command>, link: &mut Link) -> Result<Option<Outcome>, Event> {
        // A request and its answer take their time on a serial line.
        let mut on_the_line = Duration::ZERO;
        for command in commands {
            match command {
                Command::Record(step) => {
                    let record = Record::Step { device: self.device.clone(), step };
                    let recorded = self.context.journal.record(&record).await;
                    recorded.map_err(|error| Event::JournalLost(error.to_string()))?;
                }
                Command::Send { exchange, request } => {
                    self.steps.sends(&request);
                    let message = encode_request(exchange, &request);
                    let sent = link.send(&message).await;
                    on_the_line = sent.map_err(|error| Event::LinkLost(error.to_string()))?;
                }
                Command::ArmTimer(after) => self.timer = Some(Instant::now() + after + on_the_line),
                Command::RequestCertificate { request_id, csr, made_at } => {
                    self.awaits_certificate = true;
                    self.steps.begins(ISSUE);
                    let (ca, device) = (self.context.ca.clone(), self.device.clone());
                    let (work_order, crew) = (self.context.work_order.clone(), self.crew(made_at));
                    self.call(async move {
                        let issued = ca.issue(&work_order, (&device, made_at), request_id, &csr, crew).await;
                        issued.map_or_else(no_answer, Event::Issued)
                    });
                }
                Command::Confirm { serial_number } => {
                    self.steps.begins(CONFIRM);
                    self.awaits_certificate = false;
                    let (ca, device) = (self.context.ca.clone(), self.device.clone());
                    let work_order = self.context.work_order.clone();
                    self.call(async move {
                        let confirmed = ca.confirm(&work_order, &device, serial_number).await;
                        confirmed.map_or_else(no_answer, |()| Event::Confirmed)
                    });
                }
                Command::End(outcome) => {
                    if outcome == Outcome::Passed {
                        self.steps.ends();
                    }
                    return Ok(Some(outcome));
                }
            }
        }
        Ok(None)
    }

    /// Who makes the unit, or made it without the CA.
    fn crew(&self, made_at: Option<SystemTime>) -> CrewNow {
        match made_at {
            Some(_) => self.session.progress.deferred_crew.clone(),
            None => self.context.crew.now(),
        }
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
                    if !std::mem::replace(&mut self.heard, true) {
                        self.context.silence.hear(self.slot);
                    }
                    match decode_response(&message) {
                        Ok((exchange, response)) => Event::Response { exchange, response },
                        Err(NotTheProtocol { exchange, what }) => Event::NotTheProtocol { exchange, what },
                    }
                }
                Ok(Received::Damaged) => {
                    self.context.figures.link.damaged.inc();
                    Event::DamagedFrame
                }
                Ok(Received::Noise(bytes)) => {
                    self.context.figures.link.noise_bytes.inc_by(bytes);
                    Event::Noise(bytes)
                }
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
