//! Every refusal as a gRPC status (`docs/reasons.md`): all statuses of the CA are made here. Callers learn
//! what they need to act, and nothing of what is on record, of the disk, or of the signer (ADR 0009).

mod reason;

use std::time::Duration;

use authority::{CallerRefused, Refused};
use proto::v1::{self, Reason};
use store::StoreError;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub use reason::reason;

/// With the reason, the incident number in the log, and when to ask again, as `google.rpc` details.
pub(super) fn status(refused: &Refused, incident: &str) -> Status {
    let reason = reason(refused);
    let mut details = details(reason, retry_after(refused, reason));
    details.set_request_info(incident, "");
    if let Refused::Request { field, what } = refused {
        details.add_bad_request_violation(*field, what);
    }
    Status::with_error_details(code(reason), message(refused), details)
}

/// The refusal of one message of a stream, as the unary call would have said it.
pub(super) fn refusal(refused: &Refused) -> v1::Refusal {
    let reason = reason(refused);
    let retry_after_ms = retry_after(refused, reason).unwrap_or_default().as_millis();
    v1::Refusal {
        code: code(reason).into(),
        reason: reason.as_str_name().to_owned(),
        message: message(refused),
        retry_after_ms: u64::try_from(retry_after_ms).unwrap_or(u64::MAX),
    }
}

/// A status that gRPC itself made before we saw a message, with a reason of ours.
pub(super) fn unreadable(status: &Status) -> Status {
    let (reason, message) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            (Reason::MessageTooLarge, "the message is larger than this call takes")
        }
        Code::Unimplemented => (Reason::RpcUnknown, "there is no such call"),
        Code::Cancelled => (Reason::Cancelled, "the call was cancelled"),
        _ => (Reason::MessageMalformed, "the message cannot be read"),
    };
    let code = match status.code() {
        Code::OutOfRange
        | Code::ResourceExhausted
        | Code::Internal
        | Code::InvalidArgument
        | Code::Unimplemented
        | Code::Cancelled => code(reason),
        other => other,
    };
    Status::with_error_details(code, message, details(reason, None))
}

/// Why the server rejects a call before it reaches its service, or ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallRejected {
    /// Because of the proof that was shown, or because none was.
    Caller(CallerRefused),
    /// Its caller, or all callers together, have as many calls as they may.
    Overloaded,
    /// The oldest call of an unknown caller is ended for a new one.
    MadeRoom,
    Stopping,
    /// It was not done within the time that the caller allows (`grpc-timeout`), or within ours.
    NotInTime,
    Compressed,
    TimeoutMalformed,
}

pub(crate) fn rejection(rejected: CallRejected) -> Status {
    let (reason, message) = match rejected {
        CallRejected::Caller(why) => {
            let reason = reason::caller_reason(why);
            return Status::with_error_details(code(reason), why.to_string(), details(reason, None));
        }
        CallRejected::Overloaded => (Reason::Overloaded, "there are too many requests; try again later"),
        CallRejected::MadeRoom => (Reason::Overloaded, "the call made room for others"),
        CallRejected::Stopping => (Reason::Stopping, "the CA is stopping; try again later"),
        CallRejected::NotInTime => (Reason::DeadlineExceeded, "the call was not done in its time"),
        CallRejected::Compressed => {
            (Reason::MessageCompressed, "compressed messages are not read; send them as they are")
        }
        CallRejected::TimeoutMalformed => {
            (Reason::TimeoutMalformed, "grpc-timeout is not a number and a unit")
        }
    };
    let code = code(reason);
    let retry_after = (code == Code::Unavailable).then_some(RETRY_REJECTED);
    let mut status = Status::with_error_details(code, message, details(reason, retry_after));
    if rejected == CallRejected::Compressed {
        // "A server must include the list of encodings that it supports" (gRPC, compression.md).
        status.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static("identity"));
    }
    status
}

fn details(reason: Reason, retry_after: Option<Duration>) -> ErrorDetails {
    let mut details = ErrorDetails::with_error_info(reason.as_str_name(), DOMAIN, []);
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    details
}

