//! One device on the bench: a state machine without I/O. What happens goes in as an [`Event`], what must be done comes out as
//! [`Command`]s, to be done in order: each `Record` is durable before the command after it begins (ADR 0012).

mod memory;
mod outcome;
mod verification;
mod words;

#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{DeviceId, RequestId, SerialNumber};

pub(crate) use memory::{Memory, Step};
pub(crate) use outcome::{Outcome, Refusal, Standing, Taken};
pub(crate) use verification::VerificationFault;
pub use verification::{anchors_digest, read_back_message};
pub(crate) use words::{
    Answer, Assignment, BirthCertificate, FactoryStep, FaultCode, Greeting, Kit, Question, ReadBack,
};

use verification::{same_key, verify_issued, verify_read_back};

/// One device on the bench, from the first question to its end. It ends once, and does nothing after that.
#[derive(Debug)]
pub(crate) struct Session {
    device: DeviceId,
    kit: Arc<Kit>,
    limits: Limits,
    draw: Draw,
    assignment: Assignment,
    memory: Memory,
    // What the CA has on record as the unit's last birth certificate.
    on_record: Option<SerialNumber>,
    state: State,
    exchange: u32,
    question: Option<Question>,
    sends_left: u32,
    resent: u32,
    damaged: u32,
    // Whether damage has brought the timer forward since the question was sent.
    hurried: bool,
}

/// Random values of one session, drawn by the caller.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    /// For a question to the CA that was not asked before.
    pub(crate) request_id: RequestId,
    /// What the device signs at its read-back.
    pub(crate) nonce: [u8; 32],
    /// Where exchange numbers begin, so that answers to an earlier session are not taken for answers to this one.
    pub(crate) first_exchange: u32,
}

/// How long a session waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// After this, a question is sent again.
    pub(crate) answer_timeout: Duration,
    /// How often one question is sent in all, 1 or more.
    pub(crate) sends_max: u32,
    /// After this, the CA is given up; longer than what the caller's own retries take.
    pub(crate) ca_timeout: Duration,
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The session begins. Once.
    Begin,
    /// The device answered.
    Answer {
        /// The exchange number it bears.
        exchange: u32,
        /// What it says.
        answer: Answer,
    },
    /// A frame from the device was damaged.
    DamagedFrame,
    /// A frame came whole, and its content is not in the protocol.
    NotTheProtocol {
        /// The exchange number it bears; `None` when not even that can be read.
        exchange: Option<u32>,
        /// What it holds.
        what: String,
    },
    /// So many bytes came without a frame among them: the device is not heard, and the line is never quiet.
    Noise(u64),
    /// The timer that was armed last has run out.
    TimedOut,
    /// The link is gone: why.
    LinkLost(String),
    /// A message of this station came back to it.
    Echo,
    /// The CA's certificate, on record there.
    Issued(BirthCertificate),
    /// The CA has the unit on record as passed.
    Confirmed,
    /// The CA said no.
    Refused(Refusal),
    /// The CA gave no answer within the caller's retries: why.
    CaUnreachable(String),
    /// A `Record` could not be made durable: why. What followed it was not done.
    JournalLost(String),
    /// The operator cuts the session off.
    Cancelled,
}

