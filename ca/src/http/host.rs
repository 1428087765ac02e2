//! The `Host` of a request.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Version};

/// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
/// Host header field and to any request message that contains more than one Host header field line or a Host
/// header field with an invalid field value." -- <https://www.rfc-editor.org/rfc/rfc9112#section-3.2>
pub(super) fn is_named(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// `uri-host [ ":" port ]`: an authority without user information and with a valid port.
fn is_host(text: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(text) else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok() && !port.starts_with('+');
    port.is_some_and(|port| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_names_its_host_once() {
        let named = |version, hosts: &[&'static str]| {
            let hosts = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host)));
            let mut headers = HeaderMap::new();
            hosts.for_each(|(name, host)| {
                headers.append(name, host);
            });
            is_named(version, &headers)
        };
        for host in
            ["ca.example.com", "ca.example.com:8080", "192.0.2.1:80", "[2001:db8::1]:80", "[::1]", "ca:", ""]
        {
            assert!(named(Version::HTTP_11, &[host]), "{host:?}");
            assert!(named(Version::HTTP_10, &[host]), "{host:?}");
        }
        for host in ["ca example", "user@ca", "ca/x", "ca:80:80", "a:b", "a:99999", "a:+80", "[::1]:x"] {
            assert!(!named(Version::HTTP_11, &[host]), "{host:?}");
        }
        assert!(!named(Version::HTTP_11, &[]));
        assert!(named(Version::HTTP_10, &[]));
        assert!(!named(Version::HTTP_11, &["ca", "ca"]));
        assert!(!named(Version::HTTP_10, &["ca", "other"]));
    }
}
