//! One device on the bench: a state machine without I/O. It takes [`Event`]s and returns [`Command`]s, to be
//! carried out in order: each `Record` is durable before the next command begins (ADR 0012).

mod messages;
mod outcome;
mod unit_progress;
mod verification;

#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{DeviceId, RequestId, SerialNumber};

pub(crate) use messages::{
    Assignment, BirthCertificate, DeviceRequest, DeviceResponse, FactoryStep, FaultCode, Greeting,
    ProvisioningBundle, ReadBack,
};
pub(crate) use outcome::{Outcome, Refusal, SerialStatus, Taken};
pub(crate) use unit_progress::{Step, UnitProgress};
pub(crate) use verification::VerificationFault;
pub use verification::{anchors_digest, read_back_message};

use verification::{same_key, verify_issued, verify_read_back};

/// The session of one device, from its greeting to its end. After the end it returns no commands.
#[derive(Debug)]
pub(crate) struct Session {
    device: DeviceId,
    bundle: Arc<ProvisioningBundle>,
    limits: Limits,
    randomness: SessionRandomness,
    assignment: Assignment,
    progress: UnitProgress,
    // The serial number of the unit's last birth certificate by the CA's record.
    on_record: Option<SerialNumber>,
    state: State,
    exchange: u32,
    request: Option<DeviceRequest>,
    sends_left: u32,
    resent: u32,
    damaged: u32,
    // Whether a damaged frame has shortened the timer since the request was sent.
    timer_shortened: bool,
}

/// Random values of one session.
#[derive(Debug, Clone)]
pub(crate) struct SessionRandomness {
    /// The id of a new certificate request.
    pub(crate) request_id: RequestId,
    /// Signed by the device at its read-back.
    pub(crate) nonce: [u8; 32],
    /// The first exchange number, so that answers to an earlier session are not taken for answers to this
    /// one.
    pub(crate) first_exchange: u32,
}

/// The limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A request is sent again after this time.
    pub(crate) answer_timeout: Duration,
    /// How often one request is sent in all, 1 or more.
    pub(crate) sends_max: u32,
    /// A call to the CA is given up after this time. Longer than the caller's own retries take.
    pub(crate) ca_timeout: Duration,
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The session begins.
    Begin,
    /// The device answered the request with this exchange number.
    Response { exchange: u32, response: DeviceResponse },
    /// A frame from the device was damaged.
    DamagedFrame,
    /// A frame came whole, but its content is not in the protocol.
    NotTheProtocol {
        /// `None` when the exchange number cannot be read.
        exchange: Option<u32>,
        what: String,
    },
    /// So many bytes came without a frame among them: the device cannot be heard, and the line is never
    /// quiet.
    Noise(u64),
    /// The timer that was armed last has run out.
    TimedOut,
    /// The link broke. The text says why.
    LinkLost(String),
    /// A message of this station came back to it.
    Echo,
    /// The CA issued the certificate.
    Issued(BirthCertificate),
    /// The CA recorded the unit as passed.
    Confirmed,
    /// The CA refused.
    Refused(Refusal),
    /// The CA gave no answer within the caller's retries. The text says why.
    CaUnreachable(String),
    /// A `Record` could not be made durable. The commands after it were dropped. The text says why.
    JournalLost(String),
    /// The operator aborts the session.
    Cancelled,
}

/// What must be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Write the step to the journal, durably.
    Record(Step),
    /// Send the request to the device.
    Send { exchange: u32, request: DeviceRequest },
    /// Report [`Event::TimedOut`] after this time, and drop the timer before it.
    ArmTimer(Duration),
    /// Request the birth certificate from the CA. The same request has the same id, also after a crash.
    RequestCertificate { request_id: RequestId, csr: Vec<u8> },
    /// Tell the CA that the unit passed its read-back, with the certificate of this serial number.
    Confirm { serial_number: SerialNumber },
    /// The session is over.
    End(Outcome),
}

