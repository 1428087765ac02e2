//! The body of a request: its type, its coding, and how it is read.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::body::PublicBody;
use super::plain;

/// Whether the body is sent as it is; nothing here decodes content codings. "An origin server MAY respond
/// with a status code of 415 (Unsupported Media Type) if a representation in the request message has a
/// content coding that is not acceptable." (RFC 9110, section 8.4)
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether `Content-Type` is this media type, with any parameters (RFC 9110, section 8.3.1), or absent.
pub(super) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let named = value.to_str().ok().and_then(|value| value.split(';').next());
    named.is_some_and(|named| named.trim().eq_ignore_ascii_case(media_type))
}

/// The whole body, or the response to a client that sends too much or too slowly.
pub(super) async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, Response<PublicBody>> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "it is too large, or it broke off\n")),
        Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "it did not come in time\n")),
    }
}

/// How long a body may take to arrive after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_body_with_a_content_coding_is_told() {
        let of = |codings: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            is_plain(&headers)
        };
        assert!(of(&[]) && of(&["identity"]) && of(&["Identity"]));
        assert!(!of(&["gzip"]) && !of(&["identity", "br"]) && !of(&["gzip, identity"]));
    }

    #[test]
    fn a_media_type_is_told_without_regard_to_case_and_parameters() {
        let of = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
            is_of_type(&headers, "application/ocsp-request")
        };
        for kind in [
            "application/ocsp-request",
            "Application/OCSP-Request",
            "application/ocsp-request; charset=utf-8",
            "application/ocsp-request ;a=\"b;c\"",
        ] {
            assert!(of(kind), "{kind}");
        }
        for kind in [
            "text/plain",
            "application/ocsp-request2",
            "",
            "application/ocsp-response",
            "; application/ocsp-request",
        ] {
            assert!(!of(kind), "{kind}");
        }
        assert!(is_of_type(&HeaderMap::new(), "application/ocsp-request"));
    }
}
