//! The address of the CA.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use identity::Host;
use rustls::pki_types::ServerName;

use crate::state::View;

use super::ObtainError;

/// The address of a CA: `https://HOST:PORT`, or `HOST:PORT`.
#[derive(Debug, Clone)]
pub struct Server {
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: ServerName<'static>,
}

impl Server {
    /// The named one, or else the one that the factory named.
    pub(crate) fn or_of_factory(named: Option<Self>, view: &View) -> Result<Self, ObtainError> {
        match named {
            Some(server) => Ok(server),
            None => view.record().enrollment_url.as_deref().ok_or(ObtainError::NoServer)?.parse(),
        }
    }
}

impl FromStr for Server {
    type Err = ObtainError;

    fn from_str(text: &str) -> Result<Self, ObtainError> {
        let address = || text.chars().take(100).collect();
        let wrong = || ObtainError::ServerAddress { address: address(), why: String::new() };
        // A host and a port alone mean https.
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let uri: Uri = whole.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("https") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        let host = uri.host().ok_or_else(wrong)?;
        // A name that no certificate can hold is refused.
        Host::of_uri(host).map_err(|why| ObtainError::ServerAddress {
            address: address(),
            why: format!(" ({})", why.what),
        })?;
        // A URI writes an IPv6 address in brackets (RFC 3986, section 3.2.2); sockets and certificates do
        // not.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
        let port = uri.port_u16().unwrap_or(HTTPS_PORT);
        Ok(Self { uri, host, port, name })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri)
    }
}

/// RFC 9110, section 4.2.2.
const HTTPS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_with_a_host_and_nothing_more() {
        for (good, host, port) in [
            ("https://ca.example.com", "ca.example.com", 443),
            ("https://127.0.0.1:8443", "127.0.0.1", 8443),
            ("https://[::1]:8443/", "::1", 8443),
            ("127.0.0.1:8443", "127.0.0.1", 8443),
            ("[::1]:8443", "::1", 8443),
            ("ca.example.com", "ca.example.com", 443),
        ] {
            let server: Server = good.parse().unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port));
        }
        for bad in [
            "",
            "http://ca",
            "https://",
            "https://ca/path",
            "https://ca/?q",
            "https://a b",
            "https://touchmark_ca:8443",
            "https://0.0.0.0:8443",
        ] {
            assert!(bad.parse::<Server>().is_err(), "{bad}");
        }
    }
}
