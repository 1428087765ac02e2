//! Why a command failed as a whole, how the program ends then, and what to do next (`docs/cli.md`).

use std::path::PathBuf;

use cli::{Complaint, Status};
use identity::SerialPatternError;

use crate::arguments::PROGRAM;
use crate::ca::{CLOCK, CaError, advice};
use crate::config::ConfigError;
use crate::journal::JournalError;
use crate::link::LinkSpecError;

/// Why a command failed as a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
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
    Pattern(#[from] SerialPatternError),
    /// The work order cannot be worked to as asked.
    #[error("{0}")]
    WorkOrder(String),
    /// The system does not let us take signals.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A result cannot be written.
    #[error("standard output cannot be written")]
    Print(#[source] std::io::Error),
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

    /// What happened, because of what, and what to do next.
    pub(crate) fn complaint(&self) -> Complaint {
        let mut complaint = Complaint::of(PROGRAM, self.status(), self);
        if let Self::Ca(CaError::Refused(refusal)) = self {
            complaint.what = match refusal.reason.as_str() {
                // It was not the CA that answered, or it did not come to an answer.
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

/// Whether there was no connection, for a reason that asking again does not mend.
fn is_of_tls(reason: &str) -> bool {
    matches!(reason, "TLS" | "NOT_TLS") || reason.starts_with("SERVER_CERTIFICATE_")
}

/// How the program ends when the CA gives this reason for not going on.
pub(super) fn of_reason(reason: &str) -> Status {
    match reason {
        "CA_UNREACHABLE" | "WORK_ORDER_PAUSED" | "WORK_ORDER_NOT_YET_OPEN" => Status::Later,
        "WORK_ORDER_EXHAUSTED" | "WORK_ORDER_CLOSED" | "WORK_ORDER_EXPIRED" => Status::NotGood,
        CLOCK | "UNAUTHENTICATED" | "ROLE_NOT_ALLOWED" => Status::Unusable,
        reason if is_of_tls(reason) => Status::Unusable,
        reason if reason.starts_with("CLIENT_CERTIFICATE_") => Status::Unusable,
        _ => Status::Failed,
    }
}
