//! How a session can end.

use std::fmt;
use std::time::Duration;

use identity::DeviceId;

use super::{FaultCode, VerificationFault};

/// How a session ended. Texts say why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The unit has its certificate, the CA recorded it, and the unit is locked.
    Passed,
    /// The device did not answer `sends-max` requests.
    TimedOut {
        /// What it was asked for.
        doing: &'static str,
        /// How many damaged frames came.
        damaged: u32,
        /// How many bytes came that were not part of a frame, if no frame came.
        noise_bytes: u64,
    },
    /// The device reported a fault.
    DeviceFault {
        code: FaultCode,
        message: String,
        /// What it was asked for.
        doing: &'static str,
    },
    /// Another unit is on the bench.
    WrongDevice {
        /// The unit's name in its own words.
        found: String,
        /// Whether the unit is known to be of another product.
        other_product: bool,
    },
    /// By the CA's record the serial number is another unit's. The unit on the bench was told nothing.
    SerialTaken(Taken),
    /// The line returns what the station writes.
    Echo,
    /// The unit still has the certificate that its rework replaces.
    NotErased,
    /// The unit has a certificate that a rework has replaced: another board has the serial number now.
    Replaced,
    /// The station's clock or the CA's is wrong, so certificates cannot be judged.
    ClockWrong(String),
    /// No device is connected.
    NotConnected(String),
    /// The link cannot be used for any unit.
    LinkUnusable(String),
    /// The device breaks the protocol, or speaks another version.
    Misbehaved(String),
    /// The CA refused.
    Refused(Refusal),
    /// The CA did not answer. It may have issued: the same request id tells.
    CaUnreachable(String),
    /// What the unit has installed is wrong.
    VerificationFailed(VerificationFault),
    /// The link broke.
    LinkLost(String),
    /// The device is locked and shows nothing, and the journal does not say that it passed.
    LockedWithoutRecord,
    /// The journal cannot be written.
    JournalLost(String),
    /// The operator aborted the session.
    Cancelled,
}

impl Outcome {
    /// The stable name of the kind, for reports and totals.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::TimedOut { .. } => "timed-out",
            Self::DeviceFault { .. } => "device-fault",
            Self::WrongDevice { .. } => "wrong-device",
            Self::SerialTaken(_) => "serial-taken",
            Self::Echo => "echo",
            Self::NotErased => "not-erased",
            Self::Replaced => "replaced",
            Self::ClockWrong(_) => "clock-wrong",
            Self::NotConnected(_) => "not-connected",
            Self::LinkUnusable(_) => "link-unusable",
            Self::Misbehaved(_) => "misbehaved",
            Self::Refused(_) => "refused",
            Self::CaUnreachable(_) => "ca-unreachable",
            Self::VerificationFailed(_) => "verification-failed",
            Self::LinkLost(_) => "link-lost",
            Self::LockedWithoutRecord => "locked-without-record",
            Self::JournalLost(_) => "journal-lost",
            Self::Cancelled => "cancelled",
        }
    }

    /// The stable reason within the kind, from the CA, the device or the station. Empty only when the unit
    /// passed.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::TimedOut { damaged: 0, noise_bytes: 0, .. } => "no-answer",
            Self::TimedOut { damaged: 0, .. } => "no-frames",
            Self::TimedOut { .. } => "damaged-frames",
            Self::Refused(refusal) => &refusal.reason,
            Self::DeviceFault { code, .. } => code.name(),
            Self::VerificationFailed(fault) => fault.name(),
            Self::SerialTaken(taken) => taken.name(),
            Self::WrongDevice { other_product: true, .. } => "another-product",
            Self::WrongDevice { .. } => "another-serial-number",
            Self::Echo => "the-line-echoes",
            Self::NotErased => "not-erased",
            Self::Replaced => "replaced-by-a-rework",
            Self::ClockWrong(_) => "STATION_CLOCK_WRONG",
            Self::NotConnected(_) => "not-connected",
            Self::LinkUnusable(_) => "link-unusable",
            Self::Misbehaved(_) => "not-the-protocol",
            Self::CaUnreachable(_) => "CA_UNREACHABLE",
            Self::LinkLost(_) => "link-closed",
            Self::LockedWithoutRecord => "no-record-that-it-passed",
            Self::JournalLost(_) => "journal-not-written",
            Self::Cancelled => "cut-off",
        }
    }

    /// Whether the unit is at fault, rather than the line, which then stops.
    pub(crate) fn judges_the_unit(&self) -> bool {
        match self {
            Self::CaUnreachable(_)
            | Self::JournalLost(_)
            | Self::Echo
            | Self::ClockWrong(_)
            | Self::NotConnected(_)
            | Self::LinkUnusable(_)
            | Self::Cancelled => false,
            Self::Refused(refusal) => !refusal.stops_the_line,
            _ => true,
        }
    }

    /// Whether `resume` can continue the unit.
    pub(crate) fn leaves_the_unit_open(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.stops_the_line && !refusal.ends_the_order,
            Self::CaUnreachable(_)
            | Self::LinkLost(_)
            | Self::TimedOut { .. }
            | Self::JournalLost(_)
            | Self::Cancelled => true,
            Self::Passed
            | Self::DeviceFault { .. }
            | Self::WrongDevice { .. }
            | Self::SerialTaken(_)
            | Self::Echo
            | Self::NotErased
            | Self::Replaced
            | Self::ClockWrong(_)
            | Self::NotConnected(_)
            | Self::LinkUnusable(_)
            | Self::Misbehaved(_)
            | Self::VerificationFailed(_)
            | Self::LockedWithoutRecord => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::TimedOut { doing, damaged: 0, noise_bytes: 0 } => {
                write!(f, "the device did not answer while {doing}")
            }
            Self::TimedOut { doing, damaged: 0, noise_bytes } => write!(
                f,
                "{noise_bytes} bytes received and no frame among them, while {doing}: look at the speed of the line (baud rate), and \
                 whether this is the factory link of the device"
            ),
            Self::TimedOut { doing, damaged, .. } => write!(
                f,
                "the device gave no answer that can be read while {doing} ({damaged} damaged frames): look at the cable, the \
                 speed of the line, and whether something else writes to it"
            ),
            Self::DeviceFault { code, message, doing } => {
                write!(f, "the device reported {} while {doing}", code.name())?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::WrongDevice { found, .. } => write!(f, "another device is on the bench: {found}"),
            Self::SerialTaken(taken) => write!(f, "{taken}; the unit on the bench was told nothing"),
            Self::Echo => f.write_str(
                "the line echoes: the station receives what it sends; switch the echo of the port, adapter or command off",
            ),
            Self::NotErased => f.write_str(
                "the unit still has the certificate that its rework is to replace: erase the unit, then run this command again",
            ),
            Self::Replaced => f.write_str(
                "the unit has a certificate that a rework has replaced: it is not the board that has this serial number now, or it was \
                 not erased; put the right board on the bench, or give this one another serial number after it is erased",
            ),
            Self::ClockWrong(detail) => f.write_str(detail),
            Self::NotConnected(detail) | Self::LinkUnusable(detail) => f.write_str(detail),
            Self::Misbehaved(what) => write!(f, "the device does not keep to the protocol: {what}"),
            Self::Refused(refusal) => write!(f, "the CA refuses: {refusal}"),
            Self::CaUnreachable(detail) => write!(f, "the CA cannot answer: {detail}"),
            Self::VerificationFailed(fault) => write!(f, "{fault}"),
            Self::LinkLost(detail) => write!(f, "the link to the device is lost: {detail}"),
            Self::LockedWithoutRecord => {
                f.write_str("the device is locked, and this station has no record that it passed")
            }
            Self::JournalLost(detail) => write!(f, "the journal cannot be written: {detail}"),
            Self::Cancelled => f.write_str("aborted by the operator"),
        }
    }
}

