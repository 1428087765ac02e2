//! How questions about status come and answers go (RFC 6960, appendix A.1; RFC 9919; R-OCSP-01, R-OCSP-07).

use std::time::SystemTime;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, EXPIRES, HeaderValue, LAST_MODIFIED};
use http::{HeaderMap, Response, StatusCode};
use issuance::OcspError;
use percent_encoding::percent_decode_str;
use publication::OcspReply;

use super::body::PublicBody;
use super::conditional::{Precondition, Validators, evaluate};
use super::{MAX_AGE_SECONDS, another, page};

/// The question in a path after `/ocsp/`: base64 or base64url, percent-encoded or not, with or without padding, and with the slashes in it that
/// servers on the way like to double.
pub(super) fn decode(path: &str) -> Option<Vec<u8>> {
    let encoded = path.strip_prefix('/')?.trim_start_matches('/');
    // base64url (RFC 4648, section 5) is what some clients write into a path.
    let standard = |octet| match octet {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let decoded: Vec<u8> = percent_decode_str(encoded).map(standard).collect();
    BASE64.decode(&decoded).ok().or_else(|| {
        // A slash that was doubled on the way is not one of base64's.
        let text = String::from_utf8(decoded).ok()?;
        BASE64.decode(text.replace("//", "/")).ok()
    })
}

/// The answer to what is no question.
pub(super) fn malformed() -> OcspReply {
    OcspReply { der: Bytes::copy_from_slice(&OcspError::MalformedRequest.der()), fresh: None }
}

/// An answer that caches on the way may keep, for a short while: a revocation changes it at once.
pub(super) fn cacheable(answered: OcspReply, asked: &HeaderMap, now: SystemTime) -> Response<PublicBody> {
    let Some(fresh) = answered.fresh else { return for_one(answered) };
    let current =
        Validators { etag: &fresh.etag, modified: fresh.this_update, shares_second: fresh.shares_second };
    let mut answer = match evaluate(asked, current) {
        Precondition::NotModified => {
            let mut answer = Response::new(PublicBody::whole(Bytes::new()));
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        }
        Precondition::Failed => another(),
        Precondition::Send => page(StatusCode::OK, ANSWER_TYPE, PublicBody::whole(answered.der)),
    };
    let left = fresh.next_update.duration_since(now).unwrap_or_default().as_secs();
    let max_age = left.saturating_sub(MARGIN_SECONDS).min(MAX_AGE_SECONDS);
    for (name, value) in [
        (CACHE_CONTROL, format!("max-age={max_age}, public, no-transform, must-revalidate")),
        (ETAG, fresh.etag.to_string()),
        (LAST_MODIFIED, httpdate::fmt_http_date(fresh.this_update)),
        (EXPIRES, httpdate::fmt_http_date(fresh.next_update)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// An answer for its asker only. HTTP 200 also for the errors of OCSP.
pub(super) fn for_one(answered: OcspReply) -> Response<PublicBody> {
    let mut answer = page(StatusCode::OK, ANSWER_TYPE, PublicBody::whole(answered.der));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What a question is.
pub(super) const QUESTION_TYPE: &str = "application/ocsp-request";

const ANSWER_TYPE: &str = "application/ocsp-response";

/// A cache asks again this much before the answer ends (R-OCSP-07).
const MARGIN_SECONDS: u64 = 60;

/// Padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_however_it_was_written_into_a_path() {
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
