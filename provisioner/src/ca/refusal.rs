//! What a gRPC status means on a line: call again, refuse this unit, or stop the line.

use std::io;
use std::time::Duration;

use client::{Diagnosis, diagnose};
use diagnostics::{cause, causes, source_texts};
use identity::{Clock, SystemClock};
use proto::v1::Reason;
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
            ends_the_order: false,
        });
    }
    if let Some(alert) = tls_alert(status) {
        return Reaction::Refused(Refusal {
            reason: "TLS".into(),
            message: format!("the connection is refused: {alert}"),
            retry_after: None,
            stops_the_line: true,
            ends_the_order: false,
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
    let ends_the_order = ends_the_order(&reason);
    Reaction::Refused(Refusal { reason, message, retry_after: after, stops_the_line, ends_the_order })
}

/// What an operator of the CA does about a status that says "later".
fn remedy(reason: &str) -> &'static str {
    match Reason::from_str_name(reason) {
        Some(Reason::StoreFull) => "; make room on the CA's disk (docs/operations/full-disk.md)",
        Some(Reason::ClockInDoubt) => "; put the CA's clock right (docs/operations/wrong-clock.md)",
        _ => "",
    }
}

/// What a person does about a refusal that stops the line.
pub(crate) fn advice(reason: &str) -> &'static str {
    match (Reason::from_str_name(reason), reason) {
        (Some(reason), _) => advice_on(reason),
        (None, "TLS" | "UNAUTHENTICATED") => {
            "the CA does not accept this station's credential, or the station not the CA's: it may be revoked, expired or of \
             another CA; an operator can make another one: touchmark principal issue station"
        }
        (None, CLOCK) => {
            "compare `date -u` here with another clock and set it; if it is right, the CA's server certificate is what is wrong: an operator \
             looks with touchmark doctor"
        }
        (None, "NOT_TLS") => {
            "name the CA's gRPC port as `server` in the configuration, 8443 unless it was changed there"
        }
        (None, SERVER_EXPIRED) => {
            "if this machine's clock is right, the server's certificate has expired: on the CA's machine, `touchmark-ca credential` makes \
             another (docs/operations/server-certificate.md)"
        }
        (None, SERVER_NOT_BEGUN) => "set this machine's clock, or the CA's (docs/operations/wrong-clock.md)",
        (None, SERVER_UNKNOWN) => {
            "check that `server` and `credentials` in the configuration are of the same CA"
        }
        (None, "CA_UNREACHABLE") => {
            "mend what the CA says; if it says nothing, check `server` in the configuration and that the CA runs; then run this command \
             again: it finishes the unfinished units"
        }
        // A reason of a newer CA.
        (None, _) => ASK_AN_OPERATOR,
    }
}

/// The advice on a reason of the CA. The match is exhaustive, so that a new reason needs advice.
#[expect(clippy::too_many_lines, reason = "one row for each reason")]
fn advice_on(reason: Reason) -> &'static str {
    match reason {
        Reason::WorkOrderExhausted => {
            "all units of the order are made; ask for another work order: touchmark work-order create"
        }
        Reason::WorkOrderPaused => {
            "an operator has paused the order; after `touchmark work-order resume` run this command again"
        }
        Reason::WorkOrderClosed => "the order has ended for ever; ask for another work order",
        Reason::WorkOrderExpired => "the window of the order has ended; ask for another work order",
        Reason::WorkOrderNotYetOpen => {
            "the window of the order has not begun; run this command again when it has"
        }
        Reason::WorkOrderNotFound => {
            "check the id with `touchmark work-order list`, and that the order names this station"
        }
        Reason::DeviceOfAnotherWorkOrder => {
            "the unit has its birth certificate from that order; give this order other serial numbers"
        }
        Reason::ClientCertificateRevoked => {
            "an operator has revoked this station's credential; ask for another one: touchmark principal issue station"
        }
        Reason::ClientCertificateExpired => {
            "this station's credential has expired; ask for another one: touchmark principal issue station"
        }
        Reason::ClientCertificateRequired
        | Reason::ClientCertificateUnknown
        | Reason::ClientCertificateHeld
        | Reason::RoleNotAllowed
        | Reason::BareKeyNotAllowed
        | Reason::TokenNotAllowed => "use the credential of a station: touchmark principal issue station",
        Reason::Overloaded
        | Reason::Stopping
        | Reason::DeadlineExceeded
        | Reason::Cancelled
        | Reason::StoreBusy
        | Reason::StoreFull
        | Reason::StoreUnavailable
        | Reason::ListingsUnavailable
        | Reason::SignerUnavailable
        | Reason::ClockInDoubt => {
            "run this command again when the CA can answer; an operator looks with touchmark doctor"
        }
        Reason::RpcUnknown
        | Reason::TimeoutMalformed
        | Reason::MessageCompressed
        | Reason::MessageMalformed
        | Reason::MessageTooLarge => "use programs and a CA of the same version",
        // Refusals of a single unit, and reasons that stations are not given.
        Reason::Unspecified
        | Reason::RequestInvalid
        | Reason::RequestIdReused
        | Reason::CursorUnknown
        | Reason::GeneratorFailed
        | Reason::IssuanceFailed
        | Reason::SerialNumberTaken
        | Reason::Internal
        | Reason::CsrTooLarge
        | Reason::CsrNotDer
        | Reason::ProofOfPossessionFailed
        | Reason::KeyTypeNotAllowed
        | Reason::KeyMalformed
        | Reason::KeyWeak
        | Reason::KeyBlocked
        | Reason::KeyAlreadyUsed
        | Reason::KeyUnknown
        | Reason::ProfileForbids
        | Reason::SerialNotInWorkOrder
        | Reason::ProductNotInWorkOrder
        | Reason::QuantityOutOfRange
        | Reason::SerialsTooFew
        | Reason::ManifestTooLong
        | Reason::StationsMissing
        | Reason::TooManyStations
        | Reason::StationUnknown
        | Reason::WindowEmpty
        | Reason::ProfileNotForBirth
        | Reason::DeviceNotFound
        | Reason::DeviceAlreadyIssued
        | Reason::DeviceScrapped
        | Reason::DeviceRetired
        | Reason::DeviceRevoked
        | Reason::DeviceHeld
        | Reason::DeviceNotHeld
        | Reason::DeviceInUse
        | Reason::AlreadyEnrolled
        | Reason::LineageForked
        | Reason::TooManyUnconfirmed
        | Reason::TooOften
        | Reason::CertificateNotFound
        | Reason::CertificateRevoked
        | Reason::PrincipalNotFound
        | Reason::LastOperator
        | Reason::CountChanged
        | Reason::TooManyCertificates
        | Reason::NotAllowed
        | Reason::JobNotFound
        | Reason::TooManyRotations
        | Reason::IssuerNotRevocable
        | Reason::IssuerExists => ASK_AN_OPERATOR,
    }
}

