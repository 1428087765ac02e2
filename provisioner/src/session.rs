//! One device on the bench: a state machine without I/O. It takes [`Event`]s and returns [`Command`]s, to be
//! carried out in order: each `Record` is durable before the next command begins (ADR 0012).

mod advice;
mod events;
mod exchange;
mod messages;
mod outcome;
mod presence;
mod unit_progress;
mod verification;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{DeviceId, RequestId, SerialNumber};

pub(crate) use events::{Command, Event, Limits, SessionRandomness};
pub(crate) use messages::{
    Assignment, BirthCertificate, DeviceRequest, DeviceResponse, FactoryStep, FaultCode, Greeting,
    ProvisioningBundle, ReadBack,
};
pub(crate) use outcome::{Outcome, Refusal, SerialStatus, Taken};
pub(crate) use presence::Presence;
pub(crate) use unit_progress::{Step, UnitProgress};
pub(crate) use verification::{VerificationFault, verify_issued};
pub use verification::{anchors_digest, read_back_message};

use crate::crew::CrewNow;
use exchange::Exchange;
use verification::{Sent, same_key, verify_deferred, verify_read_back};

/// The session of one device, from its greeting to its end. After the end it returns no commands.
#[derive(Debug)]
pub(crate) struct Session {
    device: DeviceId,
    bundle: Arc<ProvisioningBundle>,
    ca_timeout: Duration,
    randomness: SessionRandomness,
    assignment: Assignment,
    pub(crate) progress: UnitProgress,
    // The serial number of the unit's last birth certificate by the CA's record.
    on_record: Option<SerialNumber>,
    state: State,
    // Whether the unit on the bench can be locked before it has its certificate.
    takes_deferral: bool,
    // Whether it was locked when it was greeted.
    was_locked: bool,
    // Whether it is being made without its certificate.
    defers: bool,
    exchange: Exchange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Greeting,
    Key,
    Certificate,
    Installation,
    ReadBack,
    Confirmation,
    Lock,
    Over,
}

impl Session {
    /// A session that makes or finishes `device`. `progress` is what the journal says of it.
    pub(crate) fn new(
        device: DeviceId,
        assignment: Assignment,
        bundle: Arc<ProvisioningBundle>,
        limits: Limits,
        randomness: SessionRandomness,
        progress: UnitProgress,
    ) -> Self {
        let exchange = Exchange::new(limits, randomness.first_exchange);
        let (on_record, state) = (None, State::Fresh);
        let ca_timeout = limits.ca_timeout;
        Self {
            device,
            bundle,
            ca_timeout,
            randomness,
            assignment,
            progress,
            on_record,
            state,
            takes_deferral: false,
            was_locked: false,
            defers: false,
            exchange,
        }
    }

    /// Sets the unit's last birth certificate by the CA's record.
    pub(crate) fn with_certificate_on_record(self, on_record: Option<SerialNumber>) -> Self {
        Self { on_record, ..self }
    }

