//! The form of an error message: what happened, why, and what to do next.

use std::fmt;
use std::process::ExitCode;

use crate::status::Status;

/// Why a program did not do its work, as all four programs print it:
///
/// ```text
/// PROGRAM: error: WHAT HAPPENED (REASON)
/// PROGRAM: because: CAUSE
/// PROGRAM: next: WHAT TO DO
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The program's name.
    pub program: &'static str,
    /// The details, for people.
    pub what: String,
    /// The CA's stable reason, for example `WORK_ORDER_EXHAUSTED`, if the CA refused.
    pub reason: Option<String>,
    /// The causes, the nearest first.
    pub because: Vec<String>,
    /// What to do next.
    pub next: Option<String>,
    /// The exit status of the program.
    pub status: Status,
}

impl Complaint {
    /// A message without causes and without a next step.
    pub fn new(program: &'static str, status: Status, what: impl Into<String>) -> Self {
        Self { program, what: what.into(), reason: None, because: Vec::new(), next: None, status }
    }

    /// The message of an error with all its sources, but for those that repeat a text.
    pub fn of(program: &'static str, status: Status, error: &(dyn std::error::Error + 'static)) -> Self {
        let what = error.to_string();
        Self { because: diagnostics::source_texts(&what, error), ..Self::new(program, status, what) }
    }

    /// Sets what to do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// As one JSON object, for `--json`.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "error": {
                "message": self.what,
                "reason": self.reason,
                "because": self.because,
                "next": self.next,
                "exit_status": self.status.code(),
            }
        })
        .to_string()
    }

    /// Prints the message to stderr. A failed write is ignored.
    pub fn tell(&self, json: bool) -> ExitCode {
        diagnostics::tell(&self.text(json));
        self.status.into()
    }

    /// The text for people, or JSON.
    pub fn text(&self, json: bool) -> String {
        if json { self.to_json() } else { self.to_string() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program;
        write!(f, "{program}: error: {}", indented(&self.what))?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        for cause in &self.because {
            write!(f, "\n{program}: because: {}", indented(cause))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n{program}: next: {}", indented(next))?;
        }
        Ok(())
    }
}

/// Indents further lines of a part, so that only the first line of a part begins with the program's name.
fn indented(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_three_parts_each_on_lines_of_its_own() {
        let mut complaint =
            Complaint::new("touchmark", Status::Failed, "two things:\nthis\nthat").next("wait");
        complaint.because.push("the disk is full".to_owned());
        complaint.reason = Some("STORE_FULL".to_owned());
        assert_eq!(
            complaint.to_string(),
            "touchmark: error: two things:\n  this\n  that (STORE_FULL)\ntouchmark: because: the disk is full\ntouchmark: next: wait"
        );
    }
}
