//! What is wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

use super::Exposure;

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: a line of the file, a field, a variable.
    pub place: String,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Why there are no settings: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or may not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has mistakes: all of them.
    #[error("{} has {} mistake{}{}", path.display(), mistakes.len(), if mistakes.len() == 1 { "" } else { "s" }, list(mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// At least one.
        mistakes: Vec<Mistake>,
    },
    /// Others may change what the CA goes by.
    #[error("others may change what the CA goes by{}", list(exposures))]
    Exposed {
        /// At least one.
        exposures: Vec<Exposure>,
    },
}

fn list(mistakes: &[impl fmt::Display]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}