/// The gRPC status code of a reason.
#[expect(clippy::too_many_lines, reason = "a table: one row for each reason")]
pub fn code(reason: Reason) -> Code {
    match reason {
        Reason::ClientCertificateRequired
        | Reason::ClientCertificateUnknown
        | Reason::ClientCertificateRevoked
        | Reason::ClientCertificateHeld
        | Reason::ClientCertificateExpired => Code::Unauthenticated,
        Reason::RoleNotAllowed
        | Reason::BareKeyNotAllowed
        | Reason::TokenNotAllowed
        | Reason::SerialNotInWorkOrder
        | Reason::ProductNotInWorkOrder => Code::PermissionDenied,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::Cancelled => Code::Cancelled,
        Reason::RpcUnknown | Reason::MessageCompressed => Code::Unimplemented,
        Reason::Overloaded
        | Reason::Stopping
        | Reason::StoreBusy
        | Reason::StoreFull
        | Reason::StoreUnavailable
        | Reason::ListingsUnavailable
        | Reason::SignerUnavailable
        | Reason::CertificateNotYetIssued
        | Reason::ClockInDoubt => Code::Unavailable,
        // The authority draws another serial number: `SerialNumberTaken` never leaves it.
        Reason::GeneratorFailed
        | Reason::IssuanceFailed
        | Reason::SerialNumberTaken
        | Reason::Internal
        | Reason::Unspecified => Code::Internal,
        Reason::RequestIdReused
        | Reason::KeyAlreadyUsed
        | Reason::BrokenGenerator
        | Reason::DeviceAlreadyIssued
        | Reason::AlreadyEnrolled
        | Reason::IssuerExists => Code::AlreadyExists,
        Reason::WorkOrderNotFound
        | Reason::StationUnknown
        | Reason::DeviceNotFound
        | Reason::CertificateNotFound
        | Reason::PrincipalNotFound
        | Reason::JobNotFound
        | Reason::ReservationNotFound
        | Reason::ProductNotFound
        | Reason::KeyUnknown => Code::NotFound,
        Reason::WorkOrderExhausted
        | Reason::TooOften
        | Reason::TooManyReserved
        | Reason::TooManyRotations => Code::ResourceExhausted,
        Reason::WorkOrderPaused
        | Reason::ProductPaused
        | Reason::ProductNotPaused
        | Reason::WorkOrderClosed
        | Reason::WorkOrderNotYetOpen
        | Reason::WorkOrderExpired
        | Reason::DeviceOfAnotherWorkOrder
        | Reason::DeviceScrapped
        | Reason::DeviceRetired
        | Reason::DeviceRevoked
        | Reason::DeviceHeld
        | Reason::DeviceNotHeld
        | Reason::DeviceInUse
        | Reason::LineageForked
        | Reason::TooManyUnconfirmed
        | Reason::CertificateRevoked
        | Reason::LastOperator
        | Reason::CountChanged
        | Reason::ReservationWithdrawn
        | Reason::ReservationsOut
        | Reason::UnitReserved
        | Reason::DeferralNotAllowed
        | Reason::RefusedAfterDeferral
        | Reason::DocumentSignerMissing
        | Reason::WorkOrderNotClosed
        | Reason::UnitGivenUp
        | Reason::ManifestIncomplete
        | Reason::ManifestMismatch
        | Reason::IssuerNotRevocable => Code::FailedPrecondition,
        Reason::TimeoutMalformed
        | Reason::MessageMalformed
        | Reason::MessageTooLarge
        | Reason::RequestInvalid
        | Reason::CursorUnknown
        | Reason::CsrTooLarge
        | Reason::CsrNotDer
        | Reason::ProofOfPossessionFailed
        | Reason::KeyTypeNotAllowed
        | Reason::KeyMalformed
        | Reason::KeyWeak
        | Reason::KeyBlocked
        | Reason::ProfileForbids
        | Reason::QuantityOutOfRange
        | Reason::SerialsTooFew
        | Reason::ManifestTooLong
        | Reason::StationsMissing
        | Reason::TooManyStations
        | Reason::WindowEmpty
        | Reason::ProfileNotForBirth
        | Reason::TooManyCertificates
        | Reason::NotAllowed => Code::InvalidArgument,
    }
}

