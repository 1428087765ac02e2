//! Why a command failed as a whole, its exit status, and what to do next (`docs/cli.md`).

use std::path::PathBuf;

use cli::{Complaint, Status};
use identity::SerialPatternError;
use proto::v1::Reason;

use crate::arguments::PROGRAM;
use crate::ca::{CLOCK, CaError, advice};
use crate::config::ConfigError;
use crate::journal::JournalError;
use crate::link::LinkSpecError;

/// Why a command failed as a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the address of the CA cannot be used")]
    Address(#[from] tonic::transport::Error),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error("{path}: {mistakes}")]
    List { path: PathBuf, mistakes: lists::Mistakes },
    #[error("the list {path} cannot be read")]
    ListFile { path: PathBuf, source: std::io::Error },
    #[error("the report {path} cannot be written")]
    Report { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Link(#[from] LinkSpecError),
    #[error(transparent)]
    Pattern(#[from] SerialPatternError),
    /// The work order does not allow what was asked.
    #[error("{0}")]
    WorkOrder(String),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("standard output cannot be written")]
    Print(#[source] std::io::Error),
    #[error("not confirmed; nothing was scrapped")]
    NotConfirmed { units: usize },
    /// A task of the line panicked.
    #[error("the line broke: {0}")]
    Line(String),
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Config(_) | Self::Address(_) => Status::Unusable,
            Self::Journal(JournalError::Damaged { .. } | JournalError::Version { .. }) => Status::Damaged,
            Self::Ca(error) => of_reason(error.reason()),
            Self::List { .. } | Self::ListFile { .. } | Self::Link(_) => Status::Usage,
            Self::NotConfirmed { .. } => Status::NotConfirmed,
            Self::Journal(_)
            | Self::Report { .. }
            | Self::Pattern(_)
            | Self::WorkOrder(_)
            | Self::Signals(_)
            | Self::Print(_)
            | Self::Line(_) => Status::Failed,
        }
    }

    /// The error message with its causes and the next step.
    pub(crate) fn complaint(&self) -> Complaint {
        let mut complaint = Complaint::of(PROGRAM, self.status(), self);
        if let Self::Ca(CaError::Refused(refusal)) = self {
            complaint.what = match refusal.reason.as_str() {
                // There was no connection, so the CA did not answer.
                reason if is_of_tls(reason) => format!("cannot reach the CA: {}", refusal.message),
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
            Self::Ca(error) => advice(error.reason()),
            Self::List { .. } => "correct the list; nothing was begun",
            Self::ListFile { .. } => "name a file that can be read, or - for standard input",
            Self::Report { .. } => "name a file that can be written: --report FILE",
            Self::NotConfirmed { units } => {
                return Some(format!("type the number on a terminal, or say --confirm {units} or --yes"));
            }
            Self::Journal(_)
            | Self::Link(_)
            | Self::Pattern(_)
            | Self::WorkOrder(_)
            | Self::Signals(_)
            | Self::Print(_)
            | Self::Line(_) => return None,
        };
        Some(next.to_owned())
    }
}

/// Whether the TLS connection failed for a reason that another attempt does not change.
fn is_of_tls(reason: &str) -> bool {
    matches!(reason, "TLS" | "NOT_TLS") || reason.starts_with("SERVER_CERTIFICATE_")
}

/// The exit status for a reason of the CA.
pub(super) fn of_reason(reason: &str) -> Status {
    match (Reason::from_str_name(reason), reason) {
        (Some(Reason::WorkOrderPaused | Reason::WorkOrderNotYetOpen), _) | (None, "CA_UNREACHABLE") => {
            Status::Later
        }
        (Some(Reason::WorkOrderExhausted | Reason::WorkOrderClosed | Reason::WorkOrderExpired), _) => {
            Status::NotGood
        }
        (Some(Reason::RoleNotAllowed), _) | (None, CLOCK | "UNAUTHENTICATED") => Status::Unusable,
        // Also a reason of a newer CA.
        (_, reason) if reason.starts_with("CLIENT_CERTIFICATE_") || is_of_tls(reason) => Status::Unusable,
        _ => Status::Failed,
    }
}