    /// Takes what happened at `now` and returns what must be done. Ignores events that do not fit the state.
    pub(crate) fn handle(&mut self, event: Event, now: SystemTime) -> Vec<Command> {
        match event {
            _ if self.state == State::Over => Vec::new(),
            Event::Begin if self.state == State::Fresh => self.greet(),
            Event::Response {
                exchange: 0,
                response: DeviceResponse::Fault { code: FaultCode::DamagedFrame, .. },
            }
            | Event::DamagedFrame => self.exchange.damaged(),
            Event::Response { exchange, response } if self.exchange.expects(exchange) => {
                self.responded(response, now)
            }
            Event::NotTheProtocol { exchange, what }
                if self.exchange.is_open() && exchange.is_none_or(|number| self.exchange.expects(number)) =>
            {
                self.end(Outcome::Misbehaved(what))
            }
            Event::Noise(noise_bytes) => self.timed_out(noise_bytes),
            Event::TimedOut if self.exchange.is_open() => {
                self.exchange.send_again().unwrap_or_else(|| self.timed_out(0))
            }
            Event::TimedOut => {
                self.end(Outcome::CaUnreachable(format!("no answer within {} s", self.ca_timeout.as_secs())))
            }
            Event::LinkLost(detail) => self.end(Outcome::LinkLost(detail)),
            Event::Echo => self.end(Outcome::Echo),
            Event::Issued(certificate) if self.state == State::Certificate => self.issued(certificate),
            Event::ConfirmLater if self.state == State::Confirmation => {
                self.send_request(State::Lock, DeviceRequest::Lock)
            }
            Event::Defer { made_at, crew } if self.state == State::Certificate => self.defer(made_at, crew),
            Event::Confirmed if self.state == State::Confirmation => {
                let mut commands = vec![self.record(Step::Confirmed)];
                commands.extend(self.send_request(State::Lock, DeviceRequest::Lock));
                commands
            }
            Event::Begin
            | Event::Response { .. }
            | Event::NotTheProtocol { .. }
            | Event::Issued(_)
            | Event::Defer { .. }
            | Event::ConfirmLater
            | Event::Confirmed => Vec::new(),
            Event::ClockWrong(detail) => self.end(Outcome::ClockWrong(detail)),
            Event::Refused(refusal) => self.end(Outcome::Refused(refusal)),
            Event::CaUnreachable(detail) => self.end(Outcome::CaUnreachable(detail)),
            Event::JournalLost(detail) => self.end(Outcome::JournalLost(detail)),
            Event::Cancelled => self.end(Outcome::Cancelled),
        }
    }

    pub(crate) fn resent(&self) -> u32 {
        self.exchange.resent
    }

    fn greet(&mut self) -> Vec<Command> {
        let serial = match &self.assignment {
            Assignment::Assign => Some(self.device.serial.clone()),
            Assignment::Identify(_) | Assignment::Named => None,
        };
        let product = self.device.product.clone();
        self.send_request(State::Greeting, DeviceRequest::Hello { serial, product })
    }

    fn responded(&mut self, response: DeviceResponse, now: SystemTime) -> Vec<Command> {
        match (self.state, response) {
            (_, DeviceResponse::Fault { code: FaultCode::DamagedFrame, .. }) => self.exchange.damaged(),
            (State::Greeting, DeviceResponse::Fault { code: FaultCode::WrongDevice, message }) => {
                // It only decides the failure's reason.
                let found = presence::named_in(&message);
                self.another_device(found.as_ref(), message)
            }
            (State::ReadBack, DeviceResponse::Fault { code: FaultCode::Locked, .. }) => {
                let is_old = self.progress.superseded.is_some() && self.progress.certificate.is_none();
                self.end(if is_old { Outcome::NotErased } else { Outcome::LockedWithoutRecord })
            }
            (State::Lock, DeviceResponse::Fault { code: FaultCode::Locked, .. }) => self.passed(),
            (_, DeviceResponse::Fault { code, message }) => {
                self.end(Outcome::DeviceFault { code, message, doing: self.doing() })
            }
            (State::Greeting, DeviceResponse::Hello(greeting)) => self.greeted(greeting),
            (State::Key, DeviceResponse::Csr(csr)) => self.request_received(csr),
            (State::Installation, DeviceResponse::Installed) => self.read_back(),
            (State::ReadBack, DeviceResponse::ReadBack(read_back)) => self.verify(&read_back, now),
            (State::Lock, DeviceResponse::Locked) => self.passed(),
            (_, response) => {
                let what = format!("it answered {} while {}", response.name(), self.doing());
                self.end(Outcome::Misbehaved(what))
            }
        }
    }

    fn greeted(&mut self, greeting: Greeting) -> Vec<Command> {
        if greeting.device.as_ref() != Some(&self.device) {
            let found = greeting.device;
            let words =
                found.as_ref().map_or_else(|| "a device without identity".into(), ToString::to_string);
            return self.another_device(found.as_ref(), words);
        }
        if greeting.protocol_version != PROTOCOL_VERSION {
            let what = format!("it speaks version {} of the protocol", greeting.protocol_version);
            return self.end(Outcome::Misbehaved(what));
        }
        self.takes_deferral = greeting.takes_deferral;
        self.was_locked = greeting.step == FactoryStep::Locked;
        match greeting.step {
            FactoryStep::Blank | FactoryStep::KeyReady => {
                if !greeting.key_types.iter().any(|key_type| key_type == KEY_TYPE) {
                    let what = format!("it cannot make a {KEY_TYPE} key");
                    return self.end(Outcome::Misbehaved(what));
                }
                self.send_request(State::Key, DeviceRequest::GenerateKey)
            }
            // It was to get its certificate later, and is not locked: it gets it now.
            FactoryStep::Installed if greeting.certificate_deferred => {
                self.send_request(State::Key, DeviceRequest::GenerateKey)
            }
            FactoryStep::Installed => self.read_back(),
            FactoryStep::Locked if greeting.certificate_deferred => self.deferred_before(),
            // The unit or the station lost power after the lock and before its record.
            FactoryStep::Locked if self.progress.confirmed => self.passed(),
            FactoryStep::Locked => self.read_back(),
        }
    }

