//! What each reason means for a line, and what a person does about it.

use cli::Status;
use proto::v1::Reason;
use tonic::Code;

use crate::session::Refusal;

impl Refusal {
    /// A refusal; the reason says whether the order has ended.
    pub(crate) fn new(reason: String, message: String, stops_the_line: bool) -> Self {
        let ends_the_order = ends_the_order(&reason);
        Self { reason, message, stops_the_line, ends_the_order }
    }

    /// Whether the work order, what is out of it, or its product is the reason.
    pub(crate) fn is_about_the_order(&self) -> bool {
        Reason::from_str_name(&self.reason)
            .is_some_and(|reason| matches!(subject(reason), Subject::WorkOrder | Subject::Product))
    }

    pub(crate) fn is(&self, reason: Reason) -> bool {
        self.reason == reason.as_str_name()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The work order: the next unit would be refused too.
    WorkOrder,
    /// The product: all its units are refused, at every station.
    Product,
    /// The station's credential: the next unit would be refused too.
    Credential,
    /// The CA, which cannot answer now.
    Ca,
    /// The programs, which do not fit each other.
    Programs,
    /// One unit; or the reason is not given to stations.
    Unit,
}

/// The match is exhaustive, so that a new reason needs a row.
#[expect(clippy::too_many_lines, reason = "one row for each reason")]
fn subject(reason: Reason) -> Subject {
    match reason {
        Reason::WorkOrderExhausted
        | Reason::WorkOrderPaused
        | Reason::WorkOrderClosed
        | Reason::WorkOrderExpired
        | Reason::WorkOrderNotYetOpen
        | Reason::WorkOrderNotFound
        | Reason::ManifestIncomplete
        | Reason::TooManyReserved => Subject::WorkOrder,
        Reason::ProductPaused | Reason::BrokenGenerator => Subject::Product,
        Reason::ClientCertificateRequired
        | Reason::ClientCertificateUnknown
        | Reason::ClientCertificateRevoked
        | Reason::ClientCertificateExpired
        | Reason::ClientCertificateHeld
        | Reason::RoleNotAllowed
        | Reason::BareKeyNotAllowed
        | Reason::TokenNotAllowed => Subject::Credential,
        Reason::Overloaded
        | Reason::Stopping
        | Reason::DeadlineExceeded
        | Reason::Cancelled
        | Reason::StoreBusy
        | Reason::StoreFull
        | Reason::StoreUnavailable
        | Reason::ListingsUnavailable
        | Reason::SignerUnavailable
        | Reason::ClockInDoubt => Subject::Ca,
        Reason::RpcUnknown
        | Reason::TimeoutMalformed
        | Reason::MessageCompressed
        | Reason::MessageMalformed
        | Reason::MessageTooLarge => Subject::Programs,
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
        | Reason::DeviceOfAnotherWorkOrder
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
        | Reason::IssuerExists
        | Reason::DocumentSignerMissing
        | Reason::WorkOrderNotClosed
        | Reason::ReservationNotFound
        | Reason::ReservationWithdrawn
        | Reason::ReservationsOut
        | Reason::UnitReserved
        | Reason::CertificateNotYetIssued
        | Reason::DeferralNotAllowed
        | Reason::RefusedAfterDeferral
        | Reason::ManifestMismatch
        | Reason::UnitGivenUp
        | Reason::ProductNotFound
        | Reason::ProductNotPaused => Subject::Unit,
    }
}

/// Whether the CA would refuse the next unit as well. A reason of a newer CA is judged by its status code.
pub(super) fn stops_the_line(code: Code, reason: &str) -> bool {
    match Reason::from_str_name(reason).map(|reason| (subject(reason), reason)) {
        Some((Subject::WorkOrder | Subject::Product | Subject::Credential, _)) => true,
        Some((_, reason)) => matches!(reason, Reason::RpcUnknown | Reason::MessageCompressed),
        None => matches!(code, Code::Unauthenticated | Code::Unimplemented | Code::PermissionDenied),
    }
}

fn ends_the_order(reason: &str) -> bool {
    use Reason::{WorkOrderClosed, WorkOrderExhausted, WorkOrderExpired};
    matches!(Reason::from_str_name(reason), Some(WorkOrderExhausted | WorkOrderClosed | WorkOrderExpired))
}

pub(crate) fn exit_status(reason: &str) -> Status {
    match (Reason::from_str_name(reason), reason) {
        (
            Some(
                Reason::WorkOrderPaused
                | Reason::ProductPaused
                | Reason::WorkOrderNotYetOpen
                | Reason::ManifestIncomplete,
            ),
            _,
        )
        | (None, CA_UNREACHABLE | NOT_RESERVED) => Status::Later,
        _ if ends_the_order(reason) => Status::NotGood,
        (Some(reason), _) if subject(reason) == Subject::Credential => Status::Unusable,
        (None, CLOCK | "UNAUTHENTICATED") => Status::Unusable,
        _ if is_of_tls(reason) => Status::Unusable,
        _ => Status::Failed,
    }
}

/// Whether the TLS connection failed for a reason that another attempt does not change.
pub(crate) fn is_of_tls(reason: &str) -> bool {
    matches!(reason, TLS | NOT_TLS | SERVER_EXPIRED | SERVER_NOT_BEGUN | SERVER_UNKNOWN)
}

/// What an operator of the CA does about a status that says "later".
pub(super) fn remedy(reason: &str) -> &'static str {
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
        (None, TLS | "UNAUTHENTICATED") => {
            "the CA does not accept this station's credential, or the station not the CA's: it may be revoked, expired or of \
             another CA; an operator can make another one: touchmark principal issue station"
        }
        (None, CLOCK) => {
            "compare `date -u` here with another clock and set it; if it is right, the CA's server certificate is what is wrong: an operator \
             looks with touchmark doctor"
        }
        (None, NOT_TLS) => {
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
        (None, CA_UNREACHABLE) => {
            "mend what the CA says; if it says nothing, check `server` in the configuration and that the CA runs; then run this command \
             again: it goes on where it stopped"
        }
        (None, NOT_RESERVED) => {
            "while the CA answers, provision --keep-reservation (without --offline) reserves units for this station"
        }
        // A reason of a newer CA.
        (None, _) => ASK_AN_OPERATOR,
    }
}

