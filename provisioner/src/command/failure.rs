//! Why a command failed as a whole, its exit status, and what to do next (`docs/cli.md`).

use std::path::PathBuf;

use cli::{Complaint, Status};
use identity::{DeviceId, SerialPatternError};

use crate::arguments::PROGRAM;
use crate::ca::{CaError, advice, exit_status, is_of_tls};
use crate::config::ConfigError;
use crate::journal::JournalError;
use crate::labels::LabelError;
use crate::link::LinkSpecError;
use crate::stock::StockError;

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
    /// Reserved units were not taken or returned before the run.
    #[error("units cannot be reserved or returned")]
    Stock(#[source] StockError),
    #[error("{path}: {mistakes}")]
    List { path: PathBuf, mistakes: lists::Mistakes },
    #[error("the list {path} cannot be read")]
    ListFile { path: PathBuf, source: std::io::Error },
    #[error("the report {path} cannot be written")]
    Report { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Labels(#[from] LabelError),
    #[error(transparent)]
    Link(#[from] LinkSpecError),
    #[error(transparent)]
    Pattern(#[from] SerialPatternError),
    /// The work order does not allow what was asked.
    #[error("{0}")]
    WorkOrder(String),
    /// No unit can be made by the station's clock.
    #[error("{detail}")]
    ClockWrong { detail: String },
    /// What the CA has on record of a unit, the journal has not.
    #[error("{device} is {outcome} at the CA, and the journal does not know it")]
    NotInJournal { device: DeviceId, outcome: &'static str, source: JournalError },
    /// Arguments that do not fit each other.
    #[error("{0}")]
    Usage(String),
    #[error("standard input or the scanner cannot be used")]
    Scanner(#[source] std::io::Error),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("standard output cannot be written")]
    Print(#[source] std::io::Error),
    #[error("not confirmed; nothing was {done}")]
    NotConfirmed { units: usize, done: &'static str },
    /// A task of the line panicked.
    #[error("the line broke: {0}")]
    Line(String),
}

impl Failure {
    /// The error message with its causes and the next step.
    pub(crate) fn complaint(&self) -> Complaint {
        let (status, next) = self.status_and_next();
        let mut complaint = Complaint::of(PROGRAM, status, self);
        complaint.next = next.map(str::to_owned);
        match self {
            Self::Ca(CaError::Refused(refusal)) | Self::Stock(StockError::Ca(CaError::Refused(refusal))) => {
                // Without a connection the CA did not answer.
                let what = if is_of_tls(&refusal.reason) { "cannot reach the CA" } else { "the CA refuses" };
                complaint.what = format!("{what}: {}", refusal.message);
                complaint.reason = Some(refusal.reason.clone());
                complaint
            }
            Self::NotConfirmed { units, .. } => {
                complaint.next(format!("type the number on a terminal, or say --confirm {units} or --yes"))
            }
            _ => complaint,
        }
    }

    fn status_and_next(&self) -> (Status, Option<&'static str>) {
        match self {
            Self::Config(error) if !error.path.exists() => {
                (Status::Unusable, Some("name the configuration of this station: --config FILE"))
            }
            Self::Config(_) | Self::Address(_) => {
                let next = "correct the configuration: touchmark-station provision --help lists its fields";
                (Status::Unusable, Some(next))
            }
            Self::Journal(
                JournalError::Damaged { .. }
                | JournalError::Version { .. }
                | JournalError::OtherOrder { .. }
                | JournalError::OtherInstallation { .. },
            ) => (Status::Damaged, None),
            Self::NotInJournal { .. } => (
                Status::Failed,
                Some(
                    "make room on the disk of the journal, then run the same command again: the CA answers as before",
                ),
            ),
            Self::Ca(error) | Self::Stock(StockError::Ca(error)) => {
                (exit_status(error.reason()), Some(advice(error.reason())))
            }
            Self::List { .. } => (Status::Usage, Some("correct the list; nothing was begun")),
            Self::ListFile { .. } => {
                (Status::Usage, Some("name a file that can be read, or - for standard input"))
            }
            Self::ClockWrong { .. } => {
                (Status::Failed, Some("compare `date -u` with another clock, and set this one"))
            }
            Self::Link(_) => (Status::Usage, None),
            Self::Usage(_) => (Status::Usage, Some("see touchmark-station provision --help")),
            Self::Report { .. } => (Status::Failed, Some("name a file that can be written: --report FILE")),
            Self::NotConfirmed { .. } => (Status::NotConfirmed, None),
            Self::Labels(LabelError::Io { .. }) => {
                (Status::Failed, Some("name a directory that can be written, or make room on its disk"))
            }
            Self::Labels(_) => (Status::Failed, None),
            Self::Journal(_)
            | Self::Stock(_)
            | Self::Pattern(_)
            | Self::WorkOrder(_)
            | Self::Scanner(_)
            | Self::Signals(_)
            | Self::Print(_)
            | Self::Line(_) => (Status::Failed, None),
        }
    }
}
