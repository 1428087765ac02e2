//! Reservations: units of an order that a station has before it makes them, with their serial numbers (ADR
//! 0065).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use identity::{DeviceSerial, Principal, PrincipalName, Role};

use super::{Entry, EntryNumber, Event, WorkOrderId};

/// `rs-` and a count from 1 over the whole ledger, at least six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(pub u64);

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rs-{:06}", self.0)
    }
}

impl FromStr for ReservationId {
    type Err = ReservationIdError;

    fn from_str(text: &str) -> Result<Self, ReservationIdError> {
        let id = text.strip_prefix("rs-").and_then(|digits| digits.parse().ok()).map(Self);
        id.filter(|id: &Self| id.to_string() == text).ok_or(ReservationIdError)
    }
}

/// The text is not a reservation's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reservation is written rs- and at least six digits, for example rs-000012")]
pub struct ReservationIdError;

/// Which units a station asks to reserve: 1 to [`RESERVED_UNITS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitsWanted {
    /// The next free serial numbers of the order, as many as this, or what is left.
    Next(u64),
    /// Those of these that are free.
    Named(BTreeSet<DeviceSerial>),
}

/// A reservation and what became of its units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationFacts {
    /// The reservation's number.
    pub id: ReservationId,
    /// The order whose quota its units are spent from.
    pub work_order: WorkOrderId,
    /// The station that holds it.
    pub station: PrincipalName,
    /// How many units it was for.
    pub units: u64,
    /// Those that have, or had, a birth certificate.
    pub issued: u64,
    /// Those that came home unused.
    pub returned: u64,
    /// Those that were out when it was withdrawn.
    pub withdrawn: u64,
    /// Those whose serial number was given up.
    pub given_up: u64,
    /// Those that were made while the CA could not be asked, and refused for good (ADR 0068).
    pub refused: u64,
    /// When it was made.
    pub reserved_at: SystemTime,
    /// Until when its station may make units of it. Certificates are issued for them also later.
    pub ends_at: SystemTime,
    /// The entry that made it, or last returned units of it, refused one or withdrew it.
    pub changed: EntryNumber,
}

impl ReservationFacts {
    /// Units that are out: they have no certificate, did not come home, and were neither withdrawn nor
    /// refused.
    pub fn out(&self) -> u64 {
        self.units.saturating_sub(self.issued + self.returned + self.withdrawn + self.given_up + self.refused)
    }

    /// Where it is in its life at a time.
    pub fn state(&self, now: SystemTime) -> ReservationState {
        match self {
            Self { withdrawn: 1.., .. } => ReservationState::Withdrawn,
            _ if self.out() == 0 => ReservationState::Done,
            _ if now >= self.ends_at => ReservationState::Ended,
            _ => ReservationState::Open,
        }
    }
}

/// What an entry does to a reservation.
#[derive(Debug, Clone, PartialEq)]
pub enum ReservationChange<'a> {
    /// Units of an order are out. The reservation's number is one more than that of the one before it.
    Made {
        /// The reservation, of which all units are out.
        facts: Box<ReservationFacts>,
        /// Of its units.
        serials: &'a [DeviceSerial],
        /// This serial number of the order and all before it are taken or returned; `None`: nothing new is
        /// known.
        passed: Option<&'a DeviceSerial>,
    },
    /// Units are free again.
    Returned {
        /// The reservation that they were out for.
        reservation: ReservationId,
        /// Of these units.
        serials: &'a [DeviceSerial],
    },
    /// Units that were out are spent for ever.
    Withdrawn {
        /// The reservation that they were out for.
        reservation: ReservationId,
        /// Of these units.
        serials: &'a [DeviceSerial],
    },
    /// A unit that was out is refused for good: its serial number is spent for ever.
    Refused {
        /// The reservation that it was out for.
        reservation: ReservationId,
        /// The unit's.
        serial: &'a DeviceSerial,
    },
}

impl<'a> ReservationChange<'a> {
    /// What the entry does; `None`: it is about no reservation, or not of a station.
    pub(crate) fn of(entry: &'a Entry) -> Option<Self> {
        match &entry.event {
            Event::UnitsReserved { work_order, reservation, serials, ends_at, passed } => {
                let Some(Principal::Named { role: Role::Station, name }) = &entry.principal else {
                    return None;
                };
                let facts = ReservationFacts {
                    id: *reservation,
                    work_order: *work_order,
                    station: name.clone(),
                    units: serials.len() as u64,
                    issued: 0,
                    returned: 0,
                    withdrawn: 0,
                    given_up: 0,
                    refused: 0,
                    reserved_at: entry.at,
                    ends_at: *ends_at,
                    changed: entry.number,
                };
                Some(Self::Made { facts: Box::new(facts), serials, passed: passed.as_ref() })
            }
            Event::UnitsReturned { reservation, serials } => {
                Some(Self::Returned { reservation: *reservation, serials })
            }
            Event::ReservationWithdrawn { reservation, serials } => {
                Some(Self::Withdrawn { reservation: *reservation, serials })
            }
            Event::DeferralRefused { reservation, device, .. } => {
                Some(Self::Refused { reservation: *reservation, serial: &device.serial })
            }
            _ => None,
        }
    }
}

/// Where a reservation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationState {
    /// Units are out, and the station may make them.
    Open,
    /// Units are out, and the station makes no more of them. Those that it made get their certificates.
    Ended,
    /// No unit is out any more.
    Done,
    /// An operator withdrew it while units were out.
    Withdrawn,
}

/// The reservation that a unit without a certificate belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedUnit {
    /// The reservation.
    pub reservation: ReservationId,
    /// What became of the unit.
    pub state: ReservedUnitState,
}

/// What became of a reserved unit that has no certificate and did not come home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservedUnitState {
    /// Its station has it.
    Out,
    /// The reservation was withdrawn: no unit ever gets the serial number.
    Withdrawn,
    /// It was refused for good after it was made: no unit ever gets the serial number.
    Refused,
}

/// Most units of one reservation: an entry with their serial numbers stays below 100 kB.
pub const RESERVED_UNITS_MAX: u64 = 1_000;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_reservation_is_written_in_one_way() {
        assert_eq!("rs-000012".parse(), Ok(ReservationId(12)));
        assert_eq!("rs-1234567".parse(), Ok(ReservationId(1_234_567)));
        for text in ["rs-12", "wo-000012", "rs-0000012", "rs-", "rs-+00012"] {
            assert_eq!(text.parse::<ReservationId>(), Err(ReservationIdError), "{text}");
        }
    }

    #[test]
    fn a_reservation_with_no_unit_out_is_done_before_and_after_its_end() {
        let end = UNIX_EPOCH + Duration::from_secs(1_000);
        let facts = ReservationFacts {
            id: ReservationId(1),
            work_order: WorkOrderId(1),
            station: "line-3".parse().unwrap(),
            units: 5,
            issued: 3,
            returned: 1,
            withdrawn: 0,
            given_up: 0,
            refused: 0,
            reserved_at: UNIX_EPOCH,
            ends_at: end,
            changed: EntryNumber(1),
        };
        assert_eq!((facts.out(), facts.state(UNIX_EPOCH)), (1, ReservationState::Open));
        assert_eq!(facts.state(end), ReservationState::Ended);
        let done = ReservationFacts { returned: 2, ..facts.clone() };
        assert_eq!((done.out(), done.state(UNIX_EPOCH)), (0, ReservationState::Done));
        let withdrawn = ReservationFacts { withdrawn: 1, ..facts };
        assert_eq!(withdrawn.state(UNIX_EPOCH), ReservationState::Withdrawn);
    }
}
