//! What somebody should look at: forks and duplicates.

use std::time::SystemTime;

use identity::{DeviceId, SerialNumber};

use super::{EntryNumber, Event};

/// What kind of alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// [`Event::ForkDetected`].
    Fork,
    /// [`Event::DuplicateRefused`].
    Duplicate,
}

/// What two devices have in common and must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clash {
    /// The key.
    Key,
    /// The device serial: the device was born with another key.
    Serial,
    /// A prime of the RSA key (R-KEY-06): both private keys are known to whoever has both certificates.
    Prime,
    /// The random part of the signatures of their birth requests (R-KEY-14): whoever has the private key of
    /// one can compute that of the other.
    Nonce,
    /// The first 64 bits of their keys (R-KEY-14).
    KeyStart,
    /// The last 64 bits of their keys (R-KEY-14).
    KeyEnd,
}

/// What makes two alarms the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AlarmPair {
    /// Parent, and the child in use.
    Fork(SerialNumber, SerialNumber),
    /// The device asked for or, for a prime, that has the key; the certificate that has it too; and what it
    /// is.
    Duplicate(DeviceId, SerialNumber, Clash),
    /// The same, of an alarm that paused the product: one finding pauses it once.
    Pause(DeviceId, SerialNumber, Clash),
}

/// An alarm on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmFacts {
    /// The entry that raised it.
    pub entry: EntryNumber,
    /// The time of the event.
    pub at: SystemTime,
    /// What kind.
    pub kind: AlarmKind,
}

impl AlarmPair {
    /// The alarm that an event raises; `None`: none.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::ForkDetected { parent, child, .. } => Some(Self::Fork(*parent, *child)),
            Event::DuplicateRefused { device, certificate, what, pauses: false, .. } => {
                Some(Self::Duplicate(device.clone(), *certificate, *what))
            }
            Event::DuplicateRefused { device, certificate, what, pauses: true, .. } => {
                Some(Self::Pause(device.clone(), *certificate, *what))
            }
            _ => None,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> AlarmKind {
        match self {
            Self::Fork(..) => AlarmKind::Fork,
            Self::Duplicate(..) | Self::Pause(..) => AlarmKind::Duplicate,
        }
    }
}

/// Most alarms in a day. A hostile station can make up a pair with every call, and every alarm is an entry
/// for ever; this many say enough.
pub const ALARMS_A_DAY_MAX: usize = 10_000;
