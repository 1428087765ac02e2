//! Names and addresses in the server's certificate.

use std::net::SocketAddr;

use identity::{Host, HostError};
use issuance::Names;

/// Parses a name or address of a server, in the form that certificates have.
pub fn parse_host(text: &str) -> Result<String, HostError> {
    text.parse::<Host>().map(|host| host.to_string())
}

/// These hosts and those of the loopback, each once.
pub(super) fn names(hosts: &[String]) -> Result<Names, HostError> {
    let mut names = Names::default();
    for host in LOOPBACK.iter().copied().chain(hosts.iter().map(String::as_str)) {
        match host.parse::<Host>()? {
            Host::Address(address) if !names.addresses.contains(&address) => names.addresses.push(address),
            Host::Name(name) if !names.dns.contains(&name) => names.dns.push(name),
            _ => {}
        }
    }
    Ok(names)
}

/// These hosts, the one of the enrollment URL, which devices check, and the one of a single listener.
pub(super) fn with_own(hosts: Vec<String>, enrollment_url: Option<&str>, listen: SocketAddr) -> Vec<String> {
    let uri: Option<http::Uri> = enrollment_url.and_then(|url| url.parse().ok());
    let enrollment = uri.as_ref().and_then(http::Uri::host).and_then(|host| Host::of_uri(host).ok());
    let listen = Some(listen.ip()).filter(|address| !address.is_unspecified()).map(Host::Address);
    hosts.into_iter().chain(enrollment.into_iter().chain(listen).map(|host| host.to_string())).collect()
}

/// Always in the certificate, for clients on the same machine.
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
    fn what_no_certificate_can_have_is_refused_where_it_is_read() {
        for bad in ["", "0.0.0.0", "https://ca", "ca:8443", "*.example.com", "ca.", "a b", "touchmark_ca"] {
            assert_eq!(parse_host(bad).unwrap_err().host, bad);
        }
    }
}
