//! Why a public key is refused.

/// Why a public key is refused. The sender of the key must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum KeyError {
    #[error("the public key is not strict DER")]
    NotDer,
    /// An algorithm, curve or size that R-KEY-01 does not list.
    #[error("no certificate is made for keys of this kind: a device's are for ECDSA P-256 keys")]
    NotAllowed,
    /// An encoding that the standard forbids, or not a key (R-KEY-07, R-KEY-08).
    #[error("the public key is malformed: {what}")]
    Malformed { what: &'static str },
    /// The private key can be computed (R-KEY-02, R-KEY-03, R-KEY-04, R-KEY-08).
    #[error("the public key is weak: {what}")]
    Weak { what: &'static str },
}
