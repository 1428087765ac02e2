//! Which device serials a work order allows.

use std::collections::BTreeSet;
use std::sync::Arc;

use identity::{DeviceSerial, SerialPattern};

/// Which device serials a work order allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serials {
    /// One numbered range.
    Pattern(SerialPattern),
    /// A list.
    Manifest(Arc<BTreeSet<DeviceSerial>>),
}

impl Serials {
    /// Whether the serial is among them.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.contains(serial),
            Self::Manifest(serials) => serials.contains(serial),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Pattern(pattern) => pattern.len(),
            Self::Manifest(serials) => serials.len() as u64,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
