//! Refusals as callers see them.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The parts of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    /// From `google.rpc.ErrorInfo`; empty if there is none.
    pub reason: String,
    pub message: String,
    pub retry: bool,
}

/// Reads a status.
pub fn refused(status: &Status) -> Refused {
    let info = status.get_details_error_info();
    if let Some(info) = &info {
        assert_eq!(info.domain, "touchmark", "an ErrorInfo of ours names our domain: {status:?}");
    }
    Refused {
        code: status.code(),
        reason: info.map(|info| info.reason).unwrap_or_default(),
        message: status.message().to_owned(),
        retry: status.get_details_retry_info().is_some(),
    }
}

/// The refusal in a result; otherwise the test fails.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> Refused {
    refused(&result.expect_err("this must be refused"))
}
