//! Why a public key is refused.

/// Why a public key is refused. The sender of the key must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a SubjectPublicKeyInfo in strict DER (R-5280-20).
    #[error("the public key is not strict DER")]
    NotDer,
    /// An algorithm, curve or size that R-KEY-01 does not list.
    #[error("no certificate is made for keys of this kind: a device's are for ECDSA P-256 keys")]
    NotAllowed,
    /// An encoding that the standard forbids, or not a key (R-KEY-07, R-KEY-08).
    #[error("the public key is malformed: {what}")]
    Malformed {
        /// The fault, for people.
        what: &'static str,
    },
    /// The private key can be computed (R-KEY-02, R-KEY-03, R-KEY-04, R-KEY-08).
    #[error("the public key is weak: {what}")]
    Weak {
        /// The weakness, for people.
        what: &'static str,
    },
}
