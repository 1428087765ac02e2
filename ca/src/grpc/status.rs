//! Every refusal as a gRPC status: the one door out (R-§2.7). Strangers learn what they need to act, and nothing of what is on
//! record, of the disk, or of the key store (ADR 0009).

use std::time::Duration;

use proto::v1;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::authority::{CallerRefused, Refused};
use crate::ledger::Conflict;
use crate::store::StoreError;

/// A refusal as a status: code, `google.rpc.ErrorInfo` with the stable reason, `google.rpc.RequestInfo` with the number under which our
/// log has it, `google.rpc.RetryInfo` where asking again helps.
pub(super) fn status(refused: &Refused, incident: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(refused.reason(), DOMAIN, []);
    details.set_request_info(incident, "");
    if let Some(after) = retry_after(refused) {
        details.set_retry_info(Some(after));
    }
    if let Refused::Request { field, what } = refused {
        details.add_bad_request_violation(*field, what);
    }
    Status::with_error_details(code(refused), message(refused), details)
}

/// A refusal of one message of a stream, as the unary call would have said it.
pub(super) fn refusal(refused: &Refused) -> v1::Refusal {
    let retry_after_ms = retry_after(refused).unwrap_or_default().as_millis();
    v1::Refusal {
        code: code(refused).into(),
        reason: refused.reason().to_owned(),
        message: message(refused),
        retry_after_ms: u64::try_from(retry_after_ms).unwrap_or(u64::MAX),
    }
}

/// A fault that gRPC itself found before we saw a message, with a reason of ours: one that cannot be read, or is too large.
pub(super) fn unreadable(status: &Status) -> Status {
    let (code, reason) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => (Code::InvalidArgument, "MESSAGE_TOO_LARGE"),
        Code::Internal | Code::InvalidArgument => (Code::InvalidArgument, "MESSAGE_MALFORMED"),
        Code::Unimplemented => (Code::Unimplemented, "RPC_UNKNOWN"),
        Code::Cancelled => (Code::Cancelled, "CANCELLED"),
        other => (other, "MESSAGE_MALFORMED"),
    };
    let message = match reason {
        "MESSAGE_TOO_LARGE" => "the message is larger than this call takes",
        "RPC_UNKNOWN" => "there is no such call",
        "CANCELLED" => "the call was cancelled",
        _ => "the message cannot be read",
    };
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, []))
}

fn code(refused: &Refused) -> Code {
    match refused {
        Refused::Caller(CallerRefused::Role) => Code::PermissionDenied,
        Refused::Caller(
            CallerRefused::Anonymous
            | CallerRefused::Unknown
            | CallerRefused::Revoked
            | CallerRefused::Expired,
        ) => Code::Unauthenticated,
        Refused::Csr(_) | Refused::Request { .. } => Code::InvalidArgument,
        Refused::Profile(issuance::Refusal::Forbidden { .. } | issuance::Refusal::KeyType { .. }) => {
            Code::InvalidArgument
        }
        Refused::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. }) => Code::Internal,
        Refused::Ledger(conflict) => conflict_code(conflict),
        Refused::SerialNumbers => Code::Internal,
        Refused::Signer(_) => Code::Unavailable,
        Refused::Store(StoreError::CursorUnknown) => Code::InvalidArgument,
        Refused::Store(
            StoreError::Full
            | StoreError::Stopped
            | StoreError::Busy
            | StoreError::ListingsUnavailable { .. }
            | StoreError::Damaged { .. }
            | StoreError::Io { .. },
        ) => Code::Unavailable,
    }
}

fn conflict_code(conflict: &Conflict) -> Code {
    match conflict {
        Conflict::RequestReused
        | Conflict::DeviceAlreadyIssued(_)
        | Conflict::KeyAlreadyUsed
        | Conflict::AlreadyEnrolled(_)
        | Conflict::IssuerExists => Code::AlreadyExists,
        Conflict::NoSuchWorkOrder(_)
        | Conflict::NoSuchDevice(_)
        | Conflict::NoSuchCertificate(_)
        | Conflict::NoSuchPrincipal(_) => Code::NotFound,
        Conflict::WorkOrderExhausted { .. } => Code::ResourceExhausted,
        Conflict::WorkOrderNotOpen { .. }
        | Conflict::WorkOrderNotYetOpen(_)
        | Conflict::WorkOrderExpired(_)
        | Conflict::DeviceScrapped(_)
        | Conflict::CertificateRevoked
        | Conflict::TooManyUnconfirmed(_) => Code::FailedPrecondition,
        Conflict::SerialNotInWorkOrder { .. } | Conflict::ProductNotInWorkOrder { .. } => {
            Code::PermissionDenied
        }
        Conflict::TermsRefused(_) => Code::InvalidArgument,
        // Never leaves the authority, which draws another.
        Conflict::SerialNumberTaken => Code::Internal,
    }
}

/// When asking again can help although nobody changed anything.
fn retry_after(refused: &Refused) -> Option<Duration> {
    match refused {
        Refused::Store(StoreError::Busy) => Some(RETRY_BUSY),
        Refused::Store(StoreError::ListingsUnavailable { .. }) => Some(RETRY_LISTING),
        Refused::Signer(_) => Some(RETRY_OPERATOR),
        Refused::Store(
            StoreError::Full | StoreError::Stopped | StoreError::Damaged { .. } | StoreError::Io { .. },
        ) => Some(RETRY_OPERATOR),
        _ => None,
    }
}

/// For the caller. What is our fault is told in general terms: the log has the rest.
fn message(refused: &Refused) -> String {
    match refused {
        Refused::Store(StoreError::Full) => {
            "the CA cannot record anything: its disk is full; try again later".into()
        }
        Refused::Store(why @ (StoreError::ListingsUnavailable { .. } | StoreError::CursorUnknown)) => {
            why.to_string()
        }
        Refused::Store(_) => "the CA cannot record anything now; try again later".into(),
        Refused::Signer(_) => "the CA cannot sign now; try again later".into(),
        Refused::SerialNumbers
        | Refused::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. }) => {
            "the CA cannot issue this certificate; its operator must look into it".into()
        }
        Refused::Csr(why) => std::iter::successors(Some(why as &dyn std::error::Error), |why| why.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": "),
        Refused::Caller(_) | Refused::Profile(_) | Refused::Ledger(_) | Refused::Request { .. } => {
            refused.to_string()
        }
    }
}

/// The domain of our reasons, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "touchmark";

/// A busy store has its queue done in a few commits.
const RETRY_BUSY: Duration = Duration::from_millis(200);

/// Listings catch up within seconds.
const RETRY_LISTING: Duration = Duration::from_secs(2);

/// A person has to do something first.
const RETRY_OPERATOR: Duration = Duration::from_secs(10);
