//! What an operator does about the end of a unit.

use super::{FaultCode, Outcome};

impl Outcome {
    /// What to do at the bench, as a sentence without a capital and a full stop; empty if nothing.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Passed | Self::Deferred => "",
            Self::CannotDefer => {
                "wait until the CA answers, or call an engineer: this firmware takes no certificate later"
            }
            Self::DeferredElsewhere => {
                "finish it at the station that made it, or let it fetch its certificate itself"
            }
            Self::TimedOut { damaged: 0, noise_bytes: 0, .. } => {
                "look at the unit's power and its seat in the fixture, then retry"
            }
            Self::TimedOut { .. } | Self::Misbehaved(_) => {
                "look at the cable and the speed of the line, and that this is the right firmware; then retry"
            }
            Self::DeviceFault { code: FaultCode::DamagedFrame, .. } | Self::LinkLost(_) => {
                "look at the cable and the contacts, then retry"
            }
            Self::DeviceFault { .. } => "put the unit aside for repair; retry once if it may have lost power",
            Self::WrongDevice { .. } => "take the unit out and insert the right one",
            Self::Nameless => "put the unit aside: it needs a serial number first",
            Self::SerialTaken(_) => {
                "put the label aside and ask an engineer: the number belongs to another unit"
            }
            Self::NotErased => "erase the unit, then retry",
            Self::Replaced => "take the unit out: another board has this serial number now",
            Self::VerificationFailed(_) => "put the unit aside: it did not store what it was given",
            Self::LockedWithoutRecord => {
                "put the unit aside and ask an engineer: this station has no record of it"
            }
            Self::NotConnected(_) => "look at the cable and the power of the fixture",
            Self::Echo | Self::LinkUnusable(_) | Self::ClockWrong(_) => {
                "call an engineer: no unit can be made now"
            }
            Self::JournalLost(_) => "call an engineer: the station's disk takes no more records",
            Self::CaUnreachable(_) => {
                "wait until the CA answers, or call an engineer; the unit is finished later"
            }
            Self::Refused(refusal) if refusal.stops_the_line => "call an engineer: the CA refuses every unit",
            Self::Refused(_) => "put the unit aside and ask an engineer",
            Self::Cancelled => "nothing: `resume` finishes the unit",
        }
    }
}
