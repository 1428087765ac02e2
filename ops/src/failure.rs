//! Why a command failed, its exit status, and what to do next.

use std::io;
use std::path::Path;

use cli::{Complaint, Status};
use diagnostics::causes;
use proto::v1::Reason;
use tonic::Code;
use tonic_types::StatusExt;

use crate::arguments::PROGRAM;
use crate::next_step::next_step;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(crate) Complaint);

impl Failure {
    pub(crate) fn local(what: impl Into<String>) -> Self {
        Self(Complaint::new(PROGRAM, Status::Failed, what))
    }

    /// The credential or the settings beside it cannot be used.
    pub(crate) fn unusable(what: impl Into<String>) -> Self {
        Self(Complaint::new(PROGRAM, Status::Unusable, what))
    }

    /// The CA has no such thing. It was asked and did not refuse.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::local(what)
    }

    /// A file cannot be read or written.
    pub(crate) fn file(path: impl AsRef<Path>, source: io::Error) -> Self {
        let failure = Self::local(format!("{}: {source}", path.as_ref().display()));
        match source.kind() {
            io::ErrorKind::NotFound => failure.next("correct the path"),
            io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                failure.next("correct the path: a file is wanted")
            }
            io::ErrorKind::PermissionDenied => {
                failure.next("let this user read or write it, or name another")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                failure.next("make room on the disk, and repeat the command")
            }
            _ => failure,
        }
    }

    /// A file that the command line names, and whose contents are part of the command, cannot be read.
    pub(crate) fn named_file(path: impl AsRef<Path>, source: io::Error) -> Self {
        let mut failure = Self::file(path, source);
        failure.0.status = Status::Usage;
        failure
    }

    /// A refusal for a reason of the CA, found before the CA was asked.
    pub(crate) fn refused(reason: Reason, what: impl Into<String>) -> Self {
        let name = reason.as_str_name();
        let next = next_step(Some(name), Code::FailedPrecondition).map(str::to_owned);
        Self(Complaint {
            reason: Some(name.to_owned()),
            next,
            ..Complaint::new(PROGRAM, Status::Failed, what)
        })
    }

    /// The result cannot be written. The command itself was carried out.
    pub(crate) fn stdout(source: &io::Error) -> Self {
        let mut failure = Self::local("cannot write to stdout");
        failure.0.because.push(source.to_string());
        failure
    }

    /// The order is closed all the same, and its report can be had later.
    pub(crate) fn of_report(mut self, id: &str) -> Self {
        self.0.what = format!("{id} is closed, and its report was not written: {}", self.0.what);
        self
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self(Complaint::new(PROGRAM, Status::Usage, what))
            .next("correct it, and repeat the command; its --help says what each option takes")
    }

    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self(Complaint::new(PROGRAM, Status::Later, what))
    }

    pub(crate) fn not_confirmed(what: impl Into<String>) -> Self {
        Self(Complaint::new(PROGRAM, Status::NotConfirmed, what))
    }

    /// The command was carried out, and what it found is not good.
    pub(crate) fn not_good(what: impl Into<String>) -> Self {
        Self(Complaint::new(PROGRAM, Status::NotGood, what))
    }

    /// Names the thing it is about, if the command is about several.
    pub(crate) fn about(mut self, thing: &str) -> Self {
        self.0.what = format!("{thing}: {}", self.0.what);
        self
    }

    /// Adds what became of the other things.
    pub(crate) fn with_rest(mut self, rest: &str) -> Self {
        if !rest.is_empty() {
            self.0.what = format!("{}; {rest}", self.0.what);
        }
        self
    }

    pub(crate) fn may_pass(&self) -> bool {
        self.0.status == Status::Later
    }

    /// Replaces what to do next.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self(self.0.next(next))
    }
}

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
        if let (None, Some(cause)) = (&reason, causes(&status).skip(1).last()) {
            what = format!("{what}: {cause}");
        }
        let next = next_step(reason.as_deref(), status.code());
        let next = match retry.map(humantime::format_duration) {
            Some(delay) => Some(match next {
                Some(next) => format!("try again in {delay}; {next}"),
                None => format!("try again in {delay}"),
            }),
            None => next.map(str::to_owned),
        };
        Self(Complaint { reason, next, ..Complaint::new(PROGRAM, ends, what) })
    }
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
        assert_eq!(failure.0.status, Status::Failed);
        assert_eq!(failure.0.reason.as_deref(), Some("WORK_ORDER_EXHAUSTED"));
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
        assert_eq!(failure.0.status, Status::Later);
        assert!(failure.to_string().contains("try again in 2s"), "{failure}");
    }

    #[test]
    fn a_failure_is_one_json_object_too() {
        let failure = Failure::from(refusal(Code::NotFound, "DEVICE_NOT_FOUND"));
        let value: serde_json::Value = serde_json::from_str(&failure.0.to_json()).unwrap();
        assert_eq!(value["error"]["reason"], "DEVICE_NOT_FOUND");
        assert_eq!(value["error"]["exit_status"], 1);
    }
}
