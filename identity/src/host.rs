//! DNS names and IP addresses of servers, as certificates contain them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A server's DNS name, in lower case, or its IP address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name in the preferred syntax (RFC 5280, section 4.2.1.6; RFC 1123, section 2.1): labels of 1 to 63
    /// letters, digits and hyphens, no hyphen at either end, 253 characters in all, the last label not a
    /// number.
    Name(String),
    /// The address of one host: not unspecified, multicast or broadcast.
    Address(IpAddr),
}

impl Host {
    /// Parses the host of a URI, where an IPv6 address is in brackets (RFC 3986, section 3.2.2).
    pub fn of_uri(host: &str) -> Result<Self, HostError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bare.map(str::parse::<IpAddr>) {
            Some(Ok(address)) => address.to_string().parse(),
            Some(Err(_)) => {
                Err(HostError { host: shortened(host), what: "is in brackets and is no IPv6 address" })
            }
            None => host.parse(),
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let refused = |what| Err(HostError { host: shortened(text), what });
        if let Ok(address) = text.parse::<IpAddr>() {
            let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
            return match address.is_unspecified() || address.is_multicast() || broadcast {
                true => refused("is not the address of one host"),
                false => Ok(Self::Address(address)),
            };
        }
        match fault(text) {
            Some(what) => refused(what),
            None => Ok(Self::Name(text.to_ascii_lowercase())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// Why a text is not a name for a certificate.
fn fault(text: &str) -> Option<&'static str> {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    let labels = || text.split('.');
    if text.is_empty() {
        Some("is empty")
    } else if text.contains('_') {
        Some(
            "has an underscore, which names of servers do not have (RFC 1123, section 2.1): write a hyphen, or give the server another name",
        )
    } else if text.contains('*') {
        Some("has a wildcard; write each name by itself")
    } else if text.contains("://") || text.contains('/') {
        Some("is a URL or a path; write only the name or address in it")
    } else if text.contains(':') {
        Some("has a port, or is no IPv6 address; write the name or address alone")
    } else if !text.bytes().all(allowed) {
        Some(
            "has a character other than letters, digits, hyphens and dots (international names are written as xn--…)",
        )
    } else if text.len() > NAME_CHARACTERS_MAX {
        Some("has more than 253 characters")
    } else if text.ends_with('.') {
        Some("ends with a dot")
    } else if labels().any(|label| label.is_empty() || label.len() > LABEL_CHARACTERS_MAX) {
        Some("has a part between two dots that is empty or longer than 63 characters")
    } else if labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
        Some("has a part that begins or ends with a hyphen")
    } else if labels().next_back().is_some_and(is_number) {
        Some("ends in a number and is no IPv4 address")
    } else {
        None
    }
}

/// Resolvers take a name with a last label that is a number, also in hexadecimal, for an IPv4 address.
fn is_number(label: &str) -> bool {
    let digits = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match digits {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_hexdigit()),
        None => label.bytes().all(|octet| octet.is_ascii_digit()),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

/// The text is not a name or address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host:?} {what}; a server is written as ca.example.com or 192.0.2.7")]
pub struct HostError {
    /// The text, at most 100 characters of it.
    pub host: String,
    /// The mistake, for people.
    pub what: &'static str,
}

/// RFC 1035, section 2.3.4, without the length octets and the root.
const NAME_CHARACTERS_MAX: usize = 253;

/// RFC 1035, section 2.3.4.
const LABEL_CHARACTERS_MAX: usize = 63;

const SHOWN_CHARACTERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case_and_addresses_in_their_usual_form() {
        for (text, host) in [
            ("CA.Example.com", "ca.example.com"),
            ("localhost", "localhost"),
            ("3com.example", "3com.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:DB8::0:7", "2001:db8::7"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), host);
        }
        assert_eq!(Host::of_uri("[::1]").unwrap(), Host::Address("::1".parse().unwrap()));
        assert_eq!(Host::of_uri("ca").unwrap(), Host::Name("ca".into()));
    }

    #[test]
    fn what_no_certificate_can_have_is_refused_for_its_own_reason() {
        let long = format!("{}.example", "a".repeat(64));
        for (text, what) in [
            ("", "empty"),
            ("touchmark_ca", "underscore"),
            ("*.example.com", "wildcard"),
            ("https://ca", "URL"),
            ("ca/x", "URL"),
            ("ca:8443", "port"),
            ("::", "one host"),
            ("0.0.0.0", "one host"),
            ("255.255.255.255", "one host"),
            ("ff02::1", "one host"),
            ("ca.", "dot"),
            ("a..b", "between two dots"),
            (&long, "longer than 63"),
            ("-ca.example", "hyphen"),
            ("ca-.example", "hyphen"),
            ("300.1.2.3", "IPv4"),
            ("1.2.3", "IPv4"),
            ("127.0x1", "IPv4"),
            ("a b", "character"),
            ("cä.example", "character"),
        ] {
            let said = text.parse::<Host>().unwrap_err().to_string();
            assert!(said.contains(what), "{text}: {said}");
        }
        assert!(Host::of_uri("[ca]").unwrap_err().to_string().contains("brackets"));
    }
}
