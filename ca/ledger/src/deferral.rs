//! Deferred birth certificates: units that a station made and locked while the CA could not be asked (ADR
//! 0068).

use std::time::{Duration, SystemTime};

use super::ReservationFacts;

/// Whether a station can have made a unit of its reservation at `made_at`, by its own clock. The end of the
/// reservation is not looked at: its station keeps it, and a unit that is locked gets its certificate.
pub(crate) fn may_have_made(reservation: &ReservationFacts, made_at: SystemTime, now: SystemTime) -> bool {
    let earliest = reservation.reserved_at.checked_sub(CLOCK_TOLERANCE);
    let latest = now.checked_add(CLOCK_TOLERANCE);
    earliest.is_none_or(|earliest| earliest <= made_at) && latest.is_none_or(|latest| made_at <= latest)
}

/// How far the clock of a station may be from the CA's: both are set over a network, or by hand.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);
