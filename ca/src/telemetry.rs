//! Logs: to stderr, for operators. What happened is in the ledger.

use diagnostics::{Format, Logging};
use tracing::level_filters::LevelFilter;

use crate::config::LogFormat;

/// Begins to log to stderr. `TOUCHMARK_LOG` may say what is written (`info`, `ca=debug`, …).
pub fn log_to_stderr(format: LogFormat) {
    let format = match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    Logging { variable: "TOUCHMARK_LOG", level: LevelFilter::INFO, format, ours: OURS }.to_stderr();
}

/// What is ours and what strangers can make it say is limited where it is said.
const OURS: &[&str] =
    &["authority", "ca", "issuance", "ledger", "publication", "signer", "store", "touchmark_ca"];
