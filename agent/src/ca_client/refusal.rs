//! What a refusal of the CA means for a device.

use proto::v1::Reason;

use super::Disposition;

/// The reasons of the CA, grouped by what a device does about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The device or its certificate is on hold.
    Held,
    /// Two units have the identity of this device.
    Forked,
    /// The certificate that made the call is revoked.
    CallerRevoked,
    /// The certificate that made the call has ended.
    CallerExpired,
    /// The certificate that made the call is not on record.
    CallerUnknown,
    /// The certificate that was asked for is revoked.
    AnswerRevoked,
    /// The device is revoked, retired or scrapped for ever.
    DeviceEnded,
    /// The device is not on record.
    DeviceUnknown,
    /// The device has another certificate in use.
    AlreadyEnrolled,
    /// Too many certificates of the device were never used.
    TooManyUnconfirmed,
    /// The CA does not trust its own clock.
    ClockInDoubt,
    /// The key or the request id was used before: the state directory is a copy.
    Copied,
    /// The CA does not have the birth certificate yet, which was deferred.
    NotYetIssued,
    /// Another reason, or one of a newer CA: the status code says whether it may pass.
    Other,
}

impl Refusal {
    /// The group of a reason.
    #[expect(clippy::too_many_lines, reason = "a line for each reason")]
    pub(super) fn of(reason: Reason) -> Self {
        use Reason as R;
        match reason {
            R::DeviceHeld | R::ClientCertificateHeld => Self::Held,
            R::LineageForked => Self::Forked,
            R::ClientCertificateRevoked => Self::CallerRevoked,
            R::ClientCertificateExpired => Self::CallerExpired,
            R::ClientCertificateUnknown => Self::CallerUnknown,
            R::CertificateRevoked => Self::AnswerRevoked,
            R::DeviceRevoked | R::DeviceRetired | R::DeviceScrapped => Self::DeviceEnded,
            R::DeviceNotFound => Self::DeviceUnknown,
            R::AlreadyEnrolled => Self::AlreadyEnrolled,
            R::TooManyUnconfirmed => Self::TooManyUnconfirmed,
            R::ClockInDoubt => Self::ClockInDoubt,
            R::CertificateNotYetIssued => Self::NotYetIssued,
            R::KeyAlreadyUsed | R::RequestIdReused => Self::Copied,
            R::Unspecified
            | R::ClientCertificateRequired
            | R::RoleNotAllowed
            | R::BareKeyNotAllowed
            | R::TokenNotAllowed
            | R::Overloaded
            | R::Stopping
            | R::DeadlineExceeded
            | R::Cancelled
            | R::RpcUnknown
            | R::TimeoutMalformed
            | R::MessageCompressed
            | R::MessageMalformed
            | R::MessageTooLarge
            | R::RequestInvalid
            | R::CursorUnknown
            | R::StoreBusy
            | R::StoreFull
            | R::StoreUnavailable
            | R::ListingsUnavailable
            | R::SignerUnavailable
            | R::GeneratorFailed
            | R::IssuanceFailed
            | R::SerialNumberTaken
            | R::Internal
            | R::CsrTooLarge
            | R::CsrNotDer
            | R::ProofOfPossessionFailed
            | R::KeyTypeNotAllowed
            | R::KeyMalformed
            | R::KeyWeak
            | R::KeyBlocked
            | R::KeyUnknown
            | R::ProfileForbids
            | R::WorkOrderNotFound
            | R::WorkOrderExhausted
            | R::WorkOrderPaused
            | R::ProductPaused
            | R::BrokenGenerator
            | R::ProductNotFound
            | R::ProductNotPaused
            | R::WorkOrderClosed
            | R::WorkOrderNotYetOpen
            | R::WorkOrderExpired
            | R::SerialNotInWorkOrder
            | R::ProductNotInWorkOrder
            | R::QuantityOutOfRange
            | R::SerialsTooFew
            | R::ManifestTooLong
            | R::StationsMissing
            | R::TooManyStations
            | R::StationUnknown
            | R::WindowEmpty
            | R::ProfileNotForBirth
            | R::DeviceAlreadyIssued
            | R::DeviceOfAnotherWorkOrder
            | R::DeviceNotHeld
            | R::DeviceInUse
            | R::TooOften
            | R::CertificateNotFound
            | R::PrincipalNotFound
            | R::LastOperator
            | R::CountChanged
            | R::TooManyCertificates
            | R::NotAllowed
            | R::JobNotFound
            | R::TooManyRotations
            | R::IssuerNotRevocable
            | R::IssuerExists
            | R::DocumentSignerMissing
            | R::WorkOrderNotClosed
            | R::ReservationNotFound
            | R::ReservationWithdrawn
            | R::ReservationsOut
            | R::TooManyReserved
            | R::UnitReserved
            | R::DeferralNotAllowed
            | R::RefusedAfterDeferral
            | R::ManifestIncomplete
            | R::ManifestMismatch
            | R::UnitGivenUp => Self::Other,
        }
    }

    /// How a program that runs for years goes on.
    pub(super) fn disposition(self) -> Disposition {
        match self {
            Self::Held
            | Self::Forked
            | Self::AlreadyEnrolled
            | Self::TooManyUnconfirmed
            | Self::CallerUnknown
            | Self::CallerExpired
            | Self::DeviceUnknown => Disposition::AwaitOperator,
            Self::CallerRevoked | Self::DeviceEnded => Disposition::Stop,
            Self::AnswerRevoked | Self::ClockInDoubt | Self::NotYetIssued | Self::Copied | Self::Other => {
                Disposition::Retry
            }
        }
    }

    /// What a person does next.
    pub(super) fn next_step(self) -> &'static str {
        match self {
            Self::Held => "the CA's operator put it on hold and can release it: touchmark device release",
            Self::Forked => {
                "another unit with the same certificate has renewed before: one of the two is a copy, or this state was restored from an old backup; the CA's operator decides: touchmark device forks"
            }
            Self::CallerRevoked
            | Self::CallerExpired
            | Self::CallerUnknown
            | Self::AnswerRevoked
            | Self::DeviceEnded
            | Self::DeviceUnknown => RETURN,
            Self::AlreadyEnrolled => {
                "it has enrolled before with another key: if its state was lost, the CA's operator must revoke that certificate first; if this is a copy of another unit's state, return the unit"
            }
            Self::ClockInDoubt => {
                "the CA's clock is wrong, and the unit goes on by itself when it is right again; the CA's operator sees it in touchmark doctor"
            }
            Self::NotYetIssued => {
                "`touchmark-station reconcile` may not have run yet at the station that made the unit: run it again after that; a unit whose certificate was refused there never gets one and must be made again"
            }
            Self::Copied => {
                "this state directory is a copy of another's, or was restored from an old backup; return the unit"
            }
            Self::TooManyUnconfirmed | Self::Other => "ask the CA's operator",
        }
    }
}

pub(super) const RETURN: &str = "return the unit to its maker, it can do nothing about it itself";