    /// The unit was locked without its certificate: it gets it now, if the CA can be asked.
    fn deferred_before(&mut self) -> Vec<Command> {
        match (self.progress.certificate.clone(), self.progress.asked.clone()) {
            (Some(certificate), _) => self.install(&certificate),
            (None, Some((request_id, csr))) => self.request_certificate(request_id, csr),
            (None, None) => self.end(Outcome::DeferredElsewhere),
        }
    }

    /// If the unit was only asked for its serial number, another unit on the bench is no fault.
    fn another_device(&mut self, found: Option<&DeviceId>, words: String) -> Vec<Command> {
        match self.assignment {
            Assignment::Identify(taken) => self.end(Outcome::SerialTaken(taken)),
            Assignment::Assign | Assignment::Named => {
                let other_product = found.is_some_and(|found| found.product != self.device.product);
                self.end(Outcome::WrongDevice { found: words, other_product })
            }
        }
    }

    fn request_received(&mut self, csr: Vec<u8>) -> Vec<Command> {
        // A device signs its request anew each time. The CA tells requests apart by order, device and key
        // (ADR 0010), so both forms get the same answer; the recorded bytes are sent, so that the journal
        // says what the CA was asked.
        let asked_before = self.progress.asked.clone().filter(|(_, before)| same_key(before, &csr));
        let mut commands = Vec::new();
        let (request_id, csr) = asked_before.unwrap_or_else(|| {
            let request_id = self.randomness.request_id;
            commands.push(self.record(Step::Asked { request_id, csr: csr.clone() }));
            (request_id, csr)
        });
        commands.extend(self.request_certificate(request_id, csr));
        commands
    }

    fn request_certificate(&mut self, request_id: RequestId, csr: Vec<u8>) -> Vec<Command> {
        self.wait_for_the_ca(State::Certificate);
        let made_at = self.progress.deferred;
        vec![Command::ArmTimer(self.ca_timeout), Command::RequestCertificate { request_id, csr, made_at }]
    }

    /// The unit gets everything but its certificate. One that has that is read back.
    fn defer(&mut self, made_at: SystemTime, crew: CrewNow) -> Vec<Command> {
        self.defers = true;
        match (self.was_locked, self.progress.deferred) {
            (true, Some(_)) => return self.read_back(),
            (true, None) => return self.end(Outcome::DeferredElsewhere),
            (false, _) => {}
        }
        if !self.takes_deferral {
            return self.end(Outcome::CannotDefer);
        }
        let mut commands = Vec::new();
        let anchors_digest = anchors_digest(&self.bundle.anchors);
        if self.progress.deferred.is_none() || self.progress.deferred_anchors != anchors_digest {
            commands.push(self.record(Step::Deferred { at: made_at, anchors_digest, crew }));
        }
        let install = DeviceRequest::Install { certificate: None, bundle: Arc::clone(&self.bundle) };
        commands.extend(self.send_request(State::Installation, install));
        commands
    }

    fn issued(&mut self, certificate: BirthCertificate) -> Vec<Command> {
        let csr = self.progress.asked.as_ref().map(|(_, csr)| csr.as_slice());
        if let Err(fault) = verify_issued(&certificate, csr.unwrap_or_default(), &self.device) {
            return self.end(Outcome::VerificationFailed(fault));
        }
        // The CA returns the certificate of a known key: the unit has its key from before the rework.
        if self.progress.superseded == Some(certificate.serial_number) {
            return self.end(Outcome::NotErased);
        }
        let mut commands = vec![self.record(Step::Issued(certificate.clone()))];
        commands.extend(self.install(&certificate));
        commands
    }

