//! What a gRPC status means on a line: call again, refuse this unit, or stop the line.

use std::io;
use std::time::Duration;

use client::{Diagnosis, diagnose};
use diagnostics::{cause, causes, source_texts};
use identity::{Clock, SystemClock};
use proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::reason::{NOT_TLS, SERVER_EXPIRED, SERVER_NOT_BEGUN, SERVER_UNKNOWN, TLS, remedy, stops_the_line};
use crate::reconcile::Reconciled;
use crate::session::Refusal;
use crate::wire::for_people;

#[derive(Debug)]
pub(super) enum Reaction {
    /// The call may succeed later.
    Retry { detail: String, after: Option<Duration> },
    /// The call fails again if it is repeated.
    Refused(Refusal),
}

/// Reads a status and its details (`docs/reasons.md`).
pub(super) fn react(status: &Status) -> Reaction {
    let stopped = |reason: &str, message| Reaction::Refused(Refusal::new(reason.to_owned(), message, true));
    let diagnosis = diagnose(status);
    // The mutual TLS handshake comes before the CA can report its time.
    let with_clock =
        || format!("{diagnosis}, which shows {}", humantime::format_rfc3339_seconds(SystemClock.now()));
    match diagnosis {
        Diagnosis::NotTls => return stopped(NOT_TLS, diagnosis.to_string()),
        Diagnosis::Expired => return stopped(SERVER_EXPIRED, with_clock()),
        Diagnosis::NotBegun => return stopped(SERVER_NOT_BEGUN, with_clock()),
        Diagnosis::Stranger => return stopped(SERVER_UNKNOWN, diagnosis.to_string()),
        Diagnosis::Refused | Diagnosis::Other(_) => {}
    }
    if let Some(alert) = tls_alert(status) {
        return stopped(TLS, format!("the connection is refused: {alert}"));
    }
    let details = status.get_error_details();
    let after = details.retry_info().and_then(|retry| retry.retry_delay);
    let reason = details.error_info().map(|info| for_people(&info.reason, REASON_CHARACTERS_MAX));
    let message = for_people(status.message(), MESSAGE_CHARACTERS_MAX);
    let passing = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Aborted);
    // A status without a reason comes from a broken connection, not from the CA.
    let connection_lost =
        reason.is_none() && matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled);
    if passing || connection_lost || after.is_some() {
        let detail = match &reason {
            Some(reason) => format!("it says {reason}: {message}{}", remedy(reason)),
            None => with_causes(status, message),
        };
        return Reaction::Retry { detail, after: after.map(|after| after.min(RETRY_AFTER_MAX)) };
    }
    let reason = reason.unwrap_or_else(|| code_name(status.code()).to_owned());
    let stops_the_line = stops_the_line(status.code(), &reason);
    Reaction::Refused(Refusal::new(reason, message, stops_the_line))
}

/// Reads a refusal of one request on a stream.
pub(super) fn refused_on_stream(refusal: v1::Refusal) -> Reconciled {
    let code = Code::from_i32(refusal.code);
    let reason = for_people(&refusal.reason, REASON_CHARACTERS_MAX);
    let message = for_people(&refusal.message, MESSAGE_CHARACTERS_MAX);
    let passing = matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Aborted);
    if passing || refusal.retry_after_ms > 0 || reason.is_empty() {
        return Reconciled::Busy(format!("it says {reason}: {message}"));
    }
    let stops_the_line = stops_the_line(code, &reason);
    Reconciled::Refused(Refusal::new(reason, message, stops_the_line))
}

/// The TLS alert or certificate error that caused a status. Calling again does not help.
fn tls_alert(status: &Status) -> Option<String> {
    let error = cause::<rustls::Error>(status)?;
    let is_final = matches!(error, rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_));
    is_final.then(|| error.to_string())
}

fn with_causes(status: &Status, message: String) -> String {
    let mut kinds = causes(status).filter_map(|error| error.downcast_ref().map(io::Error::kind));
    if kinds.any(|kind| kind == io::ErrorKind::UnexpectedEof) {
        return "the connection was cut".to_owned();
    }
    let sources = source_texts(&message, status);
    for_people(&[&[message][..], &sources].concat().join(": "), MESSAGE_CHARACTERS_MAX)
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        _ => "REFUSED",
    }
}

const REASON_CHARACTERS_MAX: usize = 64;
const MESSAGE_CHARACTERS_MAX: usize = 512;

/// The longest pause that the CA can ask a line for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt};

    use super::super::reason::advice;
    use super::*;

    fn status(code: Code, reason: &str, after: Option<Duration>) -> Status {
        let mut details = ErrorDetails::new();
        if !reason.is_empty() {
            details.set_error_info(reason, "touchmark", std::collections::HashMap::<String, String>::new());
        }
        if let Some(after) = after {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(code, "why", details)
    }

    #[test]
    fn a_server_whose_certificate_is_wrong_is_not_a_fault_of_the_credential() {
        use rustls::CertificateError::{Expired, NotValidYet, UnknownIssuer};
        for (error, expected) in
            [(Expired, SERVER_EXPIRED), (NotValidYet, SERVER_NOT_BEGUN), (UnknownIssuer, SERVER_UNKNOWN)]
        {
            let error = io::Error::other(rustls::Error::InvalidCertificate(error));
            let Reaction::Refused(refusal) = react(&Status::from_error(Box::new(error))) else {
                panic!("{expected}")
            };
            assert_eq!((refusal.reason.as_str(), refusal.stops_the_line), (expected, true));
            assert!(!advice(expected).contains("principal issue"), "{expected}");
        }
    }

    #[test]
    fn what_the_ca_says_when_it_says_later_is_told_with_what_mends_it() {
        let Reaction::Retry { detail, .. } = react(&status(Code::Unavailable, "STORE_FULL", None)) else {
            panic!("it may work later")
        };
        assert_eq!(
            detail,
            "it says STORE_FULL: why; make room on the CA's disk (docs/operations/full-disk.md)"
        );
    }

    #[test]
    fn each_status_asks_again_refuses_the_unit_or_stops_the_line() {
        let second = Some(Duration::from_secs(1));
        for (code, reason, after, expected) in [
            (Code::Unavailable, "", None, "again"),
            (Code::Unavailable, "STORE_UNAVAILABLE", second, "again"),
            (Code::ResourceExhausted, "DISK_FULL", second, "again"),
            (Code::Unknown, "", None, "again"),
            (Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED", None, "stop"),
            (Code::FailedPrecondition, "WORK_ORDER_PAUSED", None, "stop"),
            (Code::FailedPrecondition, "WORK_ORDER_CLOSED", None, "stop"),
            (Code::Unauthenticated, "CREDENTIAL_REVOKED", None, "stop"),
            (Code::PermissionDenied, "ROLE_NOT_ALLOWED", None, "stop"),
            (Code::PermissionDenied, "SERIAL_NOT_IN_WORK_ORDER", None, "unit"),
            (Code::AlreadyExists, "KEY_ALREADY_USED", None, "unit"),
            (Code::InvalidArgument, "KEY_WEAK", None, "unit"),
        ] {
            let found = match react(&status(code, reason, after)) {
                Reaction::Retry { .. } => "again",
                Reaction::Refused(refusal) if refusal.stops_the_line => "stop",
                Reaction::Refused(_) => "unit",
            };
            assert_eq!(found, expected, "{code:?} {reason}");
        }
    }
}
