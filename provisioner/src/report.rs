//! One JSON object a unit, for whoever keeps the line's records.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::line::Verdict;
use crate::session::Outcome;
use crate::slot::Made;
use crate::units::Unit;

/// What became of one unit, as it is reported.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UnitReport {
    /// `product/serial`.
    pub(crate) device: String,
    /// Passed, failed, unfinished or skipped.
    pub(crate) outcome: UnitOutcome,
    /// The kind of end, for example `device-fault`; `passed` when it passed.
    pub(crate) cause: &'static str,
    /// The stable reason within the cause: the CA's or the device's own word, or the station's. Empty only when the unit passed.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
    /// Of its certificate, hexadecimal; absent when it has none.
    pub(crate) certificate_serial: Option<String>,
    /// The ledger entry that recorded its certificate.
    pub(crate) ledger_entry: Option<u64>,
    /// Its fixture, from 1.
    pub(crate) slot: usize,
    /// How often it was begun, this time included.
    pub(crate) attempts: u32,
    /// Questions that had to be sent again.
    pub(crate) resent: u32,
    /// On the bench.
    pub(crate) duration_ms: u64,
    /// Of it, waiting for the CA.
    pub(crate) ca_duration_ms: u64,
    /// When it ended, RFC 3339.
    pub(crate) ended_at: String,
    /// The end of what the device's command said on standard error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) said: String,
    /// Columns of the line's list beside serial and product.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) columns: BTreeMap<String, String>,
}

/// What became of a unit, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnitOutcome {
    /// It has its certificate and the CA knows.
    Passed,
    /// It has not, for a reason of its own.
    Failed,
    /// It has not, because the line was cut off or stopped: the next run goes on with it.
    Unfinished,
    /// Its serial number is another unit's.
    Skipped,
}

impl UnitOutcome {
    /// Whether the unit counts as one of those that were to be made.
    pub(crate) fn is_an_end(self) -> bool {
        matches!(self, Self::Passed | Self::Failed)
    }
}

impl UnitReport {
    pub(crate) fn new(
        unit: Unit,
        slot: usize,
        attempts: u32,
        skipped: bool,
        now: SystemTime,
        made: Made,
    ) -> Self {
        let outcome = match made.outcome {
            Outcome::Passed => UnitOutcome::Passed,
            _ if skipped => UnitOutcome::Skipped,
            ref other if !other.judges_the_unit() && (made.open || !made.begun) => UnitOutcome::Unfinished,
            _ if made.verdict == Verdict::LineWasSilent => UnitOutcome::Unfinished,
            _ => UnitOutcome::Failed,
        };
        let certificate = made.memory.certificate.as_ref();
        let serial_number =
            certificate.map(|certificate| certificate.serial_number).or(made.memory.read_back);
        Self {
            device: unit.device.to_string(),
            outcome,
            cause: made.outcome.name(),
            reason: made.outcome.reason().to_owned(),
            message: made.outcome.to_string(),
            certificate_serial: serial_number.map(|serial_number| serial_number.to_string()),
            ledger_entry: certificate.map(|certificate| certificate.ledger_entry).filter(|entry| *entry > 0),
            slot,
            attempts,
            resent: made.resent,
            duration_ms: milliseconds(made.duration),
            ca_duration_ms: milliseconds(made.ca_duration),
            ended_at: OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default(),
            said: made.said,
            columns: unit.columns,
        }
    }

    /// As one line of JSON.
    ///
    /// # Errors
    /// Never in practice: it has only texts and numbers.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A file of JSON lines, flushed for each unit. Lines are added to a file that exists.
#[derive(Debug)]
pub(crate) struct ReportFile(File);

impl ReportFile {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::options().create(true).append(true).open(path)?))
    }

    /// Adds a unit.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, report: &UnitReport) -> io::Result<()> {
        let mut line = report.to_json()?;
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        self.0.flush()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
