//! Why no certificate is issued.

use identity::{KeyType, ProfileName};

/// Why a request gets no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum Refusal {
    /// The profile forbids part of the request.
    #[error("profile {profile} forbids {what}")]
    Forbidden {
        profile: ProfileName,
        /// The forbidden part, for people.
        what: &'static str,
    },
    /// The profile does not accept keys of this kind (R-KEY-01). `KEY_TYPE_NOT_ALLOWED`.
    #[error("profile {profile} is not for {key_type} keys; it is for {}", names(allowed))]
    KeyType { profile: ProfileName, key_type: KeyType, allowed: Vec<KeyType> },
    /// The bytes to be signed break a rule (R-5280-23): a fault of the CA or its configuration, not of the
    /// caller.
    #[error("it would break {}: {}", .0.rule, .0.what)]
    Lint(LintFinding),
    /// The certificate cannot be encoded.
    #[error("it cannot be encoded: {what}")]
    Encoding {
        /// The part that cannot be encoded, for people.
        what: &'static str,
    },
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintFinding {
    /// Its id, for example `R-5280-05`.
    pub rule: &'static str,
    /// The mistake, for people.
    pub what: String,
}

fn names(key_types: &[KeyType]) -> String {
    let names: Vec<String> = key_types.iter().map(ToString::to_string).collect();
    names.join(", ")
}
