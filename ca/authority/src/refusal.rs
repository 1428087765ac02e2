//! Why the authority refuses an operation.

use std::time::Duration;

use identity::{ClockDoubt, CsrError, KeyFingerprint};
use issuance::BlockedKey;
use ledger::{Conflict, WorkOrderId};
use signer::SignerError;
use store::StoreError;

/// Why the authority refuses an operation. Nothing was issued and nothing counted, unless it is
/// [`Refused::Store`] with an unknown outcome: then the same request again tells.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The caller may not ask, or may no longer ask.
    #[error(transparent)]
    Caller(#[from] CallerRefused),
    /// The certificate request is malformed or proves nothing: its maker must act.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// `KEY_BLOCKED`: its maker must act, and somebody should find out where the key came from.
    #[error("{why}: SHA-256 {key}")]
    Blocked {
        /// The SHA-256 of the key.
        key: KeyFingerprint,
        /// Which list it is on.
        why: BlockedKey,
    },
    /// The profile forbids it, or the certificate would break a rule.
    #[error(transparent)]
    Profile(#[from] issuance::Refusal),
    /// The ledger's rules forbid it.
    #[error(transparent)]
    Ledger(#[from] Conflict),
    /// `REQUEST_INVALID`: a field is missing or wrong.
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
        /// How many certificates the operator confirmed.
        expected: u64,
        /// How many certificates it holds now.
        certificates: u64,
        /// How many devices these belong to.
        devices: u64,
    },
    /// `TOO_OFTEN`: the device was issued many certificates in a short time; every one is a ledger entry.
    #[error("this device had too many certificates lately; ask again in {} s", wait.as_secs() + 1)]
    TooOften {
        /// How long until the next may be issued.
        wait: Duration,
    },
    /// `CERTIFICATE_NOT_YET_ISSUED`: no birth certificate is on record for the key that the caller proved.
    #[error("no birth certificate is on record for this key yet; ask again later")]
    NotYetIssued,
    /// `GENERATOR_FAILED`: the generator repeats itself (R-5280-02). Nothing was signed.
    #[error("no fresh serial number can be drawn")]
    SerialNumbers,
    /// The key of the issuer cannot be used now.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store cannot answer now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `DOCUMENT_SIGNER_MISSING`: our operator must have the root issue a certificate for one.
    #[error("this CA has no signer of documents that is good now")]
    NoDocumentSigner,
    /// `WORK_ORDER_NOT_CLOSED`: only a closed order has a closing report.
    #[error("{0} is not closed")]
    OrderNotClosed(WorkOrderId),
    /// `CLOCK_IN_DOUBT`: our operator must put the clock right, or confirm it.
    #[error("{0}")]
    Clock(ClockDoubt),
    /// `INTERNAL`: a case that cannot happen, which is a fault of the program.
    #[error("a fault of the program: {what}")]
    Internal {
        /// What cannot be.
        what: &'static str,
    },
}

/// Why a caller is not admitted. Says nothing of other callers, or of what is on record.
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
    /// `BARE_KEY_NOT_ALLOWED`: a self-signed certificate proves a key, and this operation needs more.
    #[error("this call needs a certificate of this CA; a self-signed certificate proves a key and no more")]
    BareKey,
    /// `TOKEN_NOT_ALLOWED`.
    #[error("this call takes no token")]
    Token,
}

impl Refused {
    pub(crate) fn internal(what: &'static str) -> Self {
        Self::Internal { what }
    }

    /// Whether our operator must act, not the caller.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Profile(issuance::Refusal::Lint(_) | issuance::Refusal::Encoding { .. })
            | Self::SerialNumbers
            | Self::NoDocumentSigner
            | Self::Internal { .. }
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
            | Self::OrderNotClosed(_)
            | Self::NotYetIssued
            | Self::CountChanged { .. }
            // Said once, when the clock was found to be wrong, and not for every caller.
            | Self::Clock(_)
            | Self::Request { .. } => false,
        }
    }

    /// Whether a cloned device, a copied key or a stolen credential looks like this.
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
                        | Conflict::KeyOfAnotherUnit { .. }
                        | Conflict::BrokenGenerator { .. }
                        | Conflict::SharedPrime
                        | Conflict::DeviceAlreadyIssued(_)
                        | Conflict::AlreadyEnrolled(_)
                )
        )
    }
}
