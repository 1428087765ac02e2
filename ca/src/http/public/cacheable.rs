//! Responses that HTTP caches may keep, CRLs and OCSP alike: conditions, byte ranges, cache headers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, ETAG, EXPIRES, HeaderName, HeaderValue, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, Response, StatusCode};

use super::body::PublicBody;
use super::conditions::{Outcome, Validators, evaluate};
use super::{plain, respond};

pub(super) struct Cacheable<'a> {
    pub(super) body: PublicBody,
    pub(super) media_type: &'static str,
    pub(super) validators: Validators<'a>,
    /// When it is replaced at the latest.
    pub(super) next_update: SystemTime,
    /// How long before that a cache must ask again.
    pub(super) margin: Duration,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Can be fetched in ranges; `Expires` is the end of `max-age` (R-CRL-12).
    Crl,
    /// Must be revalidated when stale; `Expires` is nextUpdate (R-OCSP-07).
    Ocsp,
}

impl Cacheable<'_> {
    pub(super) fn respond(self, request: &HeaderMap, now: SystemTime) -> Response<PublicBody> {
        let Self { body, media_type, validators, next_update, margin, kind } = self;
        let mut response = match evaluate(request, validators) {
            Outcome::PreconditionFailed => {
                plain(StatusCode::PRECONDITION_FAILED, "there is another one now\n")
            }
            Outcome::NotModified => {
                let mut response = Response::new(PublicBody::from(Bytes::new()));
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            }
            Outcome::Send if kind == Kind::Crl => ranged(body, media_type, request, validators.etag),
            Outcome::Send => respond(StatusCode::OK, media_type, body),
        };
        let max_age = next_update.duration_since(now).unwrap_or_default().saturating_sub(margin).min(MAX_AGE);
        let max_age = Duration::from_secs(max_age.as_secs());
        let (cache_control, expires) = match kind {
            Kind::Crl => ("public, no-transform", now.max(UNIX_EPOCH) + max_age),
            Kind::Ocsp => ("public, no-transform, must-revalidate", next_update),
        };
        let headers = response.headers_mut();
        put(headers, CACHE_CONTROL, &format!("{cache_control}, max-age={}", max_age.as_secs()));
        put(headers, ETAG, validators.etag);
        put(headers, LAST_MODIFIED, &httpdate::fmt_http_date(validators.modified.max(UNIX_EPOCH)));
        put(headers, EXPIRES, &httpdate::fmt_http_date(expires));
        if kind == Kind::Crl {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        response
    }
}

/// The body, or the range that is asked for, if it is of the representation that the client names.
fn ranged(
    body: PublicBody,
    media_type: &'static str,
    request: &HeaderMap,
    etag: &str,
) -> Response<PublicBody> {
    let text = |name| request.get(name).and_then(|value| value.to_str().ok());
    let range = text(RANGE).filter(|_| text(IF_RANGE).is_none_or(|known| known == etag));
    let length = body.length();
    match range.map_or(ByteRange::Whole, |range| ByteRange::parse(range, length)) {
        ByteRange::Whole => respond(StatusCode::OK, media_type, body),
        ByteRange::Part(first, last) => {
            let mut response = respond(StatusCode::PARTIAL_CONTENT, media_type, body.range(first, last + 1));
            put(response.headers_mut(), CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
            response
        }
        ByteRange::Unsatisfiable => {
            let empty = PublicBody::from(Bytes::new());
            let mut response = respond(StatusCode::RANGE_NOT_SATISFIABLE, media_type, empty);
            put(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{length}"));
            response
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ByteRange {
    Whole,
    /// The first and the last byte.
    Part(u64, u64),
    Unsatisfiable,
}

impl ByteRange {
    /// Reads `bytes=FIRST-LAST`, `bytes=FIRST-` and `bytes=-COUNT` (RFC 9110, section 14.1.2). Anything else,
    /// also several ranges, is ignored.
    fn parse(range: &str, length: u64) -> Self {
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let number = |text: &str| {
            text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
        };
        let end = length.saturating_sub(1);
        let (first, last) = match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.min(end)),
            (Some(first), None) if last.is_empty() => (first, end),
            (None, Some(0)) if first.is_empty() => return Self::Unsatisfiable,
            (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), end),
            _ => return Self::Whole,
        };
        if first < length { Self::Part(first, last) } else { Self::Unsatisfiable }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// How long an HTTP cache may keep a CRL or an OCSP response, at most. A revocation replaces both within a
/// second, so this is how much later a client behind a cache sees it. A client that cannot wait sends a
/// nonce, uses POST, or follows the feed.
const MAX_AGE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_was_asked_for_and_no_more() {
        for (range, expected) in [
            ("bytes=0-0", ByteRange::Part(0, 0)),
            ("bytes=10-19", ByteRange::Part(10, 19)),
            ("bytes=90-200", ByteRange::Part(90, 99)),
            ("bytes=90-", ByteRange::Part(90, 99)),
            ("bytes=-10", ByteRange::Part(90, 99)),
            ("bytes=-200", ByteRange::Part(0, 99)),
            ("bytes=100-", ByteRange::Unsatisfiable),
            ("bytes=-0", ByteRange::Unsatisfiable),
            ("bytes=5-4", ByteRange::Whole),
            ("bytes=0-1,3-4", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("lines=0-1", ByteRange::Whole),
            ("bytes=99999999999999999999-", ByteRange::Whole),
        ] {
            assert_eq!(ByteRange::parse(range, 100), expected, "{range}");
        }
    }
}
