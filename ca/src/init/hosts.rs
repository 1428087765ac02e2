//! Names and addresses in the server's certificate.

use identity::{Host, HostError};
use issuance::Names;

/// Parses a name or address of a server, in the form that certificates have.
///
/// # Errors
/// When it is neither.
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

/// The host of a valid URL.
pub(super) fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Host::of_uri(uri.host()?).ok().map(|host| host.to_string())
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
