//! Conditional requests (RFC 9110, section 13): one implementation for revocation lists and OCSP responses. And what a media type says.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use http::{HeaderMap, HeaderName};

/// What the caller is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    /// With its quotes.
    pub(super) etag: &'a str,
    /// As `Last-Modified` says it.
    pub(super) modified: SystemTime,
    /// Whether something else was served before with the same `Last-Modified`: then that proves nothing.
    pub(super) shares_second: bool,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precondition {
    /// It is sent.
    Send,
    /// The caller has it already: 304.
    NotModified,
    /// The caller wants another one than there is: 412.
    Failed,
}

/// Judges the conditions in their order (section 13.2.2): `If-Match`, or without it `If-Unmodified-Since`; then `If-None-Match`, or without
/// it `If-Modified-Since`.
pub(super) fn evaluate(asked: &HeaderMap, current: Validators<'_>) -> Precondition {
    let is_right = match asked.contains_key(IF_MATCH) {
        // The comparison is strong (section 13.1.1): a weak entity tag matches nothing.
        true => text(asked, IF_MATCH)
            .any(|tags| tags.trim() == "*" || tags.split(',').any(|tag| tag.trim() == current.etag)),
        // A date that is none is no condition (section 13.1.4).
        false => {
            date(asked, IF_UNMODIFIED_SINCE).is_none_or(|since| seconds(current.modified) <= seconds(since))
        }
    };
    match is_right {
        false => Precondition::Failed,
        true if is_known(asked, current) => Precondition::NotModified,
        true => Precondition::Send,
    }
}

fn is_known(asked: &HeaderMap, current: Validators<'_>) -> bool {
    if asked.contains_key(IF_NONE_MATCH) {
        return text(asked, IF_NONE_MATCH).any(|tags| matches(tags, current.etag));
    }
    // The condition is false, and the answer 304, also when the dates are equal (section 13.1.3).
    date(asked, IF_MODIFIED_SINCE).is_some_and(|since| match seconds(current.modified).cmp(&seconds(since)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => !current.shares_second,
        std::cmp::Ordering::Greater => false,
    })
}

/// Whether the body is as its media type says: nothing here unpacks anything. "An origin server MAY respond with a status code of 415
/// (Unsupported Media Type) if a representation in the request message has a content coding that is not acceptable." (section 8.4)
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the `Content-Type` is this media type: without regard to case, with any parameters (section 8.3.1). Absent: yes, the path says
/// what is meant.
pub(super) fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return true };
    let named = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    named.is_some_and(|named| named.trim().eq_ignore_ascii_case(wanted))
}

/// `*`, or a list with this entity tag. The comparison is weak (section 13.1.2): `W/` says nothing here.
fn matches(tags: &str, etag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag.trim()) == opaque(etag))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn text(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    text(headers, name).next().and_then(|date| httpdate::parse_http_date(date).ok())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;

    const ETAG: &str = "\"17\"";

    fn found(headers: &[(HeaderName, &str)], shares_second: bool) -> Precondition {
        let mut asked = HeaderMap::new();
        for (name, value) in headers {
            asked.append(name, HeaderValue::from_str(value).unwrap());
        }
        // Within the second that Last-Modified says.
        let modified = UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        evaluate(&asked, Validators { etag: ETAG, modified, shares_second })
    }

    fn known(headers: &[(HeaderName, &str)], shares_second: bool) -> bool {
        found(headers, shares_second) == Precondition::NotModified
    }

    #[test]
    fn who_wants_another_one_than_there_is_gets_none() {
        for tags in ["\"16\"", "W/\"17\"", "", "\"16\", W/\"17\""] {
            assert_eq!(found(&[(IF_MATCH, tags)], false), Precondition::Failed, "{tags}");
        }
        for tags in [ETAG, "*", "\"16\", \"17\""] {
            assert_eq!(found(&[(IF_MATCH, tags)], false), Precondition::Send, "{tags}");
            assert_eq!(
                found(&[(IF_MATCH, tags), (IF_NONE_MATCH, ETAG)], false),
                Precondition::NotModified,
                "{tags}"
            );
        }
        let unmodified = |second| {
            let date = format!("Sun, 06 Nov 1994 08:49:{second} GMT");
            found(&[(IF_UNMODIFIED_SINCE, date.as_str())], false)
        };
        assert_eq!(
            [unmodified(36), unmodified(37), unmodified(38)],
            [Precondition::Failed, Precondition::Send, Precondition::Send]
        );
        assert_eq!(found(&[(IF_UNMODIFIED_SINCE, "yesterday")], false), Precondition::Send);
        // An entity tag comes first.
        let before = (IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT");
        assert_eq!(found(&[before, (IF_MATCH, ETAG)], false), Precondition::Send);
    }

    #[test]
    fn a_body_that_is_packed_is_told() {
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
    fn an_entity_tag_is_matched_weakly_alone_in_a_list_and_by_a_star() {
        for tags in [ETAG, "W/\"17\"", "*", " * ", "\"16\", \"17\"", "\"16\",W/\"17\"", "\"a,b\", \"17\""] {
            assert!(known(&[(IF_NONE_MATCH, tags)], false), "{tags}");
        }
        for tags in ["\"16\"", "17", "w/\"17\"", "", "\"16\", \"18\"", "\"1\"7"] {
            assert!(!known(&[(IF_NONE_MATCH, tags)], false), "{tags}");
        }
        assert!(known(&[(IF_NONE_MATCH, "\"16\""), (IF_NONE_MATCH, ETAG)], false), "in the second line");
    }

    #[test]
    fn a_date_that_is_equal_or_later_is_known_and_an_entity_tag_comes_first() {
        let (equal, before, after) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:36 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
        );
        let since = |date| (IF_MODIFIED_SINCE, date);
        assert!(
            known(&[since(equal)], false) && known(&[since(after)], false) && !known(&[since(before)], false)
        );
        assert!(!known(&[since("yesterday")], false) && !known(&[], false));
        assert!(!known(&[since(after), (IF_NONE_MATCH, "\"16\"")], false));
        assert!(known(&[since(before), (IF_NONE_MATCH, ETAG)], false));
        // Two of one second: the date does not tell them apart.
        assert!(
            !known(&[since(equal)], true)
                && known(&[since(after)], true)
                && known(&[(IF_NONE_MATCH, ETAG)], true)
        );
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
