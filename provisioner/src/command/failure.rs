//! Why a command failed as a whole, the exit status for it, and what to do next.

use std::path::PathBuf;

use super::status;
use crate::ca::{CaError, advice};
use crate::config::ConfigError;
use crate::journal::JournalError;
use crate::link::LinkSpecError;
use crate::units::PatternError;

/// Why a command failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The address of the CA cannot be used.
    #[error("the address of the CA cannot be used")]
    Address(#[from] tonic::transport::Error),
    /// The CA does not answer as it must for the work to begin.
    #[error("{error}")]
    Ca {
        /// What it said.
        error: CaError,
        /// What to do about it.
        next: &'static str,
    },
    /// The list of serial numbers has mistakes.
    #[error("{path}: {mistakes}")]
    List {
        /// Which file.
        path: PathBuf,
        /// All of them.
        mistakes: lists::Mistakes,
    },
    /// The list of serial numbers cannot be read.
    #[error("the list {path} cannot be read")]
    ListFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The report cannot be written.
    #[error("the report {path} cannot be written")]
    Report {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The link cannot be used for a device.
    #[error(transparent)]
    Link(#[from] LinkSpecError),
    /// The work order's range cannot be read.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The work order cannot be worked to as asked.
    #[error("{0}")]
    WorkOrder(String),
    /// The line itself broke.
    #[error("the line broke: {0}")]
    Line(String),
}

impl Failure {
    /// The exit status of the program.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Address(_) => status::CONFIGURATION,
            Self::Journal(JournalError::Damaged { .. } | JournalError::Version { .. }) => {
                status::STORED_STATE
            }
            Self::List { .. } | Self::Link(_) => status::USAGE,
            Self::Ca { error, .. } => of_ca(error),
            Self::Journal(_)
            | Self::ListFile { .. }
            | Self::Report { .. }
            | Self::Pattern(_)
            | Self::WorkOrder(_)
            | Self::Line(_) => status::FAILED,
        }
    }

    /// What to do about it, if there is more to say than the error itself.
    pub fn next(&self) -> Option<&str> {
        match self {
            Self::Config(_) => {
                Some("correct the configuration; touchmark-station provision --help has an example")
            }
            Self::Ca { next, .. } => Some(next),
            Self::List { .. } => Some("correct the list; nothing was started"),
            Self::ListFile { .. } => Some("check --serials"),
            _ => None,
        }
    }
}

/// A refusal before the first unit is told with what to do about it.
pub(super) fn with_advice(error: CaError) -> Failure {
    let next = advice(error.reason());
    Failure::Ca { error, next }
}

/// The exit status for what the CA said.
pub(super) fn of_ca(error: &CaError) -> u8 {
    match error {
        CaError::Unreachable(_) => status::LATER,
        CaError::Refused(refusal) => of_refusal(&refusal.reason),
    }
}

/// The exit status for a refusal, by its reason.
pub(super) fn of_refusal(reason: &str) -> u8 {
    match reason {
        "CA_UNREACHABLE" | "WORK_ORDER_PAUSED" | "WORK_ORDER_NOT_YET_OPEN" => status::LATER,
        "WORK_ORDER_EXHAUSTED" | "WORK_ORDER_CLOSED" | "WORK_ORDER_EXPIRED" => status::NOT_ALL_GOOD,
        "TLS" | "UNAUTHENTICATED" | "ROLE_NOT_ALLOWED" => status::CONFIGURATION,
        reason if reason.starts_with("CLIENT_CERTIFICATE_") => status::CONFIGURATION,
        _ => status::FAILED,
    }
}
