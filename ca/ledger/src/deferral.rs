//! Deferred birth certificates: units that a station made and locked while the CA could not be asked (ADR
//! 0068).

use std::fmt;
use std::time::{Duration, SystemTime};

use identity::KeyFingerprint;

use super::ReservationFacts;

/// A deferred request that is refused for good: the unit is locked, so that no other request follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedDeferral {
    /// Its key; `None`: it is too weak to be one.
    pub key: Option<KeyFingerprint>,
    /// When its station says that it made the unit.
    pub made_at: SystemTime,
    /// What is wrong with the unit.
    pub flaw: UnitFlaw,
}

/// What is wrong with a unit, whoever asks and whenever: nothing that passes, and nothing that a damaged
/// request could feign, so each is found only behind the proof of possession.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitFlaw {
    /// `KEY_TYPE_NOT_ALLOWED`.
    KeyTypeNotAllowed,
    /// `KEY_WEAK`: the private key can be computed by others.
    KeyWeak,
    /// `KEY_BLOCKED`: it is on a list of keys that get no certificate.
    KeyBlocked,
    /// `KEY_ALREADY_USED`: another unit or principal has the key.
    KeyAlreadyUsed,
    /// `PROFILE_FORBIDS`.
    ProfileForbids,
    /// `BROKEN_GENERATOR`: its key or its signature repeats one of another unit (ADR 0073).
    BrokenGenerator,
}

impl UnitFlaw {
    /// Every flaw.
    pub const ALL: [Self; 6] = [
        Self::KeyTypeNotAllowed,
        Self::KeyWeak,
        Self::KeyBlocked,
        Self::KeyAlreadyUsed,
        Self::ProfileForbids,
        Self::BrokenGenerator,
    ];

    /// The flaw in words, without a capital and a full stop.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyTypeNotAllowed => "the profile does not allow keys of its type",
            Self::KeyWeak => "its private key can be computed by others",
            Self::KeyBlocked => "its key is on a list of keys that get no certificate",
            Self::KeyAlreadyUsed => "its key was used before",
            Self::ProfileForbids => "the profile forbids its certificate",
            Self::BrokenGenerator => "its random generator repeats itself",
        }
    }
}

impl fmt::Display for UnitFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a station can have made a unit of its reservation at `made_at`, by its own clock. The end of the
/// reservation is not looked at: its station keeps it, and a unit that is locked gets its certificate.
pub(crate) fn may_have_made(reservation: &ReservationFacts, made_at: SystemTime, now: SystemTime) -> bool {
    let earliest = reservation.reserved_at.checked_sub(CLOCK_TOLERANCE);
    let latest = now.checked_add(CLOCK_TOLERANCE);
    earliest.is_none_or(|earliest| earliest <= made_at) && latest.is_none_or(|latest| made_at <= latest)
}

/// How far the clock of a station may be from the CA's: both are set over a network, or by hand.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);
