//! Revocation reasons.

use std::fmt;
use std::str::FromStr;

/// The reasons of RFC 5280, section 5.3.1, that apply to our certificates: neither `aACompromise` (no
/// attribute certificates) nor `removeFromCRL` (R-CRL-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevocationReason {
    /// unspecified.
    Unspecified,
    /// keyCompromise: somebody else may have the key.
    KeyCompromise,
    /// cACompromise: somebody else may have the issuer's key; only for CA certificates.
    CaCompromise,
    /// affiliationChanged: the content of the certificate is no longer true.
    AffiliationChanged,
    /// superseded: another certificate replaced it.
    Superseded,
    /// cessationOfOperation: the subject no longer exists or changed its task.
    CessationOfOperation,
    /// certificateHold: temporary, the only reason that can be undone (R-CRL-06).
    CertificateHold,
    /// privilegeWithdrawn: the subject lost a right.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
    ];

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

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        })
    }
}

impl FromStr for RevocationReason {
    type Err = UnknownRevocationReason;

    fn from_str(text: &str) -> Result<Self, UnknownRevocationReason> {
        Self::ALL.into_iter().find(|reason| reason.to_string() == text).ok_or(UnknownRevocationReason)
    }
}

/// The text is not a revocation reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a reason is one of unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold, privilegeWithdrawn"
)]
pub struct UnknownRevocationReason;