fn advice_on(reason: Reason) -> &'static str {
    match (reason, subject(reason)) {
        (Reason::WorkOrderExhausted, _) => {
            "all units of the order are made or reserved; ask for another work order: touchmark work-order create"
        }
        (Reason::WorkOrderPaused, _) => {
            "an operator has paused the order; after `touchmark work-order resume` run this command again"
        }
        (Reason::BrokenGenerator, _) => {
            "stop the line and keep both units: their private keys are no secrets. Whoever is responsible for the firmware finds out why its random \
             generator repeats itself; an operator looks with `touchmark product show PRODUCT` and resumes (docs/operations/broken-generator.md)"
        }
        (Reason::ProductPaused, _) => {
            "no station makes units of this product now; `touchmark product show PRODUCT` says why. After `touchmark product resume PRODUCT` run this command again"
        }
        (Reason::WorkOrderClosed, _) => "the order has ended for ever; ask for another work order",
        (Reason::WorkOrderExpired, _) => "the window of the order has ended; ask for another work order",
        (Reason::WorkOrderNotYetOpen, _) => {
            "the window of the order has not begun; run this command again when it has"
        }
        (Reason::TooManyReserved, _) => {
            "this station has as many units out as it may have: a run without --keep-reservation returns what no unit was told, and \
             `touchmark-station reconcile` has those issued that were made without the CA"
        }
        (Reason::RefusedAfterDeferral | Reason::ReservationWithdrawn, _) => {
            "the unit gets no identity: take it out of the lot; its serial number is spent"
        }
        (Reason::DeferralNotAllowed, _) => {
            "compare this station's journal and clock with the CA's record: touchmark work-order reservation list"
        }
        (Reason::DeviceOfAnotherWorkOrder, _) => {
            "the unit has its birth certificate from that order; give this order other serial numbers"
        }
        (Reason::ClientCertificateRevoked, _) => {
            "an operator has revoked this station's credential; ask for another one: touchmark principal issue station"
        }
        (Reason::ClientCertificateExpired, _) => {
            "this station's credential has expired; ask for another one: touchmark principal issue station"
        }
        (_, Subject::WorkOrder | Subject::Product) => {
            "check the id with `touchmark work-order list`, and that the order names this station"
        }
        (_, Subject::Credential) => "use the credential of a station: touchmark principal issue station",
        (_, Subject::Ca) => {
            "run this command again when the CA can answer; an operator looks with touchmark doctor"
        }
        (_, Subject::Programs) => "use programs and a CA of the same version",
        (_, Subject::Unit) => ASK_AN_OPERATOR,
    }
}

pub(super) const TLS: &str = "TLS";
pub(super) const NOT_TLS: &str = "NOT_TLS";
pub(crate) const CA_UNREACHABLE: &str = "CA_UNREACHABLE";

/// The CA is away, and what is wanted is not reserved for this station.
pub(crate) const NOT_RESERVED: &str = "NOT_RESERVED";

/// The CA's certificate is not valid at the station's time.
pub(crate) const CLOCK: &str = "STATION_CLOCK_WRONG";

pub(super) const SERVER_EXPIRED: &str = "SERVER_CERTIFICATE_EXPIRED";
pub(super) const SERVER_NOT_BEGUN: &str = "SERVER_CERTIFICATE_NOT_BEGUN";
pub(super) const SERVER_UNKNOWN: &str = "SERVER_CERTIFICATE_UNKNOWN";
const ASK_AN_OPERATOR: &str = "this holds for every unit; ask an operator of the CA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_newer_ca_is_referred_to_an_operator() {
        assert!(advice("WORK_ORDER_PAUSED").contains("resume"));
        assert_eq!(advice("WORK_ORDER_FROM_THE_FUTURE"), ASK_AN_OPERATOR);
    }
}
