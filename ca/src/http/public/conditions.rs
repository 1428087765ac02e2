//! Conditional requests (RFC 9110, section 13).

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName};

#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    /// Entity tag with its quotes.
    pub(super) etag: &'a str,
    pub(super) modified: SystemTime,
    /// Whether an earlier one had the same `Last-Modified` second: a date does not identify this one then.
    pub(super) shares_second: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Send,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Evaluates the conditions in their order (section 13.2.2): `If-Match`, or without it `If-Unmodified-Since`;
/// then `If-None-Match`, or without it `If-Modified-Since`.
pub(super) fn evaluate(headers: &HeaderMap, current: Validators<'_>) -> Outcome {
    let passes = match headers.contains_key(IF_MATCH) {
        // The comparison is strong (section 13.1.1): a weak entity tag matches nothing.
        true => text(headers, IF_MATCH)
            .any(|tags| tags.trim() == "*" || tags.split(',').any(|tag| tag.trim() == current.etag)),
        // An invalid date is no condition (section 13.1.4).
        false => {
            date(headers, IF_UNMODIFIED_SINCE).is_none_or(|since| seconds(current.modified) <= seconds(since))
        }
    };
    match passes {
        false => Outcome::PreconditionFailed,
        true if client_has(headers, current) => Outcome::NotModified,
        true => Outcome::Send,
    }
}

fn client_has(headers: &HeaderMap, current: Validators<'_>) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return text(headers, IF_NONE_MATCH).any(|tags| matches(tags, current.etag));
    }
    // Equal dates mean 304, too (section 13.1.3).
    date(headers, IF_MODIFIED_SINCE).is_some_and(|since| {
        let (modified, since) = (seconds(current.modified), seconds(since));
        modified < since || (modified == since && !current.shares_second)
    })
}

/// `*`, or a list with this entity tag. The comparison is weak (section 13.1.2): `W/` is ignored.
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

    fn found(fields: &[(HeaderName, &str)], shares_second: bool) -> Outcome {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        // Within the second that Last-Modified says.
        let modified = UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        evaluate(&headers, Validators { etag: ETAG, modified, shares_second })
    }

    fn known(fields: &[(HeaderName, &str)], shares_second: bool) -> bool {
        found(fields, shares_second) == Outcome::NotModified
    }

    #[test]
    fn who_wants_another_one_than_there_is_gets_none() {
        for tags in ["\"16\"", "W/\"17\"", "", "\"16\", W/\"17\""] {
            assert_eq!(found(&[(IF_MATCH, tags)], false), Outcome::PreconditionFailed, "{tags}");
        }
        for tags in [ETAG, "*", "\"16\", \"17\""] {
            assert_eq!(found(&[(IF_MATCH, tags)], false), Outcome::Send, "{tags}");
            assert_eq!(
                found(&[(IF_MATCH, tags), (IF_NONE_MATCH, ETAG)], false),
                Outcome::NotModified,
                "{tags}"
            );
        }
        let unmodified = |second| {
            let date = format!("Sun, 06 Nov 1994 08:49:{second} GMT");
            found(&[(IF_UNMODIFIED_SINCE, date.as_str())], false)
        };
        assert_eq!(
            [unmodified(36), unmodified(37), unmodified(38)],
            [Outcome::PreconditionFailed, Outcome::Send, Outcome::Send]
        );
        assert_eq!(found(&[(IF_UNMODIFIED_SINCE, "yesterday")], false), Outcome::Send);
        // An entity tag comes first.
        let before = (IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT");
        assert_eq!(found(&[before, (IF_MATCH, ETAG)], false), Outcome::Send);
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
}
