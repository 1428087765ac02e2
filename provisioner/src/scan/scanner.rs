//! A scanner at a serial port: set to raw mode, and opened again when it was away.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, open};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Where a scanner is: a path, and the speed if it is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScannerPort {
    pub(crate) path: PathBuf,
    baud: Option<u32>,
}

impl FromStr for ScannerPort {
    type Err = String;

    /// Reads `PATH` or `PATH:BAUD`. Names of devices may contain colons: only digits at the end are a speed.
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, baud) = match text.rsplit_once(':') {
            Some((path, digits)) if digits.len() > 2 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let baud = digits.parse().ok().filter(|baud| (BAUD_MIN..=BAUD_MAX).contains(baud));
                let wrong = || format!("{digits} is not a speed; a speed is {BAUD_MIN} to {BAUD_MAX} baud");
                (path, Some(baud.ok_or_else(wrong)?))
            }
            _ => (text, None),
        };
        if path.is_empty() {
            Err("needs PATH or PATH:BAUD".to_owned())
        } else {
            Ok(Self { path: path.into(), baud })
        }
    }
}

impl fmt::Display for ScannerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl ScannerPort {
    /// Opens the port for blocking reads. All byte values come as they are.
    pub(crate) fn open(&self) -> io::Result<File> {
        // A serial port without a carrier would block the open itself.
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = open(&self.path, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&port)?.st_mode) == FileType::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if let Ok(mut settings) = tcgetattr(&port) {
            settings.make_raw();
            if let Some(baud) = self.baud {
                settings.set_speed(baud)?;
            }
            tcsetattr(&port, OptionalActions::Now, &settings)?;
        }
        fcntl_setfl(&port, fcntl_getfl(&port)?.difference(OFlags::NONBLOCK))?;
        Ok(File::from(port))
    }
}

const BAUD_MIN: u32 = 300;
const BAUD_MAX: u32 = 4_000_000;

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
            ("/dev/x:10", "/dev/x:10", None),
        ] {
            assert_eq!(text.parse(), Ok(ScannerPort { path: path.into(), baud }), "{text}");
        }
        for text in ["", ":9600", "/dev/x:100", "/dev/x:99999999"] {
            assert!(text.parse::<ScannerPort>().is_err(), "{text}");
        }
    }
}
