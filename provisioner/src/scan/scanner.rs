//! A scanner at a serial port.

use std::fmt;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::str::FromStr;

use serial_port::{OpenError, Port, Reader, Speed, split_named_speed};

/// Where a scanner is: a path, and the speed if it is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScannerPort {
    path: PathBuf,
    speed: Option<Speed>,
}

impl FromStr for ScannerPort {
    type Err = String;

    /// Reads `PATH` or `PATH:BAUD`.
    fn from_str(text: &str) -> Result<Self, String> {
        match split_named_speed(text) {
            Ok(("", _)) => Err("needs PATH or PATH:BAUD".to_owned()),
            Ok((path, speed)) => Ok(Self { path: path.into(), speed }),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for ScannerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl ScannerPort {
    /// An error if there is something at its path that never becomes a serial port.
    pub(crate) fn may_be_a_port(&self) -> Result<(), String> {
        let kind = std::fs::metadata(&self.path).map(|found| found.file_type());
        match kind {
            Ok(kind) if !kind.is_char_device() => {
                Err(format!("--scanner: {} is not a serial port", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Opens the port for this station alone. All byte values come as they are. Nothing is sent.
    pub(crate) async fn open(&self) -> Result<Reader, OpenError> {
        let port = match self.speed {
            Some(speed) => Port::open(&self.path, speed).await?,
            None => Port::open_as_set(&self.path).await?,
        };
        let (reader, _) = port.split();
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_at_the_end_are_a_speed() {
        for (text, path, baud) in [
            ("/dev/ttyACM0", "/dev/ttyACM0", None),
            ("/dev/ttyUSB0:115200", "/dev/ttyUSB0", Some(115_200)),
            (
                "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0",
                "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0",
                None,
            ),
        ] {
            let speed = baud.map(|baud| Speed::new(baud).unwrap());
            assert_eq!(text.parse(), Ok(ScannerPort { path: path.into(), speed }), "{text}");
        }
        for text in ["", ":9600", "/dev/x:10", "/dev/x:99999999"] {
            assert!(text.parse::<ScannerPort>().is_err(), "{text}");
        }
    }
}
