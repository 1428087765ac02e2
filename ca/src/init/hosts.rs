//! Names and addresses in the server's certificate.

use std::net::IpAddr;

use issuance::Names;
use rustls_pki_types::DnsName;

/// One name or address of a server: a DNS name in lower case, or an address.
///
/// # Errors
/// When it is neither.
pub fn parse_host(text: &str) -> Result<String, HostError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return if address.is_unspecified() {
            Err(HostError { host: text.to_owned() })
        } else {
            Ok(address.to_string())
        };
    }
    let name = text.to_ascii_lowercase();
    match DnsName::try_from(name.as_str()) {
        Ok(_) if !name.ends_with('.') => Ok(name),
        _ => Err(HostError { host: text.to_owned() }),
    }
}

/// Those that were asked for, and the loopback's.
pub(super) fn names(hosts: &[String]) -> Result<Names, HostError> {
    let mut names = Names::default();
    for host in LOOPBACK.iter().copied().chain(hosts.iter().map(String::as_str)) {
        let host = parse_host(host)?;
        match host.parse::<IpAddr>() {
            Ok(address) if !names.addresses.contains(&address) => names.addresses.push(address),
            Err(_) if !names.dns.contains(&host) => names.dns.push(host),
            _ => {}
        }
    }
    Ok(names)
}

/// The text is no name of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host:?} is neither a DNS name nor an address; write for example ca.example.com or 192.0.2.7")]
pub struct HostError {
    /// The text.
    pub host: String,
}

/// Always in the certificate: the operator's first steps are on the same machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_each_once() {
        let names = names(&["CA.Example.com".into(), "192.0.2.7".into(), "localhost".into()]).unwrap();
        assert_eq!(names.dns, ["localhost", "ca.example.com"]);
        assert_eq!(names.addresses.len(), 3);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "0.0.0.0", "::", "https://ca", "ca:8443", "*.example.com", "ca.", "a b"] {
            assert_eq!(parse_host(bad), Err(HostError { host: bad.to_owned() }));
        }
    }
}
