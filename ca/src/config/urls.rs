//! The URLs of the configuration.

use http::Uri;
use identity::Host;

/// Checks an enrollment URL, `https://HOST[:PORT]`, and returns it as it is.
pub(crate) fn check_enrollment_url(url: &str) -> Result<String, String> {
    match parse(url, "https")? {
        Some(uri) if matches!(uri.path(), "" | "/") => Ok(url.to_owned()),
        _ => Err(format!("{url:?} is not https://HOST or https://HOST:PORT")),
    }
}

/// Checks a public URL, `http://HOST[:PORT][/PATH]`, and returns it without a `/` at its end.
pub(crate) fn check_public_url(url: &str) -> Result<String, String> {
    if parse(url, "http")?.is_some() && url.is_ascii() && url.len() <= PUBLIC_URL_BYTES_MAX {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(format!(
        "{url:?} is not http://HOST or http://HOST:PORT (plain http: a client that fetches a CRL trusts nothing yet)"
    ))
}

/// The URL, if it has this scheme, a host, no user and no query.
fn parse(url: &str, scheme: &str) -> Result<Option<Uri>, String> {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).filter(|host| !host.is_empty());
    let Some(host) = host else { return Ok(None) };
    Host::of_uri(host).map_err(|why| why.to_string())?;
    Ok(uri.filter(|uri| {
        uri.scheme_str() == Some(scheme)
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    }))
}

/// Certificates, which contain it, must stay small.
const PUBLIC_URL_BYTES_MAX: usize = 128;
