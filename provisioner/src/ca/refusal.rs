//! What a gRPC status means on a line: call again, refuse this unit, or stop the line.

use std::error::Error;
use std::time::Duration;

use client::{Diagnosis, diagnose};
use identity::{Clock, SystemClock};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::session::Refusal;
use crate::wire::for_people;

#[derive(Debug)]
pub(super) enum Reaction {
    /// The call may succeed later.
    Retry {
        /// Why the call failed.
        detail: String,
        /// The earliest time for the next call.
        after: Option<Duration>,
    },
    /// The call fails again if it is repeated.
    Refused(Refusal),
}

/// Reads a status and its details (`docs/reasons.md`).
pub(super) fn react(status: &Status) -> Reaction {
    let diagnosis = diagnose(status);
    let of_the_server = match diagnosis {
        Diagnosis::NotTls => Some("NOT_TLS"),
        Diagnosis::Expired => Some(SERVER_EXPIRED),
        Diagnosis::NotBegun => Some(SERVER_NOT_BEGUN),
        Diagnosis::Stranger => Some(SERVER_UNKNOWN),
        Diagnosis::Refused | Diagnosis::Other(_) => None,
    };
    if let Some(reason) = of_the_server {
        // The mutual TLS handshake comes before the CA can report its time.
        let message = match diagnosis {
            Diagnosis::Expired | Diagnosis::NotBegun => {
                format!("{diagnosis}, which shows {}", humantime::format_rfc3339_seconds(SystemClock.now()))
            }
            _ => diagnosis.to_string(),
        };
        return Reaction::Refused(Refusal {
            reason: reason.into(),
            message,
            retry_after: None,
            stops_the_line: true,
        });
    }
    if let Some(alert) = tls_alert(status) {
        return Reaction::Refused(Refusal {
            reason: "TLS".into(),
            message: format!("the connection is refused: {alert}"),
            retry_after: None,
            stops_the_line: true,
        });
    }
    let details = status.get_error_details();
    let after = details.retry_info().and_then(|retry| retry.retry_delay);
    let reason = details.error_info().map(|info| for_people(&info.reason, REASON_CHARACTERS_MAX));
    let passing = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Aborted);
    // A status without a reason comes from a broken connection, not from the CA.
    let connection_lost =
        reason.is_none() && matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled);
    if passing || connection_lost || after.is_some() {
        let detail = match &reason {
            Some(reason) => {
                let message = for_people(status.message(), MESSAGE_CHARACTERS_MAX);
                format!("it says {reason}: {message}{}", remedy(reason))
            }
            None => with_causes(status),
        };
        return Reaction::Retry { detail, after: after.map(|after| after.min(RETRY_AFTER_MAX)) };
    }
    let reason = reason.unwrap_or_else(|| code_name(status.code()).to_owned());
    let stops_the_line = stops_the_line(status.code(), &reason);
    let message = for_people(status.message(), MESSAGE_CHARACTERS_MAX);
    Reaction::Refused(Refusal { reason, message, retry_after: after, stops_the_line })
}

/// What an operator of the CA does about a status that says "later".
fn remedy(reason: &str) -> &'static str {
    match reason {
        "STORE_FULL" => "; make room on the CA's disk (docs/operations/full-disk.md)",
        "CLOCK_IN_DOUBT" => "; put the CA's clock right (docs/operations/wrong-clock.md)",
        _ => "",
    }
}

