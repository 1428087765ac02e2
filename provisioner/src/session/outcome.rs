//! How a session can end.

use super::{FaultCode, VerificationFault};
use cli::count;

/// How a session ended. Texts say why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Outcome {
    /// The unit has its certificate, the CA recorded it, and the unit is locked.
    #[error("passed")]
    Passed,
    /// The unit is locked with everything but its certificate, which comes later.
    #[error("certificate deferred")]
    Deferred,
    /// The CA cannot be asked, and the unit's firmware knows no deferral.
    #[error("the CA cannot be asked, and the unit's firmware cannot be locked before it has its certificate")]
    CannotDefer,
    /// The unit waits for a certificate that this station did not ask for.
    #[error(
        "the unit's certificate is deferred, and this station has no record of it: finish it at the station that made it, or let it \
         fetch its certificate at first boot"
    )]
    DeferredElsewhere,
    /// The device did not answer `sends-max` requests.
    #[error("{}", timed_out_text(doing, *damaged, *noise_bytes))]
    TimedOut {
        /// What it was asked for.
        doing: &'static str,
        damaged: u32,
        /// How many bytes came that were not part of a frame, if no frame came.
        noise_bytes: u64,
    },
    #[error("the device reported {} while {doing}{}", code.name(), after_colon(message))]
    DeviceFault { code: FaultCode, message: String, doing: &'static str },
    #[error("another device is on the bench: {found}")]
    WrongDevice {
        /// The unit's name in its own words.
        found: String,
        /// Whether the unit is known to be of another product.
        other_product: bool,
    },
    /// The units of this run name themselves, and this one has no name.
    #[error("the unit has no serial number of its own: give it one first, or use --mode scan or list")]
    Nameless,
    /// By the CA's record the serial number is another unit's.
    #[error("{0}; the unit on the bench was told nothing")]
    SerialTaken(Taken),
    #[error(
        "the line echoes: the station receives what it sends; switch the echo of the port, adapter or command off"
    )]
    Echo,
    #[error(
        "the unit still has the certificate that its rework is to replace: erase the unit, then run this command again"
    )]
    NotErased,
    #[error(
        "the unit has a certificate that a rework has replaced: it is not the board that has this serial number now, or it was \
         not erased; put the right board on the bench, or give this one another serial number after it is erased"
    )]
    Replaced,
    /// The station's clock or the CA's is wrong, so certificates cannot be judged.
    #[error("{0}")]
    ClockWrong(String),
    #[error("{0}")]
    NotConnected(String),
    /// The link cannot be used for any unit.
    #[error("{0}")]
    LinkUnusable(String),
    /// The device breaks the protocol, or speaks another version.
    #[error("the device does not keep to the protocol: {0}")]
    Misbehaved(String),
    #[error("the CA refuses: {0}")]
    Refused(Refusal),
    /// The CA may have issued: the same request id tells.
    #[error("the CA cannot answer: {0}")]
    CaUnreachable(String),
    /// What the unit has installed is wrong.
    #[error("{0}")]
    VerificationFailed(VerificationFault),
    #[error("the link to the device is lost: {0}")]
    LinkLost(String),
    /// The device shows nothing.
    #[error("the device is locked, and this station has no record that it passed")]
    LockedWithoutRecord,
    #[error("the journal cannot be written: {0}")]
    JournalLost(String),
    #[error("aborted by the operator")]
    Cancelled,
}

