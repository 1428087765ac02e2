//! The reason of every refusal: one exhaustive match for each kind of error.

use authority::{CallerRefused, Refused};
use identity::{CsrError, KeyError};
use ledger::{Conflict, TermsRefusal, UnitFlaw, WorkOrderState};
use proto::v1::Reason;
use store::StoreError;

/// The stable reason of a refusal, as callers, the log and the metrics see it (`docs/reasons.md`).
pub fn reason(refused: &Refused) -> Reason {
    match refused {
        Refused::Caller(why) => caller_reason(*why),
        Refused::Csr(why) => csr_reason(why),
        Refused::Blocked { .. } => Reason::KeyBlocked,
        Refused::Profile(issuance::Refusal::Forbidden { .. }) => Reason::ProfileForbids,
        Refused::Profile(issuance::Refusal::KeyType { .. }) => Reason::KeyTypeNotAllowed,
        Refused::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. }) => {
            Reason::IssuanceFailed
        }
        Refused::Ledger(why) => conflict_reason(why),
        Refused::Request { .. } => Reason::RequestInvalid,
        Refused::CountChanged { .. } => Reason::CountChanged,
        Refused::TooOften { .. } => Reason::TooOften,
        Refused::NotYetIssued => Reason::CertificateNotYetIssued,
        Refused::SerialNumbers => Reason::GeneratorFailed,
        Refused::Signer(_) => Reason::SignerUnavailable,
        Refused::Store(why) => store_reason(why),
        Refused::Clock(_) => Reason::ClockInDoubt,
        Refused::NoDocumentSigner => Reason::DocumentSignerMissing,
        Refused::OrderNotClosed(_) => Reason::WorkOrderNotClosed,
        Refused::Internal { .. } => Reason::Internal,
    }
}

pub(super) fn caller_reason(why: CallerRefused) -> Reason {
    match why {
        CallerRefused::Anonymous => Reason::ClientCertificateRequired,
        CallerRefused::Unknown => Reason::ClientCertificateUnknown,
        CallerRefused::Revoked => Reason::ClientCertificateRevoked,
        CallerRefused::Held => Reason::ClientCertificateHeld,
        CallerRefused::Expired => Reason::ClientCertificateExpired,
        CallerRefused::Role => Reason::RoleNotAllowed,
        CallerRefused::BareKey => Reason::BareKeyNotAllowed,
        CallerRefused::Token => Reason::TokenNotAllowed,
    }
}

fn csr_reason(why: &CsrError) -> Reason {
    match why {
        CsrError::TooLarge { .. } => Reason::CsrTooLarge,
        CsrError::NotDer(_) | CsrError::Pem | CsrError::Base64 | CsrError::PrivateKey => Reason::CsrNotDer,
        CsrError::ProofOfPossession
        | CsrError::SignatureAlgorithm { .. }
        | CsrError::SignatureForm { .. } => Reason::ProofOfPossessionFailed,
        CsrError::Key(KeyError::NotDer | KeyError::Malformed { .. }) => Reason::KeyMalformed,
        CsrError::Key(KeyError::NotAllowed) => Reason::KeyTypeNotAllowed,
        CsrError::Key(KeyError::Weak { .. }) => Reason::KeyWeak,
    }
}

