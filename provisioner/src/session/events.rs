//! What a session is told and what it asks for, and its limits.

use std::time::{Duration, SystemTime};

use identity::{RequestId, SerialNumber};

use crate::crew::CrewNow;

use super::{BirthCertificate, DeviceRequest, DeviceResponse, Outcome, Refusal, Step};

#[derive(Debug, Clone)]
pub(crate) struct SessionRandomness {
    pub(crate) request_id: RequestId,
    /// Signed by the device at its read-back.
    pub(crate) nonce: [u8; 32],
    /// The first exchange number: answers to an earlier session have others.
    pub(crate) first_exchange: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A request is sent again after this time.
    pub(crate) answer_timeout: Duration,
    /// The pause before a request is sent again after a damaged frame; the answer timeout if that is shorter.
    pub(crate) damage_pause: Duration,
    /// How often one request is sent in all, 1 or more.
    pub(crate) sends_max: u32,
    /// A call to the CA is given up after this time. Longer than the caller's own retries take.
    pub(crate) ca_timeout: Duration,
}

/// What happened. The texts say why.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Begin,
    Response {
        exchange: u32,
        response: DeviceResponse,
    },
    DamagedFrame,
    /// A frame came whole, but its content is not in the protocol.
    NotTheProtocol {
        /// `None` when the exchange number cannot be read.
        exchange: Option<u32>,
        what: String,
    },
    /// So many bytes came without a frame among them, and the line is never quiet.
    Noise(u64),
    /// The timer that was armed last has run out.
    TimedOut,
    LinkLost(String),
    /// A message of this station came back to it.
    Echo,
    Issued(BirthCertificate),
    /// The CA recorded the unit as passed.
    Confirmed,
    Refused(Refusal),
    /// The CA cannot be asked, and the unit may get its certificate later; the time to put on record.
    Defer {
        made_at: SystemTime,
        /// Who makes it.
        crew: CrewNow,
    },
    /// The CA cannot be asked: the unit is locked, and recorded as passed when the CA answers again.
    ConfirmLater,
    /// The station's clock cannot be used.
    ClockWrong(String),
    /// The CA gave no answer within the caller's retries.
    CaUnreachable(String),
    /// A `Record` could not be made durable. The commands after it were dropped.
    JournalLost(String),
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Write the step to the journal, durably.
    Record(Step),
    Send {
        exchange: u32,
        request: DeviceRequest,
    },
    /// Report [`Event::TimedOut`] after this time, and drop the timer before it.
    ArmTimer(Duration),
    /// Request the birth certificate from the CA. The same request has the same id, also after a crash.
    RequestCertificate {
        request_id: RequestId,
        csr: Vec<u8>,
        /// When the unit was made, if that was without the CA.
        made_at: Option<SystemTime>,
    },
    /// Tell the CA that the unit passed its read-back, with the certificate of this serial number.
    Confirm {
        serial_number: SerialNumber,
    },
    End(Outcome),
}
