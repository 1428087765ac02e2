//! Why no units were reserved or returned.

use crate::ca::CaError;
use crate::journal::JournalError;
use crate::session::{Outcome, Refusal};

/// Why no units were reserved or returned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StockError {
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The station's clock or the CA's is wrong.
    #[error("{0}")]
    ClockWrong(String),
    #[error("the system has no random numbers")]
    NoRandomNumbers,
}

impl StockError {
    /// The refusal, if the CA has refused.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Ca(CaError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

impl From<StockError> for Outcome {
    fn from(error: StockError) -> Self {
        let words = error.to_string();
        match error {
            StockError::Ca(error) => error.into(),
            StockError::ClockWrong(detail) => Self::ClockWrong(detail),
            StockError::Journal(_) | StockError::NoRandomNumbers => Self::JournalLost(words),
        }
    }
}
