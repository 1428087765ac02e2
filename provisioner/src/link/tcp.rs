//! A device server at an address, which may have parts that differ by slot or device.

use std::fmt;
use std::str::FromStr;

use super::driver::{Channel, Driver, LinkError, LinkLimits, Place};
use super::spec::{LinkSpec, LinkSpecError, of_slot};

/// Host and port, in which `{slot}`, `{slot:02}`, `{serial}` and `{product}` are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TcpLink {
    host: String,
    port: String,
}

impl TcpLink {
    /// The host (without brackets) and port of one device.
    fn address(&self, place: &Place<'_>) -> Result<(String, u16), LinkSpecError> {
        let host = LinkSpec::fill(&self.host, place);
        let port = LinkSpec::fill(&self.port, place);
        match port.parse() {
            Ok(port @ 1..) => Ok((host, port)),
            _ => Err(LinkSpecError::Port { port, slot: place.slot }),
        }
    }
}

impl Driver for TcpLink {
    async fn open(&self, place: &Place<'_>, limits: &LinkLimits) -> Result<Channel, LinkError> {
        let (host, port) = self.address(place)?;
        let stream = match dial::connect(&host, port, limits.connect).await {
            Ok(stream) => stream,
            Err(error) if error.is_unresolved() => return Err(LinkError::Unusable(error.to_string())),
            Err(error) => return Err(LinkError::NobodyThere(error.to_string())),
        };
        // Requests are small and each waits for its answer. Without this option they are only slower.
        stream.set_nodelay(true).ok();
        let (reader, writer) = stream.into_split();
        Ok(Channel { reader: Box::new(reader), writer: Box::new(writer), process: None })
    }

    fn reaches(&self, slot: usize) -> Result<(), LinkSpecError> {
        if self.port.contains("{serial}") {
            return Ok(());
        }
        let port = of_slot(&self.port, slot);
        match port.parse::<u16>() {
            Ok(1..) => Ok(()),
            _ => Err(LinkSpecError::Port { port, slot }),
        }
    }

    fn fills_in_a_name(&self) -> bool {
        self.host.contains("{serial}")
    }
}

impl FromStr for TcpLink {
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

impl fmt::Display for TcpLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.host.contains('{') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let link: TcpLink = text.parse().unwrap();
            assert_eq!(link.address(&Place { device: &device, slot }), Ok((host.to_owned(), port)), "{text}");
        }
        let link: TcpLink = "bench:6550{slot}".parse().unwrap();
        assert!(link.address(&Place { device: &device, slot: 12 }).is_err(), "655012 is no port");
        assert!(link.reaches(12).is_err() && link.reaches(1).is_ok());
    }
}
