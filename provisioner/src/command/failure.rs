//! Why a command failed as a whole, how the program ends then, and what to do next (`docs/cli.md`).

use cli::{Complaint, Status};

use crate::arguments::PROGRAM;
use crate::ca::{CaError, advice};
use crate::config::ConfigError;
use crate::journal::JournalError;
use crate::link::LinkSpecError;
use crate::units::{ListError, PatternError};

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
    /// The CA does not give the work order.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The list of serials has mistakes.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list of serials cannot be read.
    #[error("the list {path} cannot be read")]
    ListFile {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The report cannot be written.
    #[error("the report {path} cannot be written")]
    Report {
        /// Which file.
        path: std::path::PathBuf,
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
    /// Nobody said that it is meant.
    #[error("not confirmed; nothing was scrapped")]
    NotConfirmed {
        /// How many units it is about.
        units: usize,
    },
    /// The line itself broke.
    #[error("the line broke: {0}")]
    Line(String),
}

impl Failure {
    /// How the program ends.
    pub fn status(&self) -> Status {
        match self {
            Self::Config(_) | Self::Address(_) => Status::Unusable,
            Self::Journal(JournalError::Damaged { .. } | JournalError::Version { .. }) => Status::Damaged,
            Self::Ca(CaError::Refused(refusal)) => of_reason(&refusal.reason),
            Self::Ca(CaError::Unreachable(_)) => Status::Later,
            Self::List(_) | Self::ListFile { .. } | Self::Link(_) => Status::Usage,
            Self::NotConfirmed { .. } => Status::NotConfirmed,
            Self::Journal(_)
            | Self::Report { .. }
            | Self::Pattern(_)
            | Self::WorkOrder(_)
            | Self::Line(_) => Status::Failed,
        }
    }

    /// What happened, because of what, and what to do next.
    pub fn complaint(&self) -> Complaint {
        let mut complaint = Complaint::of(PROGRAM, self.status(), self);
        if let Self::Ca(CaError::Refused(refusal)) = self {
            complaint.what = match refusal.reason.as_str() {
                // It was not the CA that answered, or it did not come to an answer.
                "TLS" | "NOT_TLS" => format!("cannot reach the CA: {}", refusal.message),
                _ => format!("the CA refuses: {}", refusal.message),
            };
            complaint.reason = Some(refusal.reason.clone());
        }
        complaint.next = self.next_step();
        complaint
    }

    fn next_step(&self) -> Option<String> {
        let next = match self {
            Self::Config(_) | Self::Address(_) => {
                "correct the configuration: touchmark-station provision --help lists its fields"
            }
            Self::Ca(CaError::Refused(refusal)) => advice(&refusal.reason),
            Self::Ca(CaError::Unreachable(_)) => advice("CA_UNREACHABLE"),
            Self::List(_) => "correct the list; nothing was begun",
            Self::ListFile { .. } => "name a file that can be read, or - for standard input",
            Self::Report { .. } => "name a file that can be written: --report FILE",
            Self::NotConfirmed { units } => {
                return Some(format!("type the number on a terminal, or say --confirm {units} or --yes"));
            }
            Self::Journal(_) | Self::Link(_) | Self::Pattern(_) | Self::WorkOrder(_) | Self::Line(_) => {
                return None;
            }
        };
        Some(next.to_owned())
    }
}

/// How the program ends when the CA gives this reason for not going on.
pub(super) fn of_reason(reason: &str) -> Status {
    match reason {
        "CA_UNREACHABLE" => Status::Later,
        "TLS" | "NOT_TLS" | "UNAUTHENTICATED" | "ROLE_NOT_ALLOWED" => Status::Unusable,
        reason if reason.starts_with("CLIENT_CERTIFICATE_") => Status::Unusable,
        _ => Status::Failed,
    }
}
