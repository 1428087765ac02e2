//! The forms of the report, each in a file.

mod csv;
mod json;
mod manifest;
mod page;
mod registration;

use std::time::SystemTime;

pub(crate) use csv::Csv;
pub(crate) use json::Json;
pub use manifest::{Manifest, Unsigned};
pub(crate) use page::Page;
pub(crate) use registration::Registration;

/// RFC 3339 in UTC, with milliseconds; empty: there is no time.
fn time(time: Option<SystemTime>) -> String {
    time.map(|time| humantime::format_rfc3339_millis(time).to_string()).unwrap_or_default()
}
