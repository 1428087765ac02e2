//! Why the authority does not do what is asked. Every reason has one stable name, the same on every front
//! end, and a row in `docs/reasons.md`.

use std::time::Duration;

use identity::{ClockDoubt, CsrError, KeyFingerprint};
use issuance::BlockedKey;
use ledger::{Conflict, TermsRefusal, WorkOrderState};
use signer::SignerError;
use store::StoreError;

/// Why the authority does not do what is asked. Nothing was issued and nothing counted, unless it is [`Refused::Store`] with an
/// outcome that is not known: then the same request again tells.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The caller is not, or is no longer, who may ask.
    #[error(transparent)]
    Caller(#[from] CallerRefused),
    /// The certificate request is no good: its maker must act.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// The key is one that gets no certificate: its maker must act, and somebody should look how it came there.
    #[error("{why}: SHA-256 {key}")]
    Blocked {
        /// Which.
        key: KeyFingerprint,
        /// Why it gets none.
        why: BlockedKey,
    },
    /// The profile forbids it, or we would break a rule.
    #[error(transparent)]
    Profile(#[from] issuance::Refusal),
    /// The ledger's rules forbid it.
    #[error(transparent)]
    Ledger(#[from] Conflict),
    /// The request contradicts itself or asks for more than there is: which field, and what is wrong with it.
    #[error("{field}: {what}")]
    Request {
        /// Its name on the wire.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// `COUNT_CHANGED`: the selection is not what the operator confirmed.
    #[error(
        "this is about {certificates} certificates of {devices} devices now, and {expected} certificates were confirmed"
    )]
    CountChanged {
        /// What was confirmed.
        expected: u64,
        /// What it is now.
        certificates: u64,
        /// Of how many devices.
        devices: u64,
    },
    /// `TOO_OFTEN`: the device had many certificates in a short time, and every one is on record for ever.
    #[error("this device had too many certificates lately; ask again in {} s", wait.as_secs() + 1)]
    TooOften {
        /// When the next may be asked for.
        wait: Duration,
    },
    /// The generator repeats itself (R-5280-02): our operator must act. Nothing was signed.
    #[error("no fresh serial number can be drawn")]
    SerialNumbers,
    /// The key of the issuer cannot be used now.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store cannot answer now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `CLOCK_IN_DOUBT`: our operator must put the clock right, or confirm it.
    #[error("{0}")]
    Clock(ClockDoubt),
}

/// Why a caller is not answered. Says nothing of other callers, or of what is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerRefused {
    /// `CLIENT_CERTIFICATE_REQUIRED`.
    #[error("this call needs a client certificate")]
    Anonymous,
    /// `CLIENT_CERTIFICATE_UNKNOWN`: not one that we issued, or not byte for byte.
    #[error("the client certificate is not on record")]
    Unknown,
    /// `CLIENT_CERTIFICATE_REVOKED`.
    #[error("the client certificate is revoked")]
    Revoked,
    /// `CLIENT_CERTIFICATE_HELD`: until an operator releases it.
    #[error("the client certificate is on hold")]
    Held,
    /// `CLIENT_CERTIFICATE_EXPIRED`: also one that is not valid yet.
    #[error("the client certificate is not within its time")]
    Expired,
    /// `ROLE_NOT_ALLOWED`.
    #[error("the caller's role may not call this")]
    Role,
}

impl Refused {
    /// A fault of the CA itself that cannot happen.
    pub(crate) fn internal(what: &'static str) -> Self {
        StoreError::Bug { what }.into()
    }

    /// The stable name of the reason: programs may rely on it, people may search for it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Caller(why) => why.reason(),
            Self::Csr(why) => why.reason(),
            Self::Blocked { .. } => "KEY_BLOCKED",
            Self::Profile(issuance::Refusal::Forbidden { .. }) => "PROFILE_FORBIDS",
            Self::Profile(issuance::Refusal::KeyType { .. }) => "KEY_TYPE_NOT_ALLOWED",
            Self::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. }) => {
                "ISSUANCE_FAILED"
            }
            Self::Ledger(why) => conflict_reason(why),
            Self::Request { .. } => "REQUEST_INVALID",
            Self::CountChanged { .. } => "COUNT_CHANGED",
            Self::TooOften { .. } => "TOO_OFTEN",
            Self::SerialNumbers => "GENERATOR_FAILED",
            Self::Signer(SignerError::Unavailable) => "SIGNER_UNAVAILABLE",
            Self::Store(why) => store_reason(why),
            Self::Clock(_) => "CLOCK_IN_DOUBT",
        }
    }

    /// Whether our operator must act, not the caller.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. })
            | Self::SerialNumbers
            | Self::Signer(_) => true,
            Self::Store(why) => !matches!(
                why,
                StoreError::Busy | StoreError::CursorUnknown | StoreError::ListingsUnavailable { .. }
            ),
            Self::Profile(issuance::Refusal::Forbidden { .. } | issuance::Refusal::KeyType { .. })
            | Self::Caller(_)
            | Self::Csr(_)
            | Self::Blocked { .. }
            | Self::Ledger(_)
            | Self::TooOften { .. }
            | Self::CountChanged { .. }
            // Said once, when the clock was found to be wrong, and not for every caller.
            | Self::Clock(_)
            | Self::Request { .. } => false,
        }
    }
}

impl Refused {
    /// Whether it is what a cloned device, a copied key or a stolen credential looks like: somebody should look.
    pub fn is_suspicious(&self) -> bool {
        matches!(
            self,
            Self::Caller(CallerRefused::Revoked | CallerRefused::Held | CallerRefused::Unknown)
                | Self::Blocked { .. }
                | Self::Ledger(
                    Conflict::CallerRevoked
                        | Conflict::CallerHeld
                        | Conflict::LineageForked(_)
                        | Conflict::KeyAlreadyUsed
                        | Conflict::SharedPrime
                        | Conflict::DeviceAlreadyIssued(_)
                        | Conflict::AlreadyEnrolled(_)
                )
        )
    }
}

