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
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ConfigError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} has {} mistake{}{}", path.display(), mistakes.len(), if mistakes.len() == 1 { "" } else { "s" }, list(mistakes))]
    Mistakes { path: PathBuf, mistakes: Vec<Mistake> },
    #[error("others may change what the CA goes by{}", list(exposures))]
    Exposed { exposures: Vec<Exposure> },
}

fn list(mistakes: &[impl fmt::Display]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}
