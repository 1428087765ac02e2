//! Why a public key is refused.

/// Why a public key is refused. The sender of the key must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a SubjectPublicKeyInfo in strict DER (R-5280-20).
    #[error("the public key is not strict DER")]
    NotDer,
    /// Another algorithm, curve or size than those of R-KEY-01.
    #[error("no certificate is made for keys of this kind: a device's are for ECDSA P-256 keys")]
    NotAllowed,
    /// Encoded as its standard forbids, or no key at all (R-KEY-07, R-KEY-08).
    #[error("the public key is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Others can find the private key, or it has none (R-KEY-02, R-KEY-03, R-KEY-04, R-KEY-08).
    #[error("the public key is weak: {what}")]
    Weak {
        /// How.
        what: &'static str,
    },
}

impl KeyError {
    /// The stable reason that callers are told.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotDer | Self::Malformed { .. } => "KEY_MALFORMED",
            Self::NotAllowed => "KEY_TYPE_NOT_ALLOWED",
            Self::Weak { .. } => "KEY_WEAK",
        }
    }
}