impl CallerRefused {
    /// The stable name of the reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Anonymous => "CLIENT_CERTIFICATE_REQUIRED",
            Self::Unknown => "CLIENT_CERTIFICATE_UNKNOWN",
            Self::Revoked => "CLIENT_CERTIFICATE_REVOKED",
            Self::Held => "CLIENT_CERTIFICATE_HELD",
            Self::Expired => "CLIENT_CERTIFICATE_EXPIRED",
            Self::Role => "ROLE_NOT_ALLOWED",
        }
    }
}

fn conflict_reason(why: &Conflict) -> &'static str {
    match why {
        Conflict::CallerRevoked => CallerRefused::Revoked.reason(),
        Conflict::CallerHeld => CallerRefused::Held.reason(),
        Conflict::RequestReused => "REQUEST_ID_REUSED",
        Conflict::NoSuchWorkOrder(_) => "WORK_ORDER_NOT_FOUND",
        Conflict::WorkOrderExhausted { .. } => "WORK_ORDER_EXHAUSTED",
        Conflict::WorkOrderNotOpen { state: WorkOrderState::Paused, .. } => "WORK_ORDER_PAUSED",
        Conflict::WorkOrderNotOpen { state: WorkOrderState::Open | WorkOrderState::Closed, .. } => {
            "WORK_ORDER_CLOSED"
        }
        Conflict::WorkOrderNotYetOpen(_) => "WORK_ORDER_NOT_YET_OPEN",
        Conflict::WorkOrderExpired(_) => "WORK_ORDER_EXPIRED",
        Conflict::SerialNotInWorkOrder { .. } => "SERIAL_NOT_IN_WORK_ORDER",
        Conflict::ProductNotInWorkOrder { .. } => "PRODUCT_NOT_IN_WORK_ORDER",
        Conflict::DeviceAlreadyIssued(_) => "DEVICE_ALREADY_ISSUED",
        Conflict::KeyAlreadyUsed => "KEY_ALREADY_USED",
        Conflict::SharedPrime => "KEY_WEAK",
        Conflict::SerialNumberTaken => "SERIAL_NUMBER_TAKEN",
        Conflict::NoSuchStation(_) => "STATION_UNKNOWN",
        Conflict::NoSuchDevice(_) => "DEVICE_NOT_FOUND",
        Conflict::DeviceOfAnotherWorkOrder { .. } => "DEVICE_OF_ANOTHER_WORK_ORDER",
        Conflict::LastOperator => "LAST_OPERATOR",
        Conflict::DeviceScrapped(_) => "DEVICE_SCRAPPED",
        Conflict::DeviceRetired(_) => "DEVICE_RETIRED",
        Conflict::DeviceRevoked(_) => "DEVICE_REVOKED",
        Conflict::DeviceHeld(_) => "DEVICE_HELD",
        Conflict::DeviceNotHeld(_) => "DEVICE_NOT_HELD",
        Conflict::DeviceInUse(_) => "DEVICE_IN_USE",
        Conflict::LineageForked(_) => "LINEAGE_FORKED",
        Conflict::NoCertificate(_) => "CERTIFICATE_NOT_FOUND",
        Conflict::IssuerNotRevocable => "ISSUER_NOT_REVOCABLE",
        Conflict::RevokeCount => "TOO_MANY_CERTIFICATES",
        Conflict::ReasonNotAllowed(_) => "REASON_NOT_ALLOWED",
        Conflict::NoSuchJob(_) => "JOB_NOT_FOUND",
        Conflict::TooManyRotations => "TOO_MANY_ROTATIONS",
        Conflict::NoSuchCertificate(_) => "CERTIFICATE_NOT_FOUND",
        Conflict::CertificateRevoked => "CERTIFICATE_REVOKED",
        Conflict::AlreadyEnrolled(_) => "ALREADY_ENROLLED",
        Conflict::TooManyUnconfirmed(_) => "TOO_MANY_UNCONFIRMED",
        Conflict::NoSuchPrincipal(_) => "PRINCIPAL_NOT_FOUND",
        Conflict::TermsRefused(why) => terms_reason(*why),
        Conflict::IssuerExists => "ISSUER_EXISTS",
    }
}

fn store_reason(why: &StoreError) -> &'static str {
    match why {
        StoreError::Full => "STORE_FULL",
        StoreError::Busy => "STORE_BUSY",
        StoreError::ListingsUnavailable { .. } => "LISTINGS_UNAVAILABLE",
        StoreError::CursorUnknown => "CURSOR_UNKNOWN",
        StoreError::Stopped | StoreError::Bug { .. } | StoreError::Damaged { .. } | StoreError::Io { .. } => {
            "STORE_UNAVAILABLE"
        }
    }
}

fn terms_reason(why: TermsRefusal) -> &'static str {
    match why {
        TermsRefusal::QuantityOutOfRange => "QUANTITY_OUT_OF_RANGE",
        TermsRefusal::SerialsTooFew => "SERIALS_TOO_FEW",
        TermsRefusal::ManifestTooLong => "MANIFEST_TOO_LONG",
        TermsRefusal::NoStation => "STATIONS_MISSING",
        TermsRefusal::TooManyStations => "TOO_MANY_STATIONS",
        TermsRefusal::WindowEmpty => "WINDOW_EMPTY",
        TermsRefusal::ProfileNotForBirth => "PROFILE_NOT_FOR_BIRTH",
    }
}
