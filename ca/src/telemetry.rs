//! Logging to stderr, for operators.

use diagnostics::{Format, Logging};
use tracing::level_filters::LevelFilter;

use crate::config::LogFormat;

/// Starts logging to stderr. `TOUCHMARK_LOG` sets the levels (`info`, `ca=debug`, …).
pub fn log_to_stderr(format: LogFormat) {
    let format = match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    Logging { variable: "TOUCHMARK_LOG", level: LevelFilter::INFO, format, ours: OURS }.to_stderr();
}

/// Our own crates: messages that clients can cause are limited where they are logged.
const OURS: &[&str] =
    &["authority", "ca", "issuance", "ledger", "publication", "signer", "store", "touchmark_ca"];
