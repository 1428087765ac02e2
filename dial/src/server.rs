//! The address of a CA, as people type it.

use http::Uri;
use identity::Host;

/// Reads the address of a CA: `https://HOST:PORT`, or `HOST:PORT` alone.
///
/// # Errors
/// When it is another URL, or its host is one that no server's certificate can hold.
pub fn server(text: &str) -> Result<Uri, ServerAddressError> {
    let refused = |why: String| ServerAddressError { address: text.chars().take(100).collect(), why };
    // The default is https, which is all that a CA speaks.
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let uri: Uri = whole.parse().map_err(|_| refused(String::new()))?;
    let host = uri.host().unwrap_or_default();
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if uri.scheme_str() != Some("https") || host.is_empty() || !bare {
        return Err(refused(String::new()));
    }
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if authority.contains('@') {
        // The text is not repeated, because it may contain a password.
        let why = ": leave out the user: a caller is known by its credential".to_owned();
        return Err(ServerAddressError { address: host.to_owned(), why });
    }
    let port = authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
        return Err(refused(": a port is 1 to 65535".to_owned()));
    }
    match Host::of_uri(host) {
        Ok(_) => Ok(uri),
        Err(why) => Err(refused(format!(": {why}"))),
    }
}

/// Host and port of a server, for [`connect`](crate::connect): without the brackets of an IPv6 address (RFC
/// 3986, section 3.2.2), and by default port 443 (RFC 9110, section 4.2.2).
pub fn host_and_port(server: &Uri) -> (String, u16) {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    (host.to_owned(), server.port_u16().unwrap_or(443))
}

/// The text is not the address of a CA.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is not the address of a CA, which is written https://HOST:PORT or HOST:PORT{why}")]
pub struct ServerAddressError {
    /// The text, cut to 100 characters.
    pub address: String,
    /// What is wrong with the address, after a colon; may be empty.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_its_scheme_and_without() {
        for (good, host, port) in [
            ("https://ca.example.com", "ca.example.com", 443),
            ("https://127.0.0.1:8443/", "127.0.0.1", 8443),
            ("127.0.0.1:8443", "127.0.0.1", 8443),
            ("https://[::1]:8443/", "::1", 8443),
            ("[::1]:8443", "::1", 8443),
            ("ca.example.com:8443", "ca.example.com", 8443),
            ("localhost", "localhost", 443),
        ] {
            let uri = server(good).unwrap();
            assert_eq!(host_and_port(&uri), (host.to_owned(), port), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_ca_is_refused() {
        for bad in [
            "",
            "http://ca",
            "https://",
            "https://ca/path",
            "https://ca/?q",
            "a b",
            ":8443",
            "ftp://ca",
            "https://touchmark_ca",
            "0.0.0.0:8443",
            "127.0.0.1:99999",
            "127.0.0.1:0",
            "https://user:pw@127.0.0.1:8443",
        ] {
            let said = server(bad).unwrap_err().to_string();
            assert!(!said.contains("pw"), "{said}");
        }
    }
}
