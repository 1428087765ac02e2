//! The URLs of the configuration.

use http::Uri;
use identity::Host;

/// Checks an enrollment URL: `https://HOST[:PORT]`.
pub(crate) fn check_enrollment_url(url: &str) -> Result<(), String> {
    let parsed: Option<Uri> = url.parse().ok();
    check_host(parsed.as_ref())?;
    let good = parsed.is_some_and(|uri| {
        uri.scheme_str() == Some("https")
            && uri.host().is_some_and(|host| !host.is_empty())
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if good { Ok(()) } else { Err(format!("{url:?} is not https://HOST or https://HOST:PORT")) }
}

/// Checks a public URL, `http://HOST[:PORT][/PATH]`, and returns it without a `/` at its end.
pub(crate) fn check_public_url(url: &str) -> Result<String, String> {
    let parsed: Option<Uri> = url.parse().ok();
    check_host(parsed.as_ref())?;
    let good = parsed.is_some_and(|uri| {
        uri.scheme_str() == Some("http")
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if good && url.is_ascii() && url.len() <= PUBLIC_URL_BYTES_MAX {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(format!(
        "{url:?} is not http://HOST or http://HOST:PORT (plain http: a client that fetches a CRL trusts nothing yet)"
    ))
}

/// Checks that the host of a URL, if it has one, can be a server.
fn check_host(uri: Option<&Uri>) -> Result<(), String> {
    match uri.and_then(Uri::host).filter(|host| !host.is_empty()) {
        Some(host) => Host::of_uri(host).map(drop).map_err(|why| why.to_string()),
        None => Ok(()),
    }
}

/// Certificates, which contain it, must stay small.
const PUBLIC_URL_BYTES_MAX: usize = 128;
