//! `LINK` as it is written on the command line.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use identity::DeviceId;
use serial_port::{Speed, SpeedError};

use super::driver::{Channel, Driver, LinkError, LinkLimits, Place};
use super::exec::ExecLink;
use super::serial::SerialLink;
use super::tcp::TcpLink;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkSpec {
    Exec(ExecLink),
    Tcp(TcpLink),
    Serial(SerialLink),
}

impl LinkSpec {
    pub(super) async fn open(&self, place: &Place<'_>, limits: &LinkLimits) -> Result<Channel, LinkError> {
        self.accepts(place.device)?;
        match self {
            Self::Exec(link) => link.open(place, limits).await,
            Self::Tcp(link) => link.open(place, limits).await,
            Self::Serial(link) => link.open(place, limits).await,
        }
    }

    /// Refuses a serial number that would lead elsewhere, such as one with a `/` in a file name.
    pub(crate) fn accepts(&self, device: &DeviceId) -> Result<(), LinkSpecError> {
        let serial = device.serial.as_str();
        let fills = match self {
            Self::Exec(link) => link.fills_in_a_name(),
            Self::Tcp(link) => link.fills_in_a_name(),
            Self::Serial(link) => link.fills_in_a_name(),
        };
        if fills && (serial.contains('/') || serial.starts_with('.') || serial.starts_with('-')) {
            return Err(LinkSpecError::Serial { serial: serial.to_owned() });
        }
        Ok(())
    }

    /// Refuses a slot for which there is no valid address.
    pub(crate) fn reaches(&self, slot: usize) -> Result<(), LinkSpecError> {
        match self {
            Self::Exec(link) => link.reaches(slot),
            Self::Tcp(link) => link.reaches(slot),
            Self::Serial(link) => link.reaches(slot),
        }
    }

    /// The speed, where the line has one.
    pub(crate) fn speed(&self) -> Option<Speed> {
        match self {
            Self::Exec(link) => link.speed(),
            Self::Tcp(link) => link.speed(),
            Self::Serial(link) => link.speed(),
        }
    }

    /// Whether opening it waits for a port that is away, so that trying again is of no use.
    pub(crate) fn waits_for_its_port(&self) -> bool {
        matches!(self, Self::Serial(_))
    }

    /// The ports of so many slots that are not there now: slot and name.
    pub(crate) fn missing_ports(&self, slots: usize, root: &Path) -> Vec<(usize, String)> {
        match self {
            Self::Exec(_) | Self::Tcp(_) => Vec::new(),
            Self::Serial(link) => link.missing(slots, root),
        }
    }

    /// Replaces the placeholders.
    pub(super) fn fill(word: &str, place: &Place<'_>) -> String {
        // One pass, so that replaced text is not replaced again.
        let mut filled = String::new();
        let mut rest = word;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            filled.push_str(before);
            let known = [
                ("{serial}", place.device.serial.to_string()),
                ("{product}", place.device.product.to_string()),
                ("{slot}", place.slot.to_string()),
                ("{slot:02}", format!("{:02}", place.slot)),
            ];
            let found = known.iter().find_map(|(name, value)| Some((from.strip_prefix(name)?, value)));
            rest = if let Some((after, value)) = found {
                filled.push_str(value);
                after
            } else {
                filled.push('{');
                from.strip_prefix('{').unwrap_or_default()
            };
        }
        filled.push_str(rest);
        filled
    }
}

impl FromStr for LinkSpec {
    type Err = LinkSpecError;

    fn from_str(text: &str) -> Result<Self, LinkSpecError> {
        if let Some(placeholder) = unknown_placeholder(text) {
            return Err(LinkSpecError::Placeholder { placeholder });
        }
        match text.split_once(':') {
            Some(("exec", command)) => command.parse().map(Self::Exec),
            Some(("tcp", address)) => address.parse().map(Self::Tcp),
            Some(("serial", ports)) => ports.parse().map(Self::Serial),
            _ => Err(LinkSpecError::Kind),
        }
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(link) => write!(f, "exec:{link}"),
            Self::Tcp(link) => write!(f, "tcp:{link}"),
            Self::Serial(link) => write!(f, "serial:{link}"),
        }
    }
}

/// Replaces the placeholders of the slot alone, for texts that are checked before a device is known.
pub(super) fn of_slot(word: &str, slot: usize) -> String {
    word.replace("{slot:02}", &format!("{slot:02}")).replace("{slot}", &slot.to_string())
}