/// When asking again can help although nobody changed anything.
fn retry_after(refused: &Refused, reason: Reason) -> Option<Duration> {
    match (refused, reason) {
        (Refused::TooOften { wait }, _) => Some(*wait),
        (_, Reason::StoreBusy) => Some(RETRY_BUSY),
        (_, Reason::ListingsUnavailable) => Some(RETRY_LISTING),
        (_, Reason::StoreFull | Reason::StoreUnavailable | Reason::SignerUnavailable) => Some(RETRY_OPERATOR),
        (_, Reason::ClockInDoubt) => Some(RETRY_CLOCK),
        (_, Reason::CertificateNotYetIssued) => Some(RETRY_RECONCILED),
        _ => None,
    }
}

/// The message for the caller. What is the CA's fault is told in general terms: the log has the rest.
fn message(refused: &Refused) -> String {
    match refused {
        Refused::Store(StoreError::Full) => {
            "the CA cannot record anything: its disk is full; try again later".into()
        }
        Refused::Store(why @ (StoreError::ListingsUnavailable { .. } | StoreError::CursorUnknown)) => {
            why.to_string()
        }
        Refused::Internal { .. } | Refused::Store(StoreError::Bug { .. }) => {
            "the CA found a fault of its own; its operator must look into it".into()
        }
        Refused::Store(_) => "the CA cannot record anything now; try again later".into(),
        Refused::Signer(_) => "the CA cannot sign now; try again later".into(),
        Refused::Clock(_) => {
            "the CA does not trust its own clock and issues nothing until it is right; try again later".into()
        }
        Refused::SerialNumbers
        | Refused::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. }) => {
            "the CA cannot issue this certificate; its operator must look into it".into()
        }
        Refused::Csr(why) => diagnostics::error_chain(why),
        Refused::Caller(_)
        | Refused::Blocked { .. }
        | Refused::Profile(_)
        | Refused::Ledger(_)
        | Refused::TooOften { .. }
        | Refused::NotYetIssued
        | Refused::CountChanged { .. }
        | Refused::NoDocumentSigner
        | Refused::OrderNotClosed(_)
        | Refused::Request { .. } => refused.to_string(),
    }
}

/// The domain of our reasons, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "touchmark";

/// After too many calls, or while the CA stops and starts again.
const RETRY_REJECTED: Duration = Duration::from_secs(1);

/// A busy store has its queue done in a few commits.
const RETRY_BUSY: Duration = Duration::from_millis(200);

/// Listings catch up within seconds.
const RETRY_LISTING: Duration = Duration::from_secs(2);

/// A person has to do something first.
const RETRY_OPERATOR: Duration = Duration::from_secs(10);

/// A clock is put right by a time server within a minute, or by a person.
const RETRY_CLOCK: Duration = Duration::from_secs(60);