impl Refusal {
    /// Whether the CA gave this reason.
    pub(crate) fn is(&self, reason: Reason) -> bool {
        self.reason == reason.as_str_name()
    }
}

/// Whether the order issues no further certificates after this reason.
pub(crate) fn ends_the_order(reason: &str) -> bool {
    use Reason::{WorkOrderClosed, WorkOrderExhausted, WorkOrderExpired};
    matches!(Reason::from_str_name(reason), Some(WorkOrderExhausted | WorkOrderClosed | WorkOrderExpired))
}

/// Whether the CA would refuse the next unit as well.
fn stops_the_line(code: Code, reason: &str) -> bool {
    match code {
        Code::Unauthenticated | Code::Unimplemented => true,
        Code::PermissionDenied => !matches!(
            Reason::from_str_name(reason),
            Some(Reason::SerialNotInWorkOrder | Reason::ProductNotInWorkOrder)
        ),
        _ => reason.starts_with("WORK_ORDER_"),
    }
}

/// The TLS alert or certificate error that caused a status. Calling again does not help.
fn tls_alert(status: &Status) -> Option<String> {
    let error = cause::<rustls::Error>(status)?;
    let is_final = matches!(error, rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_));
    is_final.then(|| error.to_string())
}

fn with_causes(status: &Status) -> String {
    let mut kinds = causes(status).filter_map(|error| error.downcast_ref().map(io::Error::kind));
    if kinds.any(|kind| kind == io::ErrorKind::UnexpectedEof) {
        return "the connection was cut".to_owned();
    }
    let message = for_people(status.message(), MESSAGE_CHARACTERS_MAX);
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

/// The reason when the CA's certificate is not valid at the station's time.
pub(crate) const CLOCK: &str = "STATION_CLOCK_WRONG";

/// The reason when the server's certificate has expired by this machine's clock.
pub(crate) const SERVER_EXPIRED: &str = "SERVER_CERTIFICATE_EXPIRED";

/// The reason when the server's certificate is not yet valid by this machine's clock.
pub(crate) const SERVER_NOT_BEGUN: &str = "SERVER_CERTIFICATE_NOT_BEGUN";

/// The reason when the server is not of the CA that the credential trusts.
pub(crate) const SERVER_UNKNOWN: &str = "SERVER_CERTIFICATE_UNKNOWN";

/// The advice when there is no better one.
const ASK_AN_OPERATOR: &str = "this holds for every unit; ask an operator of the CA";

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
    fn a_reason_of_a_newer_ca_is_referred_to_an_operator() {
        assert!(advice("WORK_ORDER_PAUSED").contains("resume"));
        assert_eq!(advice("WORK_ORDER_FROM_THE_FUTURE"), ASK_AN_OPERATOR);
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
