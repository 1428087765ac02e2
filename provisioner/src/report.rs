//! The report: one JSON object for each unit.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::labels::Label;
use crate::line::SilenceVerdict;
use crate::session::Outcome;
use crate::slot::UnitResult;
use crate::units::Unit;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct UnitReport {
    /// `product/serial`; `product/` for a unit that did not say its serial number.
    pub(crate) device: String,
    pub(crate) outcome: UnitOutcome,
    /// The kind of end, for example `device-fault` or `passed`.
    pub(crate) cause: &'static str,
    /// The stable reason within the cause; empty only when the unit passed or its certificate is deferred.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// What to do at the bench; for the screen alone.
    #[serde(skip)]
    pub(crate) advice: &'static str,
    /// The serial number of its certificate, hexadecimal; absent when it has none.
    pub(crate) certificate_serial: Option<String>,
    pub(crate) ledger_entry: Option<u64>,
    /// Its fixture, from 1.
    pub(crate) slot: usize,
    /// How often it was begun, this time included.
    pub(crate) attempts: u32,
    /// Requests to the device that were sent again.
    pub(crate) resent: u32,
    /// From the start of its link to its end.
    pub(crate) duration_ms: u64,
    /// The part of `duration_ms` that was spent waiting for the CA.
    pub(crate) ca_duration_ms: u64,
    pub(crate) ended_at: String,
    /// The end of what the device's command wrote to standard error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) said: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) columns: BTreeMap<String, String>,
    /// For the label of a unit that passed; `None` if the journal does not have its certificate.
    #[serde(skip)]
    pub(crate) label: Option<Label>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnitOutcome {
    /// It has its certificate, and the CA recorded it.
    Passed,
    /// It is locked, and its certificate comes later.
    Deferred,
    /// It has no certificate, for a reason of its own.
    Failed,
    /// The line stopped or was aborted; the next run continues the unit.
    Unfinished,
    /// Its serial number is another unit's.
    Skipped,
}

impl UnitOutcome {
    /// Whether somebody must look at the unit, now or later.
    pub(crate) fn needs_a_person(self) -> bool {
        matches!(self, Self::Failed | Self::Unfinished)
    }

    /// Whether the unit may leave the bench for good.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Passed | Self::Deferred)
    }

    /// Whether the unit is one of those that were to be made.
    pub(crate) fn is_an_end(self) -> bool {
        self.is_good() || self == Self::Failed
    }
}

impl UnitReport {
    pub(crate) fn new(
        unit: Unit,
        slot: usize,
        attempts: u32,
        skipped: bool,
        now: SystemTime,
        result: UnitResult,
    ) -> Self {
        let outcome = match result.outcome {
            Outcome::Passed => UnitOutcome::Passed,
            Outcome::Deferred => UnitOutcome::Deferred,
            _ if skipped => UnitOutcome::Skipped,
            ref other if !other.judges_the_unit() && (result.open || !result.begun) => {
                UnitOutcome::Unfinished
            }
            _ if result.verdict == SilenceVerdict::LineWasSilent => UnitOutcome::Unfinished,
            _ => UnitOutcome::Failed,
        };
        let certificate = result.progress.certificate.as_ref();
        let label = match (outcome, certificate) {
            (UnitOutcome::Passed, Some(certificate)) => Label::new(unit.device.clone(), certificate),
            _ => None,
        };
        Self {
            device: unit.device.to_string(),
            outcome,
            cause: result.outcome.name(),
            reason: result.outcome.reason().to_owned(),
            message: result.outcome.to_string(),
            advice: result.outcome.advice(),
            certificate_serial: result
                .progress
                .serial_number()
                .map(|serial_number| serial_number.to_string()),
            ledger_entry: certificate.map(|certificate| certificate.ledger_entry).filter(|entry| *entry > 0),
            slot,
            attempts,
            resent: result.resent,
            duration_ms: milliseconds(result.duration),
            ca_duration_ms: milliseconds(result.ca_duration),
            ended_at: OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default(),
            said: result.said,
            columns: unit.columns,
            label,
        }
    }

    /// The end of a unit that is not begun. `device` is `product/`, if the unit has no name.
    pub(crate) fn not_begun(device: String, slot: usize, now: SystemTime, outcome: &Outcome) -> Self {
        Self {
            device,
            outcome: UnitOutcome::Failed,
            cause: outcome.name(),
            reason: outcome.reason().to_owned(),
            message: outcome.to_string(),
            advice: outcome.advice(),
            certificate_serial: None,
            ledger_entry: None,
            slot,
            attempts: 0,
            resent: 0,
            duration_ms: 0,
            ca_duration_ms: 0,
            ended_at: OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default(),
            said: String::new(),
            columns: BTreeMap::new(),
            label: None,
        }
    }

    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A file of JSON lines, flushed after each unit. Opening a file that exists appends to it.
#[derive(Debug)]
pub(crate) struct ReportFile(File);

impl ReportFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::options().create(true).append(true).open(path)?))
    }

    pub(crate) fn add(&mut self, report: &UnitReport) -> io::Result<()> {
        let mut line = report.to_json()?;
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        self.0.flush()
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