/// What a session waits for.
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
        let exchange = randomness.first_exchange.wrapping_sub(1);
        Self {
            device,
            bundle,
            limits,
            randomness,
            assignment,
            progress,
            on_record: None,
            state: State::Fresh,
            exchange,
            request: None,
            sends_left: 0,
            resent: 0,
            damaged: 0,
            timer_shortened: false,
        }
    }

    /// Sets the unit's last birth certificate by the CA's record.
    pub(crate) fn with_certificate_on_record(self, on_record: Option<SerialNumber>) -> Self {
        Self { on_record, ..self }
    }

    /// Takes what happened at `now` and returns what must be done. Events that do not fit the state, such as
    /// an answer to an earlier request, are ignored.
    pub(crate) fn handle(&mut self, event: Event, now: SystemTime) -> Vec<Command> {
        match event {
            _ if self.state == State::Over => Vec::new(),
            Event::Begin if self.state == State::Fresh => self.greet(),
            Event::Begin => Vec::new(),
            Event::Response {
                exchange: 0,
                response: DeviceResponse::Fault { code: FaultCode::DamagedFrame, .. },
            }
            | Event::DamagedFrame => self.damaged(),
            Event::Response { exchange, response } if exchange == self.exchange && self.request.is_some() => {
                self.responded(response, now)
            }
            Event::Response { .. } => Vec::new(),
            Event::NotTheProtocol { exchange, what }
                if self.request.is_some() && exchange.is_none_or(|exchange| exchange == self.exchange) =>
            {
                self.end(Outcome::Misbehaved(what))
            }
            Event::NotTheProtocol { .. } => Vec::new(),
            Event::Noise(noise_bytes) => {
                let (doing, damaged) = (self.doing(), self.damaged);
                self.end(Outcome::TimedOut { doing, damaged, noise_bytes })
            }
            Event::TimedOut if self.request.is_some() => self.send_again(),
            Event::TimedOut => self.end(Outcome::CaUnreachable(format!(
                "no answer within {} s",
                self.limits.ca_timeout.as_secs()
            ))),
            Event::LinkLost(detail) => self.end(Outcome::LinkLost(detail)),
            Event::Echo => self.end(Outcome::Echo),
            Event::Issued(certificate) if self.state == State::Certificate => self.issued(certificate),
            Event::Confirmed if self.state == State::Confirmation => {
                let mut commands = vec![self.record(Step::Confirmed)];
                commands.extend(self.send_request(State::Lock, DeviceRequest::Lock));
                commands
            }
            Event::Issued(_) | Event::Confirmed => Vec::new(),
            Event::Refused(refusal) => self.end(Outcome::Refused(refusal)),
            Event::CaUnreachable(detail) => self.end(Outcome::CaUnreachable(detail)),
            Event::JournalLost(detail) => self.end(Outcome::JournalLost(detail)),
            Event::Cancelled => self.end(Outcome::Cancelled),
        }
    }

    pub(crate) fn progress(&self) -> &UnitProgress {
        &self.progress
    }

    /// How many requests were sent again so far.
    pub(crate) fn resent(&self) -> u32 {
        self.resent
    }

    fn greet(&mut self) -> Vec<Command> {
        let (serial, withdrawn) = match &self.assignment {
            Assignment::Assign { withdrawn } => (Some(self.device.serial.clone()), withdrawn.clone()),
            Assignment::Identify(_) => (None, Vec::new()),
        };
        let product = self.device.product.clone();
        self.send_request(State::Greeting, DeviceRequest::Hello { serial, product, withdrawn })
    }

    fn responded(&mut self, response: DeviceResponse, now: SystemTime) -> Vec<Command> {
        match (self.state, response) {
            (_, DeviceResponse::Fault { code: FaultCode::DamagedFrame, .. }) => self.damaged(),
            (State::Greeting, DeviceResponse::Fault { code: FaultCode::WrongDevice, message }) => {
                // Devices name themselves at the end of the text. It only decides the failure's reason.
                let found = message.rsplit(' ').next().and_then(|word| word.parse().ok());
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
        match greeting.step {
            FactoryStep::Blank | FactoryStep::KeyReady => {
                if !greeting.key_types.iter().any(|key_type| key_type == KEY_TYPE) {
                    let what = format!("it cannot make a {KEY_TYPE} key");
                    return self.end(Outcome::Misbehaved(what));
                }
                self.send_request(State::Key, DeviceRequest::GenerateKey)
            }
            FactoryStep::Installed => self.read_back(),
            // The unit or the station lost power after the lock and before its record.
            FactoryStep::Locked if self.progress.confirmed => self.passed(),
            FactoryStep::Locked => self.read_back(),
        }
    }

    /// If the unit was only asked for its serial number, another unit on the bench is no fault.
    fn another_device(&mut self, found: Option<&DeviceId>, words: String) -> Vec<Command> {
        match self.assignment {
            Assignment::Identify(taken) => self.end(Outcome::SerialTaken(taken)),
            Assignment::Assign { .. } => {
                let outcome = Outcome::wrong_device(&self.device, found, words);
                self.end(outcome)
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
        self.state = State::Certificate;
        self.request = None;
        commands.push(Command::ArmTimer(self.limits.ca_timeout));
        commands.push(Command::RequestCertificate { request_id, csr });
        commands
    }

    fn issued(&mut self, certificate: BirthCertificate) -> Vec<Command> {
        let csr = self.progress.asked.as_ref().map(|(_, csr)| csr.as_slice());
        if let Err(fault) = verify_issued(&certificate, csr.unwrap_or_default(), &self.device) {
            return self.end(Outcome::VerificationFailed(fault));
        }
        // The CA returns the existing certificate of a key: the unit still has its key from before the
        // rework.
        if self.progress.superseded == Some(certificate.serial_number) {
            return self.end(Outcome::NotErased);
        }
        let install =
            DeviceRequest::Install { certificate: certificate.der.clone(), bundle: Arc::clone(&self.bundle) };
        let mut commands = vec![self.record(Step::Issued(certificate))];
        commands.extend(self.send_request(State::Installation, install));
        commands
    }

    fn read_back(&mut self) -> Vec<Command> {
        self.send_request(State::ReadBack, DeviceRequest::ReadBack { nonce: self.randomness.nonce })
    }

    fn verify(&mut self, read_back: &ReadBack, now: SystemTime) -> Vec<Command> {
        let sent = self.progress.certificate.as_ref();
        match verify_read_back(read_back, sent, &self.bundle, &self.device, &self.randomness.nonce, now) {
            Err(fault) => self.end(fault.into()),
            Ok(serial_number) if self.progress.superseded == Some(serial_number) => {
                self.end(Outcome::NotErased)
            }
            Ok(serial_number) if self.is_replaced(serial_number) => self.end(Outcome::Replaced),
            Ok(serial_number) => {
                self.state = State::Confirmation;
                self.request = None;
                vec![
                    self.record(Step::ReadBack { serial_number }),
                    Command::ArmTimer(self.limits.ca_timeout),
                    Command::Confirm { serial_number },
                ]
            }
        }
    }

    /// Whether the CA has another certificate on record for the unit, and this station did not install the
    /// one it has.
    fn is_replaced(&self, serial_number: SerialNumber) -> bool {
        self.progress.certificate.is_none()
            && self.on_record.is_some_and(|on_record| on_record != serial_number)
    }

    fn passed(&mut self) -> Vec<Command> {
        self.state = State::Over;
        self.request = None;
        vec![self.record(Step::Passed), Command::End(Outcome::Passed)]
    }

    fn end(&mut self, outcome: Outcome) -> Vec<Command> {
        self.state = State::Over;
        self.request = None;
        vec![Command::End(outcome)]
    }

    fn record(&mut self, step: Step) -> Command {
        self.progress.apply(&step);
        Command::Record(step)
    }

    fn send_request(&mut self, state: State, request: DeviceRequest) -> Vec<Command> {
        self.state = state;
        // "Never zero": factory_link.proto.
        self.exchange = self.exchange.checked_add(1).unwrap_or(1).max(1);
        self.request = Some(request);
        self.sends_left = self.limits.sends_max.max(1);
        self.damaged = 0;
        self.send()
    }

    /// Shortens the timer after a damaged frame. Noise comes in bursts, and each burst costs one attempt.
    fn damaged(&mut self) -> Vec<Command> {
        if self.request.is_none() || self.timer_shortened {
            return Vec::new();
        }
        self.damaged = self.damaged.saturating_add(1);
        self.timer_shortened = true;
        vec![Command::ArmTimer(self.limits.answer_timeout.min(DAMAGE_PAUSE))]
    }

    fn send_again(&mut self) -> Vec<Command> {
        if self.request.is_none() {
            return Vec::new();
        }
        if self.sends_left == 0 {
            return self.end(Outcome::TimedOut {
                doing: self.doing(),
                damaged: self.damaged,
                noise_bytes: 0,
            });
        }
        self.resent = self.resent.saturating_add(1);
        self.send()
    }

    fn send(&mut self) -> Vec<Command> {
        self.sends_left = self.sends_left.saturating_sub(1);
        self.timer_shortened = false;
        let Some(request) = self.request.clone() else { return Vec::new() };
        vec![
            Command::Send { exchange: self.exchange, request },
            Command::ArmTimer(self.limits.answer_timeout),
        ]
    }

    fn doing(&self) -> &'static str {
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

/// The pause after a damaged frame: a garbled frame of 3 kB at 115,200 baud is over by then.
const DAMAGE_PAUSE: Duration = Duration::from_millis(250);

/// The key type that devices are asked for.
pub(crate) const KEY_TYPE: &str = "p256";