fn timed_out_text(doing: &str, damaged: u32, noise_bytes: u64) -> String {
    match (damaged, noise_bytes) {
        (0, 0) => format!("the device did not answer while {doing}"),
        (0, _) => format!(
            "{noise_bytes} bytes received and no frame among them, while {doing}: look at the speed of the line (baud rate), and \
             whether this is the factory link of the device"
        ),
        _ => format!(
            "the device gave no answer that can be read while {doing} ({}): look at the cable, the speed of the line, and whether \
             something else writes to it",
            count(damaged.into(), "damaged frame")
        ),
    }
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl Outcome {
    /// The stable name of the kind, for reports and totals.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Deferred => "deferred",
            Self::CannotDefer => "cannot-defer",
            Self::DeferredElsewhere => "deferred-elsewhere",
            Self::TimedOut { .. } => "timed-out",
            Self::DeviceFault { .. } => "device-fault",
            Self::WrongDevice { .. } => "wrong-device",
            Self::Nameless => "nameless",
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

    /// The stable reason within the kind; empty only when the unit passed or its certificate is deferred.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Passed | Self::Deferred => "",
            Self::CannotDefer => "CA_UNREACHABLE",
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
            Self::Replaced => "replaced-by-a-rework",
            Self::ClockWrong(_) => "STATION_CLOCK_WRONG",
            Self::Misbehaved(_) => "not-the-protocol",
            Self::CaUnreachable(_) => "CA_UNREACHABLE",
            Self::LinkLost(_) => "link-closed",
            Self::LockedWithoutRecord => "no-record-that-it-passed",
            Self::JournalLost(_) => "journal-not-written",
            Self::Cancelled => "cut-off",
            Self::Nameless => "no-serial-number",
            Self::DeferredElsewhere | Self::NotErased | Self::NotConnected(_) | Self::LinkUnusable(_) => {
                self.name()
            }
        }
    }

    /// Whether nothing is left to do for the unit on the bench.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Passed | Self::Deferred)
    }

    /// Whether the unit is at fault, rather than the line, which then stops.
    pub(crate) fn judges_the_unit(&self) -> bool {
        match self {
            Self::CaUnreachable(_)
            | Self::CannotDefer
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
            Self::CaUnreachable(_)
            | Self::CannotDefer
            | Self::LinkLost(_)
            | Self::TimedOut { .. }
            | Self::JournalLost(_)
            | Self::Cancelled => true,
            Self::Refused(refusal) => refusal.stops_the_line && !refusal.ends_the_order,
            _ => false,
        }
    }

    /// Whether the order issues no further certificates to any unit.
    pub(crate) fn ends_the_order(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.ends_the_order)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SerialStatus {
    Free,
    /// Its unit may get another birth certificate under this order.
    Rework,
    /// A unit has it; the flag says whether the unit was confirmed.
    Taken(Taken, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Taken {
    #[error("the serial number was used or reserved under another work order")]
    OtherOrder,
    #[error("another station has made a unit with this serial number, or reserved it")]
    OtherStation,
    /// The journal does not know the unit.
    #[error("this station has made another unit with this serial number")]
    ThisStation,
    #[error("the unit with this serial number was scrapped or retired")]
    Gone,
    /// Spent without a unit that has a certificate.
    #[error("the reservation of this serial number was withdrawn: no unit gets it")]
    Withdrawn,
    /// All certificates of its unit are revoked.
    #[error(
        "the certificates of the unit with this serial number are revoked; `touchmark device rework` allows it another one"
    )]
    Revoked,
    /// It was given up before a unit had a certificate under it.
    #[error("this serial number was given up (`touchmark-station give-up`): no unit gets it")]
    GivenUp,
}

impl Taken {
    /// Whether no unit gets a certificate under it, whichever order and station asks.
    pub(crate) fn is_spent(self) -> bool {
        match self {
            Self::Gone | Self::Withdrawn | Self::Revoked | Self::GivenUp => true,
            Self::OtherOrder | Self::OtherStation | Self::ThisStation => false,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherOrder => "USED_UNDER_ANOTHER_ORDER",
            Self::OtherStation => "MADE_BY_ANOTHER_STATION",
            Self::ThisStation => "MADE_BY_THIS_STATION",
            Self::Gone => "SCRAPPED_OR_RETIRED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Revoked => "REVOKED",
            Self::GivenUp => "GIVEN_UP",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({reason})")]
pub(crate) struct Refusal {
    /// The stable reason, for example `WORK_ORDER_EXHAUSTED`.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// Whether the CA would refuse every other unit as well.
    pub(crate) stops_the_line: bool,
    /// Whether the order issues no further certificates to any unit.
    pub(crate) ends_the_order: bool,
}
