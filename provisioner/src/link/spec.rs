//! `LINK` as it is written on the command line.

use std::fmt;
use std::str::FromStr;

use identity::DeviceId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkSpec {
    /// A command in words, in which `{serial}`, `{product}` and `{slot}` are replaced; without a shell.
    Exec(Vec<String>),
    Tcp(Address),
}

/// Host and port, in which `{slot}`, `{slot:02}`, `{serial}` and `{product}` are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: String,
}

impl Address {
    /// The host (without brackets) and port of one device.
    pub(crate) fn of(&self, device: &DeviceId, slot: usize) -> Result<(String, u16), LinkSpecError> {
        let host = LinkSpec::fill(&self.host, device, slot);
        let port = LinkSpec::fill(&self.port, device, slot);
        match port.parse() {
            Ok(port @ 1..) => Ok((host, port)),
            _ => Err(LinkSpecError::Port { port, slot }),
        }
    }
}

impl FromStr for Address {
    type Err = LinkSpecError;

    fn from_str(text: &str) -> Result<Self, LinkSpecError> {
        // The last colon outside braces: {slot:02} has one too.
        let mut depth = 0_i32;
        let colon = text.char_indices().filter(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            *c == ':' && depth == 0
        });
        let (host, port) = colon
            .last()
            .and_then(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)))
            .filter(|(host, _)| !host.is_empty())
            .ok_or(LinkSpecError::Address)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let numbered = port.contains('{') || matches!(port.parse::<u16>(), Ok(1..));
        // An IPv6 address, perhaps with a zone, or a placeholder; other hosts have no colon.
        let is_host =
            !host.contains(':') || host.contains(['{', '%']) || host.parse::<std::net::Ipv6Addr>().is_ok();
        if !numbered || !is_host {
            return Err(LinkSpecError::Address);
        }
        Ok(Self { host: host.to_owned(), port: port.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.host.contains('{') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl LinkSpec {
    /// Refuses a serial number that would lead elsewhere, such as one with a `/` in a file name.
    pub(crate) fn accepts(&self, device: &DeviceId) -> Result<(), LinkSpecError> {
        let serial = device.serial.as_str();
        let fills = match self {
            Self::Exec(words) => words.iter().any(|word| word.contains("{serial}")),
            Self::Tcp(address) => address.host.contains("{serial}"),
        };
        if fills && (serial.contains('/') || serial.starts_with('.') || serial.starts_with('-')) {
            return Err(LinkSpecError::Serial { serial: serial.to_owned() });
        }
        Ok(())
    }

    /// Refuses a slot for which there is no valid address.
    pub(crate) fn reaches(&self, slot: usize) -> Result<(), LinkSpecError> {
        match self {
            Self::Exec(_) => Ok(()),
            Self::Tcp(address) if address.port.contains("{serial}") => Ok(()),
            Self::Tcp(address) => {
                let port = address.port.replace("{slot:02}", &format!("{slot:02}"));
                let port = port.replace("{slot}", &slot.to_string());
                match port.parse::<u16>() {
                    Ok(1..) => Ok(()),
                    _ => Err(LinkSpecError::Port { port, slot }),
                }
            }
        }
    }

    pub(super) fn fill(word: &str, device: &DeviceId, slot: usize) -> String {
        // One pass, so that replaced text is not replaced again.
        let mut filled = String::new();
        let mut rest = word;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            filled.push_str(before);
            let known = [
                ("{serial}", device.serial.to_string()),
                ("{product}", device.product.to_string()),
                ("{slot}", slot.to_string()),
                ("{slot:02}", format!("{slot:02}")),
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
        if let Some(command) = text.strip_prefix("exec:") {
            let words = shlex::split(command).filter(|words| !words.is_empty());
            return words.map(Self::Exec).ok_or(LinkSpecError::Command);
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            return address.parse().map(Self::Tcp);
        }
        if text.starts_with("serial:") { Err(LinkSpecError::SerialPort) } else { Err(LinkSpecError::Kind) }
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(words) => {
                // Words of a command line contain no NUL, which is all that cannot be quoted.
                let quoted = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
                write!(f, "exec:{quoted}")
            }
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
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
    #[error("a link is exec:COMMAND or tcp:HOST:PORT")]
    Kind,
    #[error("exec: needs a command; a quote may be open")]
    Command,
    #[error("tcp: needs HOST:PORT")]
    Address,
    #[error("{placeholder} is not filled in; {{serial}}, {{product}}, {{slot}} and {{slot:02}} are")]
    Placeholder { placeholder: String },
    #[error("{port:?} is not a port (slot {slot}); a port is 1 to 65535")]
    Port { port: String, slot: usize },
    #[error(
        "serial ports are not in this version; connect the port with a command, for example \
         'exec:socat - /dev/ttyUSB0,b115200,rawer'"
    )]
    SerialPort,
    #[error("serial number {serial} cannot be filled in for {{serial}}: it has a / or starts with . or -")]
    Serial { serial: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_into_words_and_filled_in_once() {
        let LinkSpec::Exec(words) =
            "exec:agent --state 'my devices/{serial}' {slot} {product} {}".parse().unwrap()
        else {
            panic!()
        };
        let device = "cam-2/SN {slot}".replace("{slot}", "(1)").parse().unwrap();
        let filled: Vec<_> = words.iter().map(|word| LinkSpec::fill(word, &device, 3)).collect();
        assert_eq!(filled, ["agent", "--state", "my devices/SN (1)", "3", "cam-2", "{}"]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "exec:agent 'a b' {serial}",
            "tcp:bench-3:7000",
            "tcp:[::1]:7000",
            "tcp:bench-{slot}.line:7000",
            "tcp:bench-{slot:02}.line:40{slot:02}",
        ] {
            let spec: LinkSpec = text.parse().unwrap();
            assert_eq!(spec.to_string().parse(), Ok(spec));
        }
    }

    #[test]
    fn each_fixture_can_have_an_address_of_its_own() {
        let device = "cam-2/SN7".parse().unwrap();
        for (text, slot, host, port) in [
            ("bench:7000", 3, "bench", 7000),
            ("bench-{slot}.line:7000", 3, "bench-3.line", 7000),
            ("bench-{slot:02}:40{slot:02}", 3, "bench-03", 4003),
            ("[::1]:70{slot:02}", 12, "::1", 7012),
            ("{serial}.{product}.line:7", 1, "SN7.cam-2.line", 7),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.of(&device, slot), Ok((host.to_owned(), port)), "{text}");
        }
        let address: Address = "bench:6550{slot}".parse().unwrap();
        assert!(address.of(&device, 12).is_err(), "655012 is no port");
    }

    #[test]
    fn what_is_not_a_link_is_refused() {
        for (text, error) in [
            ("agent", LinkSpecError::Kind),
            ("exec:", LinkSpecError::Command),
            ("exec:'open", LinkSpecError::Command),
            ("tcp:7000", LinkSpecError::Address),
            ("tcp::7000", LinkSpecError::Address),
            ("tcp:host:0", LinkSpecError::Address),
            ("serial:/dev/ttyUSB0:115200", LinkSpecError::SerialPort),
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
        let spec: LinkSpec = "exec:agent --state devices/{serial}".parse().unwrap();
        for serial in ["../../etc", "..", "a/b", "-x"] {
            assert!(spec.accepts(&format!("cam-2/{serial}").parse().unwrap()).is_err(), "{serial}");
        }
        assert_eq!(spec.accepts(&"cam-2/SN-1.2".parse().unwrap()), Ok(()));
    }
}