    fn install(&mut self, certificate: &BirthCertificate) -> Vec<Command> {
        self.defers = false;
        let (certificate, bundle) = (Some(certificate.der.clone()), Arc::clone(&self.bundle));
        self.send_request(State::Installation, DeviceRequest::Install { certificate, bundle })
    }

    fn read_back(&mut self) -> Vec<Command> {
        self.send_request(State::ReadBack, DeviceRequest::ReadBack { nonce: self.randomness.nonce })
    }

    fn verify(&mut self, read_back: &ReadBack, now: SystemTime) -> Vec<Command> {
        let nonce = &self.randomness.nonce;
        // A locked unit keeps the anchors that it was locked with.
        let digest = match self.progress.deferred {
            Some(_) if self.was_locked => self.progress.deferred_anchors.clone(),
            _ => anchors_digest(&self.bundle.anchors),
        };
        if self.defers {
            let csr = self.progress.asked.as_ref().map(|(_, csr)| csr.as_slice()).unwrap_or_default();
            return match verify_deferred(read_back, csr, &digest, nonce) {
                Err(fault) => self.end(fault.into()),
                Ok(()) => self.send_request(State::Lock, DeviceRequest::Lock),
            };
        }
        let certificate = self.progress.certificate.as_ref();
        let sent = Sent { certificate, bundle: &self.bundle, anchors_digest: &digest };
        match verify_read_back(read_back, &sent, &self.device, nonce, now) {
            Err(fault) => self.end(fault.into()),
            Ok(serial_number) if self.progress.superseded == Some(serial_number) => {
                self.end(Outcome::NotErased)
            }
            Ok(serial_number) if self.is_replaced(serial_number) => self.end(Outcome::Replaced),
            Ok(serial_number) => {
                self.wait_for_the_ca(State::Confirmation);
                vec![
                    self.record(Step::ReadBack { serial_number }),
                    Command::ArmTimer(self.ca_timeout),
                    Command::Confirm { serial_number },
                ]
            }
        }
    }

    /// Whether the CA has another certificate on record, and this station did not install the unit's.
    fn is_replaced(&self, serial_number: SerialNumber) -> bool {
        self.progress.certificate.is_none()
            && self.on_record.is_some_and(|on_record| on_record != serial_number)
    }

    fn passed(&mut self) -> Vec<Command> {
        if self.defers {
            let mut commands = vec![self.record(Step::LockedDeferred)];
            commands.extend(self.end(Outcome::Deferred));
            return commands;
        }
        let mut commands = vec![self.record(Step::Passed)];
        commands.extend(self.end(Outcome::Passed));
        commands
    }

    fn timed_out(&mut self, noise_bytes: u64) -> Vec<Command> {
        let (doing, damaged) = (self.doing(), self.exchange.damaged);
        self.end(Outcome::TimedOut { doing, damaged, noise_bytes })
    }

    fn end(&mut self, outcome: Outcome) -> Vec<Command> {
        self.state = State::Over;
        self.exchange.close();
        vec![Command::End(outcome)]
    }

    fn record(&mut self, step: Step) -> Command {
        self.progress.apply(&step);
        Command::Record(step)
    }

    fn send_request(&mut self, state: State, request: DeviceRequest) -> Vec<Command> {
        self.state = state;
        self.exchange.begin(request)
    }

    fn wait_for_the_ca(&mut self, state: State) {
        self.state = state;
        self.exchange.close();
    }

    /// What the unit does now, in words.
    pub(crate) fn doing(&self) -> &'static str {
        match self.state {
            State::Fresh | State::Greeting => "saying hello",
            State::Key => "making its key",
            State::Certificate => "waiting for the CA",
            State::Installation => "installing its certificate",
            State::ReadBack => "reading its certificate back",
            State::Confirmation => "waiting for the CA's confirmation",
            State::Lock | State::Over => "locking",
        }
    }
}

/// The version of the factory link that the station speaks.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

pub(crate) const KEY_TYPE: &str = "p256";
