//! The address of a CA, as people type it.

use identity::Host;
use tonic::transport::Uri;

/// Reads the address of a CA: `https://HOST:PORT`, or `HOST:PORT` alone.
pub fn server(text: &str) -> Result<Uri, ServerAddressError> {
    let address = || text.chars().take(ADDRESS_CHARACTERS_MAX).collect();
    let wrong = || ServerAddressError { address: address(), why: String::new() };
    // The default is https, which is all that a CA speaks.
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let uri: Uri = whole.parse().map_err(|_| wrong())?;
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let good = uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty()) && bare;
    if !good {
        return Err(wrong());
    }
    let refused = |why: &str| Err(ServerAddressError { address: address(), why: format!(": {why}") });
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if authority.contains('@') {
        // The text is not repeated, because it may contain a password.
        let why = ": leave out the user: a caller is known by its credential".to_owned();
        return Err(ServerAddressError { address: uri.host().unwrap_or_default().to_owned(), why });
    }
    let port = authority.strip_prefix(uri.host().unwrap_or_default()).and_then(|rest| rest.strip_prefix(':'));
    if port
        .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err())
    {
        return refused("a port is 1 to 65535");
    }
    // The name in the server's certificate must be valid.
    match Host::of_uri(uri.host().unwrap_or_default()) {
        Ok(_) => Ok(uri),
        Err(why) => Err(ServerAddressError { address: address(), why: format!(": {why}") }),
    }
}

/// The text is not the address of a CA.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is not the address of a CA, which is written https://HOST:PORT or HOST:PORT{why}")]
pub struct ServerAddressError {
    /// The text, shortened.
    pub address: String,
    /// What is wrong with the address, after a colon; may be empty.
    pub why: String,
}

/// The longest text that is repeated in an error.
const ADDRESS_CHARACTERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_its_scheme_and_without() {
        for (good, host, port) in [
            ("https://ca.example.com", "ca.example.com", None),
            ("https://127.0.0.1:8443/", "127.0.0.1", Some(8443)),
            ("127.0.0.1:8443", "127.0.0.1", Some(8443)),
            ("[::1]:8443", "[::1]", Some(8443)),
            ("ca.example.com:8443", "ca.example.com", Some(8443)),
            ("localhost", "localhost", None),
        ] {
            let uri = server(good).unwrap();
            assert_eq!((uri.host(), uri.port_u16()), (Some(host), port), "{good}");
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
