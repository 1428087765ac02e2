//! Why a command failed, its exit status, and what to do next.

use std::fmt;
use std::io;
use std::path::Path;

use cli::{Complaint, Status};
use tonic::Code;
use tonic_types::StatusExt;

use crate::arguments::PROGRAM;
use crate::next_step::next_step;

/// What happened, why, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    what: String,
    reason: Option<String>,
    because: Option<String>,
    next: Option<String>,
}

impl Failure {
    /// Something on this machine went wrong.
    pub(crate) fn local(what: impl Into<String>) -> Self {
        Self::with(Status::Failed, what)
    }

    /// The credential or the settings beside it cannot be used.
    pub(crate) fn unusable(what: impl Into<String>) -> Self {
        Self::with(Status::Unusable, what)
    }

    /// The CA has no such thing. It was asked and did not refuse.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::with(Status::Failed, what)
    }

    /// A file cannot be read or written.
    pub(crate) fn file(path: impl AsRef<Path>, source: io::Error) -> Self {
        let next = match source.kind() {
            io::ErrorKind::NotFound => Some("correct the path"),
            io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                Some("correct the path: a file is wanted")
            }
            io::ErrorKind::PermissionDenied => Some("let this user read or write it, or name another"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("make room on the disk, and repeat the command")
            }
            _ => None,
        };
        let failure = Self::local(format!("{}: {source}", path.as_ref().display()));
        Self { next: next.map(str::to_owned), ..failure }
    }

    /// The result cannot be written. The command itself was carried out.
    pub(crate) fn stdout(source: &io::Error) -> Self {
        Self { because: Some(source.to_string()), ..Self::local("cannot write to stdout") }
    }

    /// The command line is wrong.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::with(Status::Usage, what)
    }

    /// The CA cannot be reached.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self::with(Status::Later, what)
    }

    /// Not confirmed, so nothing was changed.
    pub(crate) fn not_confirmed(what: impl Into<String>) -> Self {
        Self::with(Status::NotConfirmed, what)
    }

    /// The command was carried out, and what it found is not good.
    pub(crate) fn not_good(what: impl Into<String>) -> Self {
        Self::with(Status::NotGood, what)
    }

    fn with(status: Status, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), reason: None, because: None, next: None }
    }

    /// Names the thing it is about, if the command is about several.
    pub(crate) fn about(mut self, thing: &str) -> Self {
        self.what = format!("{thing}: {}", self.what);
        self
    }

    /// Adds what became of the other things.
    pub(crate) fn with_rest(mut self, rest: &str) -> Self {
        if !rest.is_empty() {
            self.what = format!("{}; {rest}", self.what);
        }
        self
    }

    /// Whether the same command may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        self.status == Status::Later
    }

    /// Sets what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The CA's stable reason, for example `WORK_ORDER_EXHAUSTED`; `None` if the CA did not refuse.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The next step after wrong usage, if there is no better one.
    fn usage_step(&self) -> Option<String> {
        (self.status == Status::Usage)
            .then(|| "correct it, and repeat the command; its --help says what each option takes".to_owned())
    }

    /// The error message in the form of all four programs.
    pub(crate) fn complaint(&self) -> Complaint {
        Complaint {
            program: PROGRAM,
            what: self.what.clone(),
            reason: self.reason.clone(),
            because: self.because.iter().cloned().collect(),
            next: self.next.clone().or_else(|| self.usage_step()),
            status: self.status,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.complaint().fmt(f)
    }
}

impl std::error::Error for Failure {}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let reason = status.get_details_error_info().map(|info| info.reason);
        let retry = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
        let ends = match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled => Status::Later,
            // A status without a reason comes from a broken connection, not from the CA.
            Code::Unknown | Code::Internal if reason.is_none() => Status::Later,
            _ if retry.is_some() => Status::Later,
            // The credential is at fault, whatever the request is.
            Code::Unauthenticated => Status::Unusable,
            _ if reason.as_deref() == Some("ROLE_NOT_ALLOWED") => Status::Unusable,
            _ => Status::Failed,
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
        Self { status: ends, what, reason, because: None, next }
    }
}

fn root_cause(status: &tonic::Status) -> Option<String> {
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

    fn refusal(code: Code, reason: &str) -> tonic::Status {
        tonic::Status::with_error_details(
            code,
            "all have been issued",
            ErrorDetails::with_error_info(reason, "touchmark", HashMap::new()),
        )
    }

    #[test]
    fn a_refusal_names_its_reason_and_the_next_step_and_exits_1() {
        let failure = Failure::from(refusal(Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED"));
        assert_eq!(failure.status(), Status::Failed);
        assert_eq!(failure.reason(), Some("WORK_ORDER_EXHAUSTED"));
        let text = failure.to_string();
        let start = "touchmark: error: all have been issued (WORK_ORDER_EXHAUSTED)\ntouchmark: next: ";
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn what_may_pass_says_when_to_try_again_and_exits_7() {
        let mut details = ErrorDetails::with_retry_info(Some(Duration::from_secs(2)));
        details.set_error_info("STORE_FULL", "touchmark", HashMap::new());
        let status = tonic::Status::with_error_details(Code::Unavailable, "the disk is full", details);
        let failure = Failure::from(status);
        assert_eq!(failure.status(), Status::Later);
        assert!(failure.to_string().contains("try again in 2s"), "{failure}");
    }

    #[test]
    fn a_failure_is_one_json_object_too() {
        let failure = Failure::from(refusal(Code::NotFound, "DEVICE_NOT_FOUND"));
        let value: serde_json::Value = serde_json::from_str(&failure.complaint().to_json()).unwrap();
        assert_eq!(value["error"]["reason"], "DEVICE_NOT_FOUND");
        assert_eq!(value["error"]["exit_status"], 1);
    }
}
