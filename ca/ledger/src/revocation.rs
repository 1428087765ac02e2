//! Revocations of selections that are too large for one entry, and what is asked of a fleet: rows that the
//! ledger keeps few of.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use identity::{Principal, RevocationReason};

use super::{EntryNumber, Selection};

/// The number of a mass revocation: a count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rv-{:06}", self.0)
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let id = text.strip_prefix("rv-").and_then(|digits| digits.parse().ok()).map(Self);
        id.filter(|id: &Self| id.to_string() == text).ok_or(JobIdError)
    }
}

/// The text is not the number of a mass revocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a mass revocation is written rv- and at least six digits, for example rv-000003")]
pub struct JobIdError;

/// What a mass revocation revokes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationTerms {
    /// The selected certificates.
    pub selection: Selection,
    /// The reason (RFC 5280, section 5.3.1): neither a hold nor the compromise of an issuer.
    pub reason: RevocationReason,
    /// When the keys are believed to have been lost (RFC 5280, section 5.3.2).
    pub invalidity_date: Option<SystemTime>,
    /// How many devices the operator confirmed.
    pub devices: u64,
    /// How many certificates the operator confirmed.
    pub certificates: u64,
}

/// A mass revocation and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// The job's number.
    pub id: JobId,
    /// What it revokes, and why.
    pub terms: RevocationTerms,
    /// How many certificates it has revoked so far.
    pub revoked: u64,
    /// When it began.
    pub begun_at: SystemTime,
    /// Who began it.
    pub begun_by: Option<Principal>,
    /// The entry that began it.
    pub begun: EntryNumber,
    /// The entry that finished it; `None`: it goes on.
    pub finished: Option<EntryNumber>,
}

/// What is asked of devices that are to renew soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationTerms {
    /// Which certificates, of those that are on record.
    pub selection: Selection,
    /// The renewals are spread over this time.
    pub spread: Duration,
    /// A remark for people.
    pub reason: String,
    /// Forgotten then: when every certificate of now has expired.
    pub until: SystemTime,
}

/// A request that certificates be renewed soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationFacts {
    /// The entry that asked.
    pub entry: EntryNumber,
    /// When: certificates that were recorded later are not meant.
    pub requested_at: SystemTime,
    /// Who asked.
    pub requested_by: Option<Principal>,
    /// What is to be renewed, and when.
    pub terms: RotationTerms,
}

/// Most certificates that one command revokes: an entry of some 25 kB, a millisecond of the committer's time.
pub const REVOKE_MAX: usize = 1_024;

/// Most rotation requests that are not forgotten yet: each is looked at for every device that asks when to
/// renew.
pub const ROTATIONS_MAX: usize = 1_000;
