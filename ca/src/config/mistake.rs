//! Mistakes in a configuration.

use std::fmt;
use std::path::PathBuf;

use super::Exposure;

/// One mistake, and how to correct it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// A line of the file, a field, or a variable.
    pub place: String,
    /// What is wrong, and what would be right.
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
        /// The configuration file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error("{} has {} mistake{}{}", path.display(), mistakes.len(), if mistakes.len() == 1 { "" } else { "s" }, list(mistakes))]
    Mistakes {
        /// The configuration file.
        path: PathBuf,
        /// All of them, at least one.
        mistakes: Vec<Mistake>,
    },
    /// Others can change files that the CA trusts.
    #[error("others may change what the CA goes by{}", list(exposures))]
    Exposed {
        /// All of them, at least one.
        exposures: Vec<Exposure>,
    },
}

fn list(mistakes: &[impl fmt::Display]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}