/// A station reconciles when it can reach the CA again, which may be in a minute or after a shift.
const RETRY_RECONCILED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use identity::{CsrError, KeyError};

    use store::LogError;

    use super::*;
    use ledger::{
        Clash, Conflict, EntryNumber, ReservationId, TermsRefusal, UnitFlaw, WorkOrderId, WorkOrderState,
    };
    use signer::SignerError;

    #[test]
    fn every_refusal_has_the_code_and_the_reason_of_the_table() {
        for (refused, code, reason) in refusals() {
            let status = status(&refused, "7-1");
            assert_eq!(status.code(), code, "{refused:?}");
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "touchmark"), "{refused:?}");
            assert_eq!(details.request_info().unwrap().request_id, "7-1");
            let later = code == Code::Unavailable || reason == "TOO_OFTEN";
            assert_eq!(details.retry_info().is_some(), later, "{refused:?}");
            let streamed = refusal(&refused);
            assert_eq!((streamed.code, streamed.reason.as_str()), (i32::from(code), reason));
            assert_eq!(streamed.message, status.message());
            assert_eq!(streamed.retry_after_ms > 0, later);
        }
    }

    #[test]
    fn what_is_our_fault_is_told_in_general_terms() {
        for (refused, _, _) in refusals() {
            let message = message(&refused);
            for inside in ["/var", "secret", "offset", "R-5280", "denied"] {
                assert!(!message.contains(inside), "{refused:?}: {message}");
            }
        }
    }

    fn refusals() -> Vec<(Refused, Code, &'static str)> {
        let mut all = conflicts();
        all.extend(reservations());
        all.extend(others());
        all.extend(stores());
        all
    }

    fn conflicts() -> Vec<(Refused, Code, &'static str)> {
        let work_order = WorkOrderId(1);
        let device: identity::DeviceId = "cam-2/SN1".parse().unwrap();
        let not_open = |state| Conflict::WorkOrderNotOpen { work_order, state };
        let terms = |why: TermsRefusal| Conflict::TermsRefused(why);
        [
            (Conflict::CallerRevoked, Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED"),
            (Conflict::RequestReused, Code::AlreadyExists, "REQUEST_ID_REUSED"),
            (Conflict::NoSuchWorkOrder(work_order), Code::NotFound, "WORK_ORDER_NOT_FOUND"),
            (
                Conflict::WorkOrderExhausted { work_order, quantity: 1 },
                Code::ResourceExhausted,
                "WORK_ORDER_EXHAUSTED",
            ),
            (not_open(WorkOrderState::Paused), Code::FailedPrecondition, "WORK_ORDER_PAUSED"),
            (not_open(WorkOrderState::Incomplete), Code::FailedPrecondition, "MANIFEST_INCOMPLETE"),
            (not_open(WorkOrderState::Closed), Code::FailedPrecondition, "WORK_ORDER_CLOSED"),
            (Conflict::WorkOrderNotYetOpen(work_order), Code::FailedPrecondition, "WORK_ORDER_NOT_YET_OPEN"),
            (Conflict::WorkOrderExpired(work_order), Code::FailedPrecondition, "WORK_ORDER_EXPIRED"),
            (
                Conflict::SerialNotInWorkOrder { work_order, device: device.clone() },
                Code::PermissionDenied,
                "SERIAL_NOT_IN_WORK_ORDER",
            ),
            (
                Conflict::ProductNotInWorkOrder { work_order, device: device.clone() },
                Code::PermissionDenied,
                "PRODUCT_NOT_IN_WORK_ORDER",
            ),
            (Conflict::DeviceAlreadyIssued(device.clone()), Code::AlreadyExists, "DEVICE_ALREADY_ISSUED"),
            (Conflict::KeyAlreadyUsed, Code::AlreadyExists, "KEY_ALREADY_USED"),
            (
                Conflict::KeyOfAnotherUnit { device: device.clone(), other: None, paused: true },
                Code::AlreadyExists,
                "KEY_ALREADY_USED",
            ),
            (Conflict::SharedPrime, Code::InvalidArgument, "KEY_WEAK"),
            (Conflict::SerialNumberTaken, Code::Internal, "SERIAL_NUMBER_TAKEN"),
            (Conflict::NoSuchDevice(device.clone()), Code::NotFound, "DEVICE_NOT_FOUND"),
            (Conflict::LastOperator, Code::FailedPrecondition, "LAST_OPERATOR"),
            (
                Conflict::DeviceOfAnotherWorkOrder { device: device.clone(), work_order: None },
                Code::FailedPrecondition,
                "DEVICE_OF_ANOTHER_WORK_ORDER",
            ),
            (Conflict::DeviceScrapped(device.clone()), Code::FailedPrecondition, "DEVICE_SCRAPPED"),
            (Conflict::DeviceRevoked(device.clone()), Code::FailedPrecondition, "DEVICE_REVOKED"),
            (Conflict::NoSuchCertificate(device.clone()), Code::NotFound, "CERTIFICATE_NOT_FOUND"),
            (Conflict::CertificateRevoked, Code::FailedPrecondition, "CERTIFICATE_REVOKED"),
            (Conflict::AlreadyEnrolled(device.clone()), Code::AlreadyExists, "ALREADY_ENROLLED"),
            (Conflict::TooManyUnconfirmed(device), Code::FailedPrecondition, "TOO_MANY_UNCONFIRMED"),
            (
                Conflict::NoSuchPrincipal("station:line-3".parse().unwrap()),
                Code::NotFound,
                "PRINCIPAL_NOT_FOUND",
            ),
            (Conflict::NoSuchStation("line-3".parse().unwrap()), Code::NotFound, "STATION_UNKNOWN"),
            (terms(TermsRefusal::SerialsTooFew), Code::InvalidArgument, "SERIALS_TOO_FEW"),
            (
                terms(TermsRefusal::SerialNotEncodable { character: '?' }),
                Code::InvalidArgument,
                "PROFILE_FORBIDS",
            ),
            (terms(TermsRefusal::NoStation), Code::InvalidArgument, "STATIONS_MISSING"),
            (Conflict::IssuerExists, Code::AlreadyExists, "ISSUER_EXISTS"),
        ]
        .into_iter()
        .map(|(conflict, code, reason)| (conflict.into(), code, reason))
        .collect()
    }

    fn reservations() -> Vec<(Refused, Code, &'static str)> {
        let (work_order, reservation) = (WorkOrderId(1), ReservationId(1));
        let device: identity::DeviceId = "cam-2/SN1".parse().unwrap();
        let product = || device.product.clone();
        [
            (Conflict::UnitMade(device.clone()), Code::AlreadyExists, "DEVICE_ALREADY_ISSUED"),
            (Conflict::NoFreeSerial(work_order), Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED"),
            (Conflict::NoSuchReservation(reservation), Code::NotFound, "RESERVATION_NOT_FOUND"),
            (Conflict::ReservationWithdrawn(reservation), Code::FailedPrecondition, "RESERVATION_WITHDRAWN"),
            (Conflict::UnitWithdrawn(device.clone()), Code::FailedPrecondition, "RESERVATION_WITHDRAWN"),
            (
                Conflict::ReservationsOut { work_order, units: 1 },
                Code::FailedPrecondition,
                "RESERVATIONS_OUT",
            ),
            (Conflict::TooManyReserved { units_max: 1 }, Code::ResourceExhausted, "TOO_MANY_RESERVED"),
            (Conflict::UnitGivenUp(device.clone()), Code::FailedPrecondition, "UNIT_GIVEN_UP"),
            (
                Conflict::ManifestMismatch { work_order, recorded: 1 },
                Code::FailedPrecondition,
                "MANIFEST_MISMATCH",
            ),
            (Conflict::ManifestDigest { work_order }, Code::FailedPrecondition, "MANIFEST_MISMATCH"),
            (Conflict::TooManyIncomplete, Code::FailedPrecondition, "MANIFEST_INCOMPLETE"),
            (Conflict::UnitReserved(device.clone()), Code::FailedPrecondition, "UNIT_RESERVED"),
            (Conflict::NotReserved(device.clone()), Code::FailedPrecondition, "DEFERRAL_NOT_ALLOWED"),
            (Conflict::UnitRefused(device.clone()), Code::FailedPrecondition, "REFUSED_AFTER_DEFERRAL"),
            (
                Conflict::DeferralRefused { device: device.clone(), flaw: UnitFlaw::KeyWeak },
                Code::InvalidArgument,
                "KEY_WEAK",
            ),
            (Conflict::NotMadeThen(device.clone()), Code::FailedPrecondition, "DEFERRAL_NOT_ALLOWED"),
            (
                Conflict::BrokenGenerator {
                    device: device.clone(),
                    other: None,
                    what: Clash::Nonce,
                    paused: true,
                },
                Code::AlreadyExists,
                "BROKEN_GENERATOR",
            ),
            (
                Conflict::ProductPaused { product: product(), pause: EntryNumber(1) },
                Code::FailedPrecondition,
                "PRODUCT_PAUSED",
            ),
            (Conflict::NoSuchProduct(product()), Code::NotFound, "PRODUCT_NOT_FOUND"),
            (
                Conflict::ProductNotPaused { product: product(), pause: EntryNumber(1) },
                Code::FailedPrecondition,
                "PRODUCT_NOT_PAUSED",
            ),
        ]
        .into_iter()
        .map(|(conflict, code, reason)| (conflict.into(), code, reason))
        .collect()
    }

    fn others() -> Vec<(Refused, Code, &'static str)> {
        let profile = identity::ProfileName::Ldevid;
        let finding = issuance::LintFinding { rule: "R-5280-05", what: "secret".into() };
        vec![
            (CallerRefused::Anonymous.into(), Code::Unauthenticated, "CLIENT_CERTIFICATE_REQUIRED"),
            (CallerRefused::Unknown.into(), Code::Unauthenticated, "CLIENT_CERTIFICATE_UNKNOWN"),
            (CallerRefused::Revoked.into(), Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED"),
            (CallerRefused::Held.into(), Code::Unauthenticated, "CLIENT_CERTIFICATE_HELD"),
            (CallerRefused::Expired.into(), Code::Unauthenticated, "CLIENT_CERTIFICATE_EXPIRED"),
            (CallerRefused::Role.into(), Code::PermissionDenied, "ROLE_NOT_ALLOWED"),
            (CallerRefused::BareKey.into(), Code::PermissionDenied, "BARE_KEY_NOT_ALLOWED"),
            (CallerRefused::Token.into(), Code::PermissionDenied, "TOKEN_NOT_ALLOWED"),
            (CsrError::TooLarge { bytes: 9_000 }.into(), Code::InvalidArgument, "CSR_TOO_LARGE"),
            (CsrError::Pem.into(), Code::InvalidArgument, "CSR_NOT_DER"),
            (CsrError::ProofOfPossession.into(), Code::InvalidArgument, "PROOF_OF_POSSESSION_FAILED"),
            (CsrError::Key(KeyError::NotAllowed).into(), Code::InvalidArgument, "KEY_TYPE_NOT_ALLOWED"),
            (CsrError::Key(KeyError::Weak { what: "e" }).into(), Code::InvalidArgument, "KEY_WEAK"),
            (CsrError::Key(KeyError::Malformed { what: "x" }).into(), Code::InvalidArgument, "KEY_MALFORMED"),
            (
                Refused::Blocked { key: [7; 32].into(), why: issuance::BlockedKey::Published },
                Code::InvalidArgument,
                "KEY_BLOCKED",
            ),
            (
                issuance::Refusal::Forbidden { profile, what: "so long a life" }.into(),
                Code::InvalidArgument,
                "PROFILE_FORBIDS",
            ),
            (
                issuance::Refusal::KeyType {
                    profile,
                    key_type: identity::KeyType::Rsa2048,
                    allowed: vec![identity::KeyType::P256],
                }
                .into(),
                Code::InvalidArgument,
                "KEY_TYPE_NOT_ALLOWED",
            ),
            (issuance::Refusal::Lint(finding).into(), Code::Internal, "ISSUANCE_FAILED"),
            (issuance::Refusal::Encoding { what: "secret" }.into(), Code::Internal, "ISSUANCE_FAILED"),
            (
                Refused::Request { field: "device", what: "is missing".into() },
                Code::InvalidArgument,
                "REQUEST_INVALID",
            ),
            (
                Refused::CountChanged { expected: 1, certificates: 2, devices: 1 },
                Code::FailedPrecondition,
                "COUNT_CHANGED",
            ),
            (Refused::TooOften { wait: Duration::from_secs(30) }, Code::ResourceExhausted, "TOO_OFTEN"),
            (Refused::SerialNumbers, Code::Internal, "GENERATOR_FAILED"),
            (
                SignerError::unavailable(io::Error::other("secret")).into(),
                Code::Unavailable,
                "SIGNER_UNAVAILABLE",
            ),
            (
                Refused::Clock(identity::ClockDoubt {
                    fault: identity::ClockFault::JumpedAhead,
                    by: Duration::from_secs(3600),
                    shows: std::time::UNIX_EPOCH,
                }),
                Code::Unavailable,
                "CLOCK_IN_DOUBT",
            ),
        ]
    }

    fn stores() -> Vec<(Refused, Code, &'static str)> {
        let io = LogError::Io {
            what: "write",
            place: "/var/lib/secret".into(),
            source: Arc::new(io::Error::other("denied")),
        };
        let damaged =
            LogError::Damaged { place: "/var/lib/secret".into(), entry: EntryNumber(7), what: "secret" };
        let behind = StoreError::ListingsUnavailable {
            reached: EntryNumber(1),
            head: EntryNumber(2),
            rebuilding: true,
        };
        vec![
            (StoreError::Full.into(), Code::Unavailable, "STORE_FULL"),
            (StoreError::Busy.into(), Code::Unavailable, "STORE_BUSY"),
            (StoreError::Stopped.into(), Code::Unavailable, "STORE_UNAVAILABLE"),
            (StoreError::Bug("secret").into(), Code::Internal, "INTERNAL"),
            (Refused::Internal { what: "secret" }, Code::Internal, "INTERNAL"),
            (StoreError::CursorUnknown.into(), Code::InvalidArgument, "CURSOR_UNKNOWN"),
            (behind.into(), Code::Unavailable, "LISTINGS_UNAVAILABLE"),
            (StoreError::from(io).into(), Code::Unavailable, "STORE_UNAVAILABLE"),
            (StoreError::from(damaged).into(), Code::Unavailable, "STORE_UNAVAILABLE"),
        ]
    }
}
