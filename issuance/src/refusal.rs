//! Why no certificate is drafted or sealed.

use identity::{KeyType, ProfileName};

/// Why a request gets no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The profile forbids something that was asked for.
    #[error("profile {profile} forbids {what}")]
    Forbidden {
        /// The law.
        profile: ProfileName,
        /// What it forbids.
        what: &'static str,
    },
    /// The profile is not for keys of this kind (R-KEY-01). `KEY_TYPE_NOT_ALLOWED`.
    #[error("profile {profile} is not for {key_type} keys; it is for {}", names(allowed))]
    KeyType {
        /// The law.
        profile: ProfileName,
        /// The kind of key that was offered.
        key_type: KeyType,
        /// The kinds that it is for.
        allowed: Vec<KeyType>,
    },
    /// What would be signed breaks a rule (R-5280-23): a fault of ours or of the configuration, not of the caller.
    #[error("it would break {}: {}", .0.rule, .0.what)]
    Lint(LintFinding),
    /// It cannot be written at all.
    #[error("it cannot be encoded: {what}")]
    Encoding {
        /// Which part.
        what: &'static str,
    },
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintFinding {
    /// Its id, for example `R-5280-05`.
    pub rule: &'static str,
    /// What is wrong.
    pub what: String,
}

fn names(key_types: &[KeyType]) -> String {
    let names: Vec<String> = key_types.iter().map(ToString::to_string).collect();
    names.join(", ")
}