/// The CA's record of a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SerialStatus {
    /// No unit has it.
    Free,
    /// Its unit may get another birth certificate under this order.
    Rework,
    /// A unit has it; the flag says whether the unit was confirmed.
    Taken(Taken, bool),
}

/// Why a serial number is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    /// A unit of another work order has it.
    OtherOrder,
    /// A unit of this order has it, made by another station.
    OtherStation,
    /// A unit of this order has it, made by this station, but the journal does not know it.
    ThisStation,
    /// Its unit was scrapped or retired.
    Gone,
    /// All certificates of its unit are revoked.
    Revoked,
    /// This station gave it up before a unit had a certificate under it.
    GivenUp,
}

impl Taken {
    /// The stable name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherOrder => "USED_UNDER_ANOTHER_ORDER",
            Self::OtherStation => "MADE_BY_ANOTHER_STATION",
            Self::ThisStation => "MADE_BY_THIS_STATION",
            Self::Gone => "SCRAPPED_OR_RETIRED",
            Self::Revoked => "REVOKED",
            Self::GivenUp => "GIVEN_UP",
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherOrder => "the serial number was used under another work order",
            Self::OtherStation => "another station has made a unit with this serial number",
            Self::ThisStation => "this station has made another unit with this serial number",
            Self::Gone => "the unit with this serial number was scrapped or retired",
            Self::Revoked => {
                "the certificates of the unit with this serial number are revoked; `touchmark device rework` allows it another one"
            }
            Self::GivenUp => "this serial number was given up at this station (`touchmark-station scrap`)",
        })
    }
}

impl Outcome {
    /// The outcome when another device is on the bench; `found` is what is known of it.
    pub(super) fn wrong_device(wanted: &DeviceId, found: Option<&DeviceId>, words: String) -> Self {
        let other_product = found.is_some_and(|found| found.product != wanted.product);
        Self::WrongDevice { found: words, other_product }
    }

    /// Whether the order issues no further certificates to any unit.
    pub(crate) fn ends_the_order(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.ends_the_order)
    }
}

/// A refusal by the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The stable reason, for example `WORK_ORDER_EXHAUSTED`.
    pub(crate) reason: String,
    /// The CA's text.
    pub(crate) message: String,
    /// The pause before another call, if one can help.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the CA would refuse every other unit as well.
    pub(crate) stops_the_line: bool,
    /// Whether the order issues no further certificates to any unit.
    pub(crate) ends_the_order: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}
