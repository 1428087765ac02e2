//! Revocation reasons.

named! {
    /// The reasons of RFC 5280, section 5.3.1, that apply to our certificates: neither `aACompromise` (no
    /// attribute certificates) nor `removeFromCRL` (R-CRL-05).
    RevocationReason, unknown: UnknownRevocationReason = UnknownRevocationReason;
    /// unspecified.
    Unspecified = "unspecified",
    /// keyCompromise: somebody else may have the key.
    KeyCompromise = "keyCompromise",
    /// cACompromise: somebody else may have the issuer's key; only for CA certificates.
    CaCompromise = "cACompromise",
    /// affiliationChanged: the content of the certificate is no longer true.
    AffiliationChanged = "affiliationChanged",
    /// superseded: another certificate replaced it.
    Superseded = "superseded",
    /// cessationOfOperation: the subject no longer exists or changed its task.
    CessationOfOperation = "cessationOfOperation",
    /// certificateHold: temporary, the only reason that can be undone (R-CRL-06).
    CertificateHold = "certificateHold",
    /// privilegeWithdrawn: the subject lost a right.
    PrivilegeWithdrawn = "privilegeWithdrawn",
}

impl RevocationReason {
    /// The `CRLReason` value of RFC 5280, section 5.3.1.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// The reason with this `CRLReason` value.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// The text is not a revocation reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one of {}", RevocationReason::ALL.map(RevocationReason::as_str).join(", "))]
pub struct UnknownRevocationReason;
