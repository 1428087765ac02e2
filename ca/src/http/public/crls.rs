//! How a list is served (R-CRL-12): whole or in parts, with what a cache must know, never compressed.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, ETAG, EXPIRES, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, Response, StatusCode};
use publication::Crl;

use super::body::PublicBody;
use super::conditional::{Precondition, Validators, evaluate};
use super::{MAX_AGE_SECONDS, another, page as new_page};

/// The list, as it was asked for.
pub(super) fn page(list: Arc<Crl>, asked: &HeaderMap, now: SystemTime) -> Response<PublicBody> {
    let etag = format!("\"{}\"", list.number);
    let text = |name| asked.get(name).and_then(|value| value.to_str().ok());
    let length = list.length();
    let current = Validators { etag: &etag, modified: list.this_update, shares_second: list.shares_second };
    let found = evaluate(asked, current);
    let mut answer = if found == Precondition::Failed {
        another()
    } else if found == Precondition::NotModified {
        let mut answer = Response::new(PublicBody::whole(Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        // A part of the list that its reader began with, or all of this one.
        let wanted = text(RANGE).filter(|_| text(IF_RANGE).is_none_or(|known| known == etag));
        match wanted.map_or(ByteRange::All, |range| part(range, length)) {
            ByteRange::All => new_page(
                StatusCode::OK,
                LIST_TYPE,
                PublicBody::Crl { list: Arc::clone(&list), at: 0, end: length },
            ),
            ByteRange::Of(first, last) => {
                let body = PublicBody::Crl { list: Arc::clone(&list), at: first, end: last + 1 };
                let mut answer = new_page(StatusCode::PARTIAL_CONTENT, LIST_TYPE, body);
                put(&mut answer, CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
                answer
            }
            ByteRange::Outside => {
                let mut answer =
                    new_page(StatusCode::RANGE_NOT_SATISFIABLE, LIST_TYPE, PublicBody::whole(Bytes::new()));
                put(&mut answer, CONTENT_RANGE, &format!("bytes */{length}"));
                answer
            }
        }
    };
    let left = list.next_update.duration_since(now).unwrap_or_default().as_secs();
    let max_age = left.saturating_sub(MARGIN_SECONDS).min(MAX_AGE_SECONDS);
    put(&mut answer, CACHE_CONTROL, &format!("public, no-transform, max-age={max_age}"));
    put(&mut answer, ETAG, &etag);
    put(&mut answer, LAST_MODIFIED, &httpdate::fmt_http_date(list.this_update.max(UNIX_EPOCH)));
    put(
        &mut answer,
        EXPIRES,
        &httpdate::fmt_http_date(now.max(UNIX_EPOCH) + std::time::Duration::from_secs(max_age)),
    );
    answer.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer
}

/// Which bytes.
#[derive(Debug, PartialEq, Eq)]
enum ByteRange {
    All,
    /// From the first to the last.
    Of(u64, u64),
    Outside,
}

/// `bytes=FIRST-LAST`, `bytes=FIRST-`, `bytes=-COUNT` (RFC 9110, section 14.1.2). What is not one of these, or is many, is all.
fn part(range: &str, length: u64) -> ByteRange {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return ByteRange::All;
    };
    let number = |text: &str| {
        text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(length.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, length.saturating_sub(1)),
        (None, Some(count)) if first.is_empty() => {
            if count == 0 {
                return ByteRange::Outside;
            }
            (length.saturating_sub(count), length.saturating_sub(1))
        }
        _ => return ByteRange::All,
    };
    if first < length { ByteRange::Of(first, last) } else { ByteRange::Outside }
}

fn put(answer: &mut Response<PublicBody>, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// RFC 2585, section 4.2.
const LIST_TYPE: &str = "application/pkix-crl";

/// A cache asks again this much before the list ends (R-CRL-12).
const MARGIN_SECONDS: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_was_asked_for_and_no_more() {
        for (range, expected) in [
            ("bytes=0-0", ByteRange::Of(0, 0)),
            ("bytes=10-19", ByteRange::Of(10, 19)),
            ("bytes=90-200", ByteRange::Of(90, 99)),
            ("bytes=90-", ByteRange::Of(90, 99)),
            ("bytes=-10", ByteRange::Of(90, 99)),
            ("bytes=-200", ByteRange::Of(0, 99)),
            ("bytes=100-", ByteRange::Outside),
            ("bytes=-0", ByteRange::Outside),
            ("bytes=5-4", ByteRange::All),
            ("bytes=0-1,3-4", ByteRange::All),
            ("bytes=-", ByteRange::All),
            ("lines=0-1", ByteRange::All),
            ("bytes=99999999999999999999-", ByteRange::All),
        ] {
            assert_eq!(part(range, 100), expected, "{range}");
        }
    }
}