fn conflict_reason(why: &Conflict) -> Reason {
    match why {
        Conflict::CallerRevoked => Reason::ClientCertificateRevoked,
        Conflict::CallerHeld => Reason::ClientCertificateHeld,
        Conflict::RequestReused => Reason::RequestIdReused,
        Conflict::NoSuchWorkOrder(_) => Reason::WorkOrderNotFound,
        Conflict::WorkOrderExhausted { .. } | Conflict::NoFreeSerial(_) => Reason::WorkOrderExhausted,
        Conflict::NoSuchReservation(_) => Reason::ReservationNotFound,
        Conflict::ReservationWithdrawn(_) | Conflict::UnitWithdrawn(_) => Reason::ReservationWithdrawn,
        Conflict::ReservationsOut { .. } => Reason::ReservationsOut,
        Conflict::TooManyReserved { .. } => Reason::TooManyReserved,
        Conflict::UnitReserved(_) => Reason::UnitReserved,
        Conflict::UnitRefused(_) => Reason::RefusedAfterDeferral,
        Conflict::DeferralRefused { flaw, .. } => flaw_reason(*flaw),
        Conflict::NotReserved(_) | Conflict::NotMadeThen(_) => Reason::DeferralNotAllowed,
        Conflict::UnitGivenUp(_) => Reason::UnitGivenUp,
        Conflict::ManifestMismatch { .. } | Conflict::ManifestDigest { .. } => Reason::ManifestMismatch,
        Conflict::TooManyIncomplete
        | Conflict::WorkOrderNotOpen { state: WorkOrderState::Incomplete, .. } => Reason::ManifestIncomplete,
        Conflict::WorkOrderNotOpen { state: WorkOrderState::Paused, .. } => Reason::WorkOrderPaused,
        Conflict::WorkOrderNotOpen { state: WorkOrderState::Open | WorkOrderState::Closed, .. } => {
            Reason::WorkOrderClosed
        }
        Conflict::WorkOrderNotYetOpen(_) => Reason::WorkOrderNotYetOpen,
        Conflict::WorkOrderExpired(_) => Reason::WorkOrderExpired,
        Conflict::SerialNotInWorkOrder { .. } => Reason::SerialNotInWorkOrder,
        Conflict::ProductNotInWorkOrder { .. } => Reason::ProductNotInWorkOrder,
        Conflict::DeviceAlreadyIssued(_) | Conflict::UnitMade(_) => Reason::DeviceAlreadyIssued,
        Conflict::KeyAlreadyUsed | Conflict::KeyOfAnotherUnit { .. } => Reason::KeyAlreadyUsed,
        Conflict::BrokenGenerator { .. } => Reason::BrokenGenerator,
        Conflict::ProductPaused { .. } => Reason::ProductPaused,
        Conflict::NoSuchProduct(_) => Reason::ProductNotFound,
        Conflict::ProductNotPaused { .. } => Reason::ProductNotPaused,
        Conflict::SharedPrime => Reason::KeyWeak,
        Conflict::SerialNumberTaken => Reason::SerialNumberTaken,
        Conflict::NoSuchStation(_) => Reason::StationUnknown,
        Conflict::NoSuchDevice(_) => Reason::DeviceNotFound,
        Conflict::DeviceOfAnotherWorkOrder { .. } => Reason::DeviceOfAnotherWorkOrder,
        Conflict::LastOperator => Reason::LastOperator,
        Conflict::DeviceScrapped(_) => Reason::DeviceScrapped,
        Conflict::DeviceRetired(_) => Reason::DeviceRetired,
        Conflict::DeviceRevoked(_) => Reason::DeviceRevoked,
        Conflict::DeviceHeld(_) => Reason::DeviceHeld,
        Conflict::DeviceNotHeld(_) => Reason::DeviceNotHeld,
        Conflict::DeviceInUse(_) => Reason::DeviceInUse,
        Conflict::LineageForked(_) => Reason::LineageForked,
        Conflict::NoCertificate(_) | Conflict::NoSuchCertificate(_) => Reason::CertificateNotFound,
        Conflict::IssuerNotRevocable => Reason::IssuerNotRevocable,
        Conflict::RevokeCount => Reason::TooManyCertificates,
        Conflict::ReasonNotAllowed(_) => Reason::NotAllowed,
        Conflict::NoSuchJob(_) => Reason::JobNotFound,
        Conflict::TooManyRotations => Reason::TooManyRotations,
        Conflict::CertificateRevoked => Reason::CertificateRevoked,
        Conflict::AlreadyEnrolled(_) => Reason::AlreadyEnrolled,
        Conflict::TooManyUnconfirmed(_) => Reason::TooManyUnconfirmed,
        Conflict::NoSuchPrincipal(_) => Reason::PrincipalNotFound,
        Conflict::TermsRefused(why) => terms_reason(*why),
        Conflict::IssuerExists => Reason::IssuerExists,
    }
}

/// The reason that a unit was refused for, as the request without a deferral gets it.
fn flaw_reason(flaw: UnitFlaw) -> Reason {
    match flaw {
        UnitFlaw::KeyTypeNotAllowed => Reason::KeyTypeNotAllowed,
        UnitFlaw::KeyWeak => Reason::KeyWeak,
        UnitFlaw::KeyBlocked => Reason::KeyBlocked,
        UnitFlaw::KeyAlreadyUsed => Reason::KeyAlreadyUsed,
        UnitFlaw::ProfileForbids => Reason::ProfileForbids,
        UnitFlaw::BrokenGenerator => Reason::BrokenGenerator,
    }
}

fn terms_reason(why: TermsRefusal) -> Reason {
    match why {
        TermsRefusal::QuantityOutOfRange => Reason::QuantityOutOfRange,
        TermsRefusal::SerialsTooFew => Reason::SerialsTooFew,
        TermsRefusal::SerialNotEncodable { .. } => Reason::ProfileForbids,
        TermsRefusal::ManifestTooLong => Reason::ManifestTooLong,
        TermsRefusal::NoStation => Reason::StationsMissing,
        TermsRefusal::TooManyStations => Reason::TooManyStations,
        TermsRefusal::WindowEmpty => Reason::WindowEmpty,
        TermsRefusal::ProfileNotForBirth => Reason::ProfileNotForBirth,
    }
}

fn store_reason(why: &StoreError) -> Reason {
    match why {
        StoreError::Full => Reason::StoreFull,
        StoreError::Busy => Reason::StoreBusy,
        StoreError::ListingsUnavailable { .. } => Reason::ListingsUnavailable,
        StoreError::CursorUnknown => Reason::CursorUnknown,
        StoreError::Stopped | StoreError::IndexDamaged { .. } | StoreError::Log(_) => {
            Reason::StoreUnavailable
        }
        StoreError::Bug { .. } => Reason::Internal,
    }
}