/// What must be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Make the step durable in the journal; do what follows only then.
    Record(Step),
    /// Send the question to the device.
    Send {
        /// Its exchange number.
        exchange: u32,
        /// What to ask.
        question: Question,
    },
    /// Report [`Event::TimedOut`] after this time, and forget the timer before it.
    ArmTimer(Duration),
    /// Ask the CA for the birth certificate.
    Ask {
        /// The same for the same question, also after a crash.
        request_id: RequestId,
        /// The device's request.
        csr: Vec<u8>,
    },
    /// Tell the CA that the unit passed its read-back.
    Confirm {
        /// Of the certificate that was read back.
        serial_number: SerialNumber,
    },
    /// The session is over. Nothing follows.
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
    /// A session that is to make `device`, or to finish it: `memory` is what the journal knows of it.
    pub(crate) fn new(
        device: DeviceId,
        assignment: Assignment,
        kit: Arc<Kit>,
        limits: Limits,
        draw: Draw,
        memory: Memory,
    ) -> Self {
        let exchange = draw.first_exchange.wrapping_sub(1);
        Self {
            device,
            kit,
            limits,
            draw,
            assignment,
            memory,
            on_record: None,
            state: State::Fresh,
            exchange,
            question: None,
            sends_left: 0,
            resent: 0,
            damaged: 0,
            hurried: false,
        }
    }

    /// The same, of a unit whose last birth certificate is this one, by the CA's record.
    pub(crate) fn with_certificate_on_record(self, on_record: Option<SerialNumber>) -> Self {
        Self { on_record, ..self }
    }

    /// Takes what happened at `now` and returns what must be done. What does not fit the state (an answer to an earlier question)
    /// is passed over.
    pub(crate) fn handle(&mut self, event: Event, now: SystemTime) -> Vec<Command> {
        match event {
            _ if self.state == State::Over => Vec::new(),
            Event::Begin if self.state == State::Fresh => self.greet(),
            Event::Begin => Vec::new(),
            Event::Answer { exchange: 0, answer: Answer::Fault { code: FaultCode::DamagedFrame, .. } }
            | Event::DamagedFrame => self.damaged(),
            Event::Answer { exchange, answer } if exchange == self.exchange && self.question.is_some() => {
                self.answered(answer, now)
            }
            Event::Answer { .. } => Vec::new(),
            Event::NotTheProtocol { exchange, what }
                if self.question.is_some() && exchange.is_none_or(|exchange| exchange == self.exchange) =>
            {
                self.end(Outcome::Misbehaved { what })
            }
            Event::NotTheProtocol { .. } => Vec::new(),
            Event::Noise(noise_bytes) => {
                let (doing, damaged) = (self.doing(), self.damaged);
                self.end(Outcome::TimedOut { doing, damaged, noise_bytes })
            }
            Event::TimedOut if self.question.is_some() => self.send_again(),
            Event::TimedOut => self.end(Outcome::CaUnreachable {
                detail: format!("no answer within {} s", self.limits.ca_timeout.as_secs()),
            }),
            Event::LinkLost(detail) => self.end(Outcome::LinkLost { detail }),
            Event::Echo => self.end(Outcome::Echo),
            Event::Issued(certificate) if self.state == State::Certificate => self.issued(certificate),
            Event::Confirmed if self.state == State::Confirmation => {
                let mut commands = vec![self.record(Step::Confirmed)];
                commands.extend(self.ask_device(State::Lock, Question::Lock));
                commands
            }
            Event::Issued(_) | Event::Confirmed => Vec::new(),
            Event::Refused(refusal) => self.end(Outcome::Refused(refusal)),
            Event::CaUnreachable(detail) => self.end(Outcome::CaUnreachable { detail }),
            Event::JournalLost(detail) => self.end(Outcome::JournalLost { detail }),
            Event::Cancelled => self.end(Outcome::Cancelled),
        }
    }

    /// What is known of the unit by now.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// How many questions had to be sent again so far.
    pub(crate) fn resent(&self) -> u32 {
        self.resent
    }

    fn greet(&mut self) -> Vec<Command> {
        let (serial, withdrawn) = match &self.assignment {
            Assignment::Tell { withdrawn } => (Some(self.device.serial.clone()), withdrawn.clone()),
            Assignment::Ask(_) => (None, Vec::new()),
        };
        let product = self.device.product.clone();
        self.ask_device(State::Greeting, Question::Hello { serial, product, withdrawn })
    }

    fn answered(&mut self, answer: Answer, now: SystemTime) -> Vec<Command> {
        match (self.state, answer) {
            (_, Answer::Fault { code: FaultCode::DamagedFrame, .. }) => self.damaged(),
            (State::Greeting, Answer::Fault { code: FaultCode::WrongDevice, message }) => {
                // Devices name themselves in the text, for people; it only decides which name the failure gets.
                let found = message.rsplit(' ').next().and_then(|word| word.parse().ok());
                self.another_device(found.as_ref(), message)
            }
            (State::ReadBack, Answer::Fault { code: FaultCode::Locked, .. }) => {
                let is_old = self.memory.superseded.is_some() && self.memory.certificate.is_none();
                self.end(if is_old { Outcome::NotErased } else { Outcome::LockedWithoutRecord })
            }
            (State::Lock, Answer::Fault { code: FaultCode::Locked, .. }) => self.passed(),
            (_, Answer::Fault { code, message }) => {
                self.end(Outcome::DeviceFault { code, message, doing: self.doing() })
            }
            (State::Greeting, Answer::Hello(greeting)) => self.greeted(greeting),
            (State::Key, Answer::Csr(csr)) => self.request_received(csr),
            (State::Installation, Answer::Installed) => self.read_back(),
            (State::ReadBack, Answer::ReadBack(read_back)) => self.verify(&read_back, now),
            (State::Lock, Answer::Locked) => self.passed(),
            (_, answer) => {
                let what = format!("it answered {} while {}", answer.name(), self.doing());
                self.end(Outcome::Misbehaved { what })
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
            return self.end(Outcome::Misbehaved { what });
        }
        match greeting.step {
            FactoryStep::Blank | FactoryStep::KeyReady => {
                if !greeting.key_types.iter().any(|key_type| key_type == KEY_TYPE) {
                    let what = format!("it cannot make a {KEY_TYPE} key");
                    return self.end(Outcome::Misbehaved { what });
                }
                self.ask_device(State::Key, Question::GenerateKey)
            }
            FactoryStep::Installed => self.read_back(),
            // Lost its power, or we did, after the lock and before it was on record here.
            FactoryStep::Locked if self.memory.confirmed => self.passed(),
            FactoryStep::Locked => self.read_back(),
        }
    }

    /// A unit that was only asked is not the one that has the serial number: nothing is wrong with it.
    fn another_device(&mut self, found: Option<&DeviceId>, words: String) -> Vec<Command> {
        match self.assignment {
            Assignment::Ask(taken) => self.end(Outcome::SerialTaken(taken)),
            Assignment::Tell { .. } => {
                let outcome = Outcome::wrong_device(&self.device, found, words);
                self.end(outcome)
            }
        }
    }

    fn request_received(&mut self, csr: Vec<u8>) -> Vec<Command> {
        // A device signs its request afresh each time. The CA tells requests apart by order, device and key (ADR 0010), so either form would
        // get the same answer; the bytes on record are sent, so that the journal says what the CA was asked.
        let asked_before = self.memory.asked.clone().filter(|(_, before)| same_key(before, &csr));
        let mut commands = Vec::new();
        let (request_id, csr) = asked_before.unwrap_or_else(|| {
            let request_id = self.draw.request_id;
            commands.push(self.record(Step::Asked { request_id, csr: csr.clone() }));
            (request_id, csr)
        });
        self.state = State::Certificate;
        self.question = None;
        commands.push(Command::ArmTimer(self.limits.ca_timeout));
        commands.push(Command::Ask { request_id, csr });
        commands
    }

    fn issued(&mut self, certificate: BirthCertificate) -> Vec<Command> {
        let csr = self.memory.asked.as_ref().map(|(_, csr)| csr.as_slice());
        if let Err(fault) = verify_issued(&certificate, csr.unwrap_or_default(), &self.device) {
            return self.end(Outcome::VerificationFailed(fault));
        }
        // The CA gives a key the certificate that it has: the unit still has its key from before the rework.
        if self.memory.superseded == Some(certificate.serial_number) {
            return self.end(Outcome::NotErased);
        }
        let install = Question::Install { certificate: certificate.der.clone(), kit: Arc::clone(&self.kit) };
        let mut commands = vec![self.record(Step::Issued(certificate))];
        commands.extend(self.ask_device(State::Installation, install));
        commands
    }

    fn read_back(&mut self) -> Vec<Command> {
        self.ask_device(State::ReadBack, Question::ReadBack { nonce: self.draw.nonce })
    }

    fn verify(&mut self, read_back: &ReadBack, now: SystemTime) -> Vec<Command> {
        let sent = self.memory.certificate.as_ref();
        match verify_read_back(read_back, sent, &self.kit, &self.device, &self.draw.nonce, now) {
            Err(fault) => self.end(fault.into()),
            Ok(serial_number) if self.memory.superseded == Some(serial_number) => {
                self.end(Outcome::NotErased)
            }
            Ok(serial_number) if self.is_replaced(serial_number) => self.end(Outcome::Replaced),
            Ok(serial_number) => {
                self.state = State::Confirmation;
                self.question = None;
                vec![
                    self.record(Step::ReadBack { serial_number }),
                    Command::ArmTimer(self.limits.ca_timeout),
                    Command::Confirm { serial_number },
                ]
            }
        }
    }

    /// Whether the CA has another certificate on record for the unit, and this station did not give it the one that it has.
    fn is_replaced(&self, serial_number: SerialNumber) -> bool {
        self.memory.certificate.is_none()
            && self.on_record.is_some_and(|on_record| on_record != serial_number)
    }

    fn passed(&mut self) -> Vec<Command> {
        self.state = State::Over;
        self.question = None;
        vec![self.record(Step::Passed), Command::End(Outcome::Passed)]
    }

    fn end(&mut self, outcome: Outcome) -> Vec<Command> {
        self.state = State::Over;
        self.question = None;
        vec![Command::End(outcome)]
    }

    fn record(&mut self, step: Step) -> Command {
        self.memory.apply(&step);
        Command::Record(step)
    }

    fn ask_device(&mut self, state: State, question: Question) -> Vec<Command> {
        self.state = state;
        // "Never zero": factory_link.proto.
        self.exchange = self.exchange.checked_add(1).unwrap_or(1).max(1);
        self.question = Some(question);
        self.sends_left = self.limits.sends_max.max(1);
        self.damaged = 0;
        self.send()
    }

    /// Asks again soon, but not at once: noise comes in bursts, and each burst costs one attempt.
    fn damaged(&mut self) -> Vec<Command> {
        if self.question.is_none() || self.hurried {
            return Vec::new();
        }
        self.damaged = self.damaged.saturating_add(1);
        self.hurried = true;
        vec![Command::ArmTimer(self.limits.answer_timeout.min(DAMAGE_PAUSE))]
    }

    fn send_again(&mut self) -> Vec<Command> {
        if self.question.is_none() {
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
        self.hurried = false;
        let Some(question) = self.question.clone() else { return Vec::new() };
        vec![
            Command::Send { exchange: self.exchange, question },
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

/// Of the factory link that we speak.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// From a damaged frame to the next attempt: a garbled frame of 3 kB at 115,200 baud is over by then.
const DAMAGE_PAUSE: Duration = Duration::from_millis(250);

/// The key that we ask devices for.
pub(crate) const KEY_TYPE: &str = "p256";
