//! Why a command did not do its work, and what to do next.

use std::fmt;
use std::io;
use std::path::Path;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::next_step::next_step;

/// Why a command did not do its work: what happened, why, and what to do next.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    what: String,
    reason: Option<String>,
    next: Option<String>,
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// This machine: a file, a program.
    Local,
    /// The person who typed it.
    Usage,
    /// The CA, which will refuse it again.
    Refused,
    /// Nobody; or later.
    Unavailable,
    /// The person who was asked, or should have been: nothing was changed.
    NotConfirmed,
    /// Whoever reads the report: what was asked about is not good.
    NotGood,
}

impl Failure {
    /// Something on this machine went wrong.
    pub(crate) fn local(what: impl Into<String>) -> Self {
        Self { kind: Kind::Local, what: what.into(), reason: None, next: None }
    }

    /// A file cannot be read or written.
    pub(crate) fn file(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::local(format!("{}: {source}", path.as_ref().display()))
    }

    /// The person who typed it must act.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, what: what.into(), reason: None, next: None }
    }

    /// The CA cannot be reached.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self { kind: Kind::Unavailable, what: what.into(), reason: None, next: None }
    }

    /// Nobody confirmed it, so nothing was changed.
    pub(crate) fn not_confirmed(what: impl Into<String>) -> Self {
        Self { kind: Kind::NotConfirmed, what: what.into(), reason: None, next: None }
    }

    /// The question was answered, and the answer is that something is not good.
    pub(crate) fn not_good(what: impl Into<String>) -> Self {
        Self { kind: Kind::NotGood, what: what.into(), reason: None, next: None }
    }

    /// Says what it is about, when it could be about one of several things.
    pub(crate) fn about(mut self, thing: &str) -> Self {
        self.what = format!("{thing}: {}", self.what);
        self
    }

    /// Whether trying again can help.
    pub(crate) fn may_pass(&self) -> bool {
        self.kind == Kind::Unavailable
    }

    /// What to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The exit status: 1 failed, 2 wrong usage, 3 refused by the CA, 4 try again, 5 not confirmed, 6 not good.
    pub fn exit_status(&self) -> u8 {
        match self.kind {
            Kind::Local => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Unavailable => 4,
            Kind::NotConfirmed => 5,
            Kind::NotGood => 6,
        }
    }

    /// The CA's stable reason, for example `WORK_ORDER_EXHAUSTED`; `None` if it was not the CA that refused.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What happened.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What to do next, if anybody knows.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// As one JSON object.
    pub(crate) fn to_json(&self) -> String {
        serde_json::json!({
            "error": {
                "message": self.what,
                "reason": self.reason,
                "next": self.next,
                "exit_status": self.exit_status(),
            }
        })
        .to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\nnext:  {next}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = status.get_details_error_info().map(|info| info.reason);
        let retry = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
        let kind = match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled => Kind::Unavailable,
            // Without a reason the answer did not come from the CA's rules but from the connection.
            Code::Unknown | Code::Internal if reason.is_none() => Kind::Unavailable,
            _ if retry.is_some() => Kind::Unavailable,
            _ => Kind::Refused,
        };
        let mut what = if status.message().is_empty() {
            status.code().description().to_owned()
        } else {
            status.message().to_owned()
        };
        if let Some(cause) = reason.is_none().then(|| root_cause(&status)).flatten() {
            what = format!("{what}: {cause}");
        }
        let mut next = next_step(reason.as_deref(), status.code()).map(str::to_owned);
        if let Some(delay) = retry {
            next = Some(format!(
                "try again in {}{}",
                humantime::format_duration(delay),
                next.map(|next| format!("; {next}")).unwrap_or_default()
            ));
        }
        Self { kind, what, reason, next }
    }
}

fn root_cause(status: &Status) -> Option<String> {
    let mut cause = std::error::Error::source(status)?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::time::Duration;
    use tonic_types::ErrorDetails;

    fn refusal(code: Code, reason: &str) -> Status {
        Status::with_error_details(
            code,
            "all have been issued",
            ErrorDetails::with_error_info(reason, "touchmark", HashMap::new()),
        )
    }

    #[test]
    fn a_refusal_names_its_reason_and_the_next_step_and_exits_3() {
        let failure = Failure::from(refusal(Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED"));
        assert_eq!(failure.exit_status(), 3);
        assert_eq!(failure.reason(), Some("WORK_ORDER_EXHAUSTED"));
        let text = failure.to_string();
        assert!(text.starts_with("error: all have been issued (WORK_ORDER_EXHAUSTED)\nnext:  "), "{text}");
    }

    #[test]
    fn what_may_pass_says_when_to_try_again_and_exits_4() {
        let mut details = ErrorDetails::with_retry_info(Some(Duration::from_secs(2)));
        details.set_error_info("STORE_FULL", "touchmark", HashMap::new());
        let status = Status::with_error_details(Code::Unavailable, "the disk is full", details);
        let failure = Failure::from(status);
        assert_eq!(failure.exit_status(), 4);
        assert!(failure.to_string().contains("try again in 2s"), "{failure}");
    }

    #[test]
    fn a_failure_is_one_json_object_too() {
        let failure = Failure::from(refusal(Code::NotFound, "DEVICE_NOT_FOUND"));
        let value: serde_json::Value = serde_json::from_str(&failure.to_json()).unwrap();
        assert_eq!(value["error"]["reason"], "DEVICE_NOT_FOUND");
        assert_eq!(value["error"]["exit_status"], 3);
    }
}
