//! A port as it is written on a command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::speed::{Speed, SpeedError, split_speed};

/// `PATH[:BAUD]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortAddress {
    /// The device node, or a link to it.
    pub path: PathBuf,
    /// The speed of the line.
    pub speed: Speed,
}

impl FromStr for PortAddress {
    type Err = PortAddressError;

    fn from_str(text: &str) -> Result<Self, PortAddressError> {
        let (path, speed) = split_speed(text)?;
        if path.is_empty() { Err(PortAddressError::NoPath) } else { Ok(Self { path: path.into(), speed }) }
    }
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.speed)
    }
}

/// Not a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortAddressError {
    /// There is no path.
    #[error("a port is PATH or PATH:BAUD")]
    NoPath,
    /// The speed is none.
    #[error(transparent)]
    Speed(#[from] SpeedError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_path_and_perhaps_a_speed() {
        let address: PortAddress = "/dev/ttyS1:9600".parse().unwrap();
        assert_eq!((address.path.to_str(), address.speed.baud()), (Some("/dev/ttyS1"), 9_600));
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!(":9600".parse::<PortAddress>(), Err(PortAddressError::NoPath));
        assert_eq!("".parse::<PortAddress>(), Err(PortAddressError::NoPath));
        assert_eq!("/dev/ttyS1:1".parse::<PortAddress>(), Err(PortAddressError::Speed(SpeedError)));
    }
}