/// The first name in braces that is no placeholder; `{}`, `{a,b}`, `{ x }`, `${HOME}` are no names.
fn unknown_placeholder(text: &str) -> Option<String> {
    let mut rest = text;
    let mut before = '\0';
    while let Some(at) = rest.find('{') {
        before = rest.get(..at).and_then(|text| text.chars().last()).unwrap_or(before);
        rest = rest.get(at + 1..)?;
        let (name, _) = rest.split_once('}')?;
        let is_a_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':'));
        if is_a_name && before != '$' && !PLACEHOLDERS.contains(&name) {
            return Some(format!("{{{name}}}"));
        }
        before = '{';
    }
    None
}

const PLACEHOLDERS: [&str; 4] = ["serial", "product", "slot", "slot:02"];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkSpecError {
    #[error("a link is exec:COMMAND, tcp:HOST:PORT or serial:PORT[:BAUD]")]
    Kind,
    #[error("exec: needs a command; a quote may be open")]
    Command,
    #[error("tcp: needs HOST:PORT")]
    Address,
    #[error("{placeholder} is not filled in; {{serial}}, {{product}}, {{slot}} and {{slot:02}} are")]
    Placeholder { placeholder: String },
    #[error("{port:?} is not a port (slot {slot}); a port is 1 to 65535")]
    Port { port: String, slot: usize },
    #[error("serial: needs a port: a path, usb=SERIALNUMBER, or usb-path=BUS-PORT as in usb-path=1-2.3")]
    SerialPort,
    #[error("serial: {0}")]
    Speed(#[from] SpeedError),
    #[error("serial: {port} stands twice in the list; each slot has a port of its own")]
    PortTwice { port: String },
    #[error(
        "slots 1 and {slot} would share the serial port {port}: write {{slot}} into its name, or a list of ports with commas"
    )]
    SharedPort { port: String, slot: usize },
    #[error("the list has {ports} serial ports, and slot {slot} has none")]
    NoPort { ports: usize, slot: usize },
    #[error(
        "serial number {serial} cannot be filled in for {{serial}}: it has a / or starts with . or -; use {{slot}}"
    )]
    Serial { serial: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "exec:agent 'a b' {serial}",
            "tcp:bench-3:7000",
            "tcp:[::1]:7000",
            "tcp:bench-{slot}.line:7000",
            "tcp:bench-{slot:02}.line:40{slot:02}",
            "serial:/dev/ttyUSB{slot}",
            "serial:/dev/serial/by-path/pci-0000:00:14.0-usb-0:{slot}:1.0-port0:921600",
            "serial:usb=A50285BI,A50285BJ#1:9600",
            "serial:usb-path=1-2.{slot}",
        ] {
            let spec: LinkSpec = text.parse().unwrap();
            assert_eq!(spec.to_string().parse(), Ok(spec));
        }
    }

    #[test]
    fn what_is_not_a_link_is_refused() {
        for (text, error) in [
            ("agent", LinkSpecError::Kind),
            ("serial", LinkSpecError::Kind),
            ("exec:", LinkSpecError::Command),
            ("exec:'open", LinkSpecError::Command),
            ("tcp:7000", LinkSpecError::Address),
            ("tcp::7000", LinkSpecError::Address),
            ("tcp:host:0", LinkSpecError::Address),
            ("serial:", LinkSpecError::SerialPort),
            ("serial::9600", LinkSpecError::SerialPort),
            ("serial:a,,b", LinkSpecError::SerialPort),
            ("serial:usb=", LinkSpecError::SerialPort),
            ("serial:usb=A#x", LinkSpecError::SerialPort),
            ("serial:usb-path=hub", LinkSpecError::SerialPort),
            ("serial:/dev/ttyUSB0:7", LinkSpecError::Speed(SpeedError)),
            ("serial:/dev/a,/dev/a", LinkSpecError::PortTwice { port: "/dev/a".into() }),
            ("exec:agent {seriall}", LinkSpecError::Placeholder { placeholder: "{seriall}".into() }),
            ("tcp:bench:70{slot:2}", LinkSpecError::Placeholder { placeholder: "{slot:2}".into() }),
        ] {
            assert_eq!(text.parse::<LinkSpec>(), Err(error), "{text}");
        }
    }

    #[test]
    fn braces_that_a_command_has_for_itself_are_left_to_it() {
        for text in
            ["exec:find {} x", "exec:sh -c 'cd ${HOME}; f() { agent {serial}; }; f'", "exec:x {a,b} {"]
        {
            assert!(text.parse::<LinkSpec>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_serial_that_leads_elsewhere_is_not_filled_in() {
        for text in ["exec:agent --state devices/{serial}", "serial:/dev/bench/{serial}"] {
            let spec: LinkSpec = text.parse().unwrap();
            for serial in ["../../etc", "..", "a/b", "-x"] {
                assert!(spec.accepts(&format!("cam-2/{serial}").parse().unwrap()).is_err(), "{serial}");
            }
            assert_eq!(spec.accepts(&"cam-2/SN-1.2".parse().unwrap()), Ok(()));
        }
    }
}
