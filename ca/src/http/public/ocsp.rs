//! OCSP over HTTP (RFC 6960, appendix A.1; RFC 9919; R-OCSP-01, R-OCSP-07).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use issuance::OcspError;
use percent_encoding::percent_decode_str;
use publication::OcspReply;

use super::body::PublicBody;
use super::cacheable::{Cacheable, Kind};
use super::conditions::Validators;
use super::respond;

/// Decodes the request in a path after `/ocsp`: base64 or base64url, percent-encoded or not, padded or not,
/// and with slashes that some proxies double.
pub(super) fn decode(path: &str) -> Option<Vec<u8>> {
    let encoded = path.strip_prefix('/')?.trim_start_matches('/');
    // Some clients write base64url (RFC 4648, section 5).
    let standard = |octet| match octet {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let decoded: Vec<u8> = percent_decode_str(encoded).map(standard).collect();
    BASE64.decode(&decoded).ok().or_else(|| {
        let text = String::from_utf8(decoded).ok()?;
        BASE64.decode(text.replace("//", "/")).ok()
    })
}

pub(super) fn malformed() -> OcspReply {
    OcspReply { der: Bytes::copy_from_slice(&OcspError::MalformedRequest.der()), cache: None }
}

pub(super) fn cacheable(reply: OcspReply, request: &HeaderMap, now: SystemTime) -> Response<PublicBody> {
    let Some(cache) = reply.cache else { return uncacheable(reply) };
    let validators =
        Validators { etag: &cache.etag, modified: cache.this_update, shares_second: cache.shares_second };
    let response = Cacheable {
        body: reply.der.into(),
        media_type: RESPONSE_TYPE,
        validators,
        next_update: cache.next_update,
        margin: CACHE_MARGIN,
        kind: Kind::Ocsp,
    };
    response.respond(request, now)
}

/// The response to POST, and every OCSP error, with HTTP status 200.
pub(super) fn uncacheable(reply: OcspReply) -> Response<PublicBody> {
    let mut response = respond(StatusCode::OK, RESPONSE_TYPE, reply.der.into());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) const REQUEST_TYPE: &str = "application/ocsp-request";
const RESPONSE_TYPE: &str = "application/ocsp-response";

/// A cache asks again this long before nextUpdate (R-OCSP-07).
const CACHE_MARGIN: Duration = Duration::from_secs(60);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_decoded_in_every_usual_form_of_base64() {
        // R-OCSP-01.
        let question = [0xfb, 0xef, 0xff, 0x3f, 0xbe];
        assert_eq!(BASE64.encode(question), "++//P74=");
        for path in [
            "/++//P74=",
            "/%2B%2B%2F%2FP74%3D",
            "/%2b%2b//P74",
            "//++//P74=",
            "/--__P74=",
            "/--__P74",
            "/%2d%2d%5f%5fP74",
        ] {
            assert_eq!(decode(path).as_deref(), Some(&question[..]), "{path}");
        }
        assert_eq!(decode("/+//vvvv").as_deref(), BASE64.decode("+//vvvv").ok().as_deref());
        assert_eq!(decode("/"), Some(vec![]));
        assert_eq!(decode("/!"), None);
    }

    #[test]
    fn a_slash_that_was_doubled_on_the_way_is_one() {
        let question = [0xff, 0x3f, 0xbe, 0];
        assert_eq!(BASE64.encode(question), "/z++AA==");
        assert_eq!(decode("/a//z++AAA==").as_deref(), BASE64.decode("a/z++AAA==").ok().as_deref());
    }
}