/// What a person does about a refusal that stops the line.
pub(crate) fn advice(reason: &str) -> &'static str {
    match reason {
        "WORK_ORDER_EXHAUSTED" => {
            "all units of the order are made; ask for another work order: touchmark work-order create"
        }
        "WORK_ORDER_PAUSED" => {
            "an operator has paused the order; after `touchmark work-order resume` run this command again"
        }
        "WORK_ORDER_CLOSED" => "the order has ended for ever; ask for another work order",
        "WORK_ORDER_EXPIRED" => "the window of the order has ended; ask for another work order",
        "WORK_ORDER_NOT_YET_OPEN" => {
            "the window of the order has not begun; run this command again when it has"
        }
        "WORK_ORDER_NOT_FOUND" => {
            "check the id with `touchmark work-order list`, and that the order names this station"
        }
        "DEVICE_OF_ANOTHER_WORK_ORDER" => {
            "the unit has its birth certificate from that order; give this order other serial numbers"
        }
        "CLIENT_CERTIFICATE_REVOKED" => {
            "an operator has revoked this station's credential; ask for another one: touchmark principal issue station"
        }
        "CLIENT_CERTIFICATE_EXPIRED" => {
            "this station's credential has ended; ask for another one: touchmark principal issue station"
        }
        "TLS" | "UNAUTHENTICATED" => {
            "the CA does not accept this station's credential, or the station not the CA's: it may be revoked, expired or of \
             another CA; an operator can make another one: touchmark principal issue station"
        }
        CLOCK => {
            "compare `date -u` here with another clock and set it; if it is right, the CA's server certificate is what is wrong: an operator \
             looks with touchmark doctor"
        }
        "NOT_TLS" => {
            "name the CA's gRPC port as `server` in the configuration, 8443 unless it was changed there"
        }
        SERVER_EXPIRED => {
            "if this machine's clock is right, the server's certificate has ended: on the CA's machine, `touchmark-ca credential` makes \
             another (docs/operations/server-certificate.md)"
        }
        SERVER_NOT_BEGUN => "set this machine's clock, or the CA's (docs/operations/wrong-clock.md)",
        SERVER_UNKNOWN => "check that `server` and `credentials` in the configuration are of the same CA",
        "CA_UNREACHABLE" => {
            "mend what the CA says; if it says nothing, check `server` in the configuration and that the CA runs; then run this command \
             again: it finishes the unfinished units"
        }
        _ => "this holds for every unit; ask an operator of the CA",
    }
}

/// Whether the CA would refuse the next unit as well.
fn stops_the_line(code: Code, reason: &str) -> bool {
    match code {
        Code::Unauthenticated | Code::Unimplemented => true,
        Code::PermissionDenied => !matches!(reason, "SERIAL_NOT_IN_WORK_ORDER" | "PRODUCT_NOT_IN_WORK_ORDER"),
        _ => reason.starts_with("WORK_ORDER_"),
    }
}

/// The TLS alert or certificate error that caused a status. Calling again does not help.
fn tls_alert(status: &Status) -> Option<String> {
    let mut cause = status.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        let tls = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        if let Some(tls @ (rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_))) = tls {
            return Some(tls.to_string());
        }
        cause = error.source();
    }
    None
}

fn with_causes(status: &Status) -> String {
    let mut text = for_people(status.message(), MESSAGE_CHARACTERS_MAX);
    let mut cause = status.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::UnexpectedEof) {
            return "the connection was cut".to_owned();
        }
        let this = error.to_string();
        if !text.contains(&this) {
            text = format!("{text}: {this}");
        }
        cause = error.source();
    }
    for_people(&text, MESSAGE_CHARACTERS_MAX)
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

/// The reason when the CA's certificate is not valid at the station's time.
pub(crate) const CLOCK: &str = "STATION_CLOCK_WRONG";

/// The reason when the server's certificate has expired by this machine's clock.
pub(crate) const SERVER_EXPIRED: &str = "SERVER_CERTIFICATE_EXPIRED";

/// The reason when the server's certificate is not yet valid by this machine's clock.
pub(crate) const SERVER_NOT_BEGUN: &str = "SERVER_CERTIFICATE_NOT_BEGUN";

/// The reason when the server is not of the CA that the credential trusts.
pub(crate) const SERVER_UNKNOWN: &str = "SERVER_CERTIFICATE_UNKNOWN";

/// The longest reason that is kept.
const REASON_CHARACTERS_MAX: usize = 64;

/// The longest message of the CA that is kept.
const MESSAGE_CHARACTERS_MAX: usize = 512;

/// The longest pause that the CA can ask a line for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt};

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
            let error = std::io::Error::other(rustls::Error::InvalidCertificate(error));
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
