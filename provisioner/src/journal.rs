//! The station's journal: one append-only file for each work order; each step is durable before its effect.
//!
//! A line is `CRC-32C in hexadecimal, space, JSON`; the first line names the format. A torn last line was
//! never acknowledged: it is cut and reported. Damage before it stops the station, because a person must look
//! at what is lost.

mod file;
mod location;
mod record;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use identity::DeviceId;
use prometheus_client::metrics::histogram::Histogram;

use file::{Read, read};
pub(crate) use location::{FoundJournal, JournalLocation};
pub(crate) use record::{OrderFacts, Record, RunStart};
pub(crate) use writer::Writer;

use crate::session::{Outcome, Step, Taken, UnitProgress};
use crate::stock::{Held, from_millis};

/// A directory of journals, locked by one station at a time.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) directory: PathBuf,
    // Holds the lock, which the system releases when the process ends.
    lock: File,
    // Where the seconds of each sync are counted.
    syncs: Option<Histogram>,
}

impl Journal {
    /// Locks the directory, and creates it (but not its parents) if it is missing.
    pub(crate) fn open(directory: &Path) -> Result<Self, JournalError> {
        let refused = |source| JournalError::Io { path: directory.to_owned(), source };
        if !directory.is_dir() {
            std::fs::create_dir(directory)
                .map_err(|source| JournalError::NoDirectory { path: directory.to_owned(), source })?;
            tracing::warn!(journal.directory = %directory.display(), "made an empty journal");
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(LOCK))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), lock, syncs: None }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(refused(source)),
        }
    }

    /// Counts the seconds of each sync.
    pub(crate) fn counting(mut self, syncs: Histogram) -> Self {
        self.syncs = Some(syncs);
        self
    }

    /// Opens the journal of a work order for writing, creates it if it is missing, and returns its state.
    pub(crate) fn work_order(&self, work_order: &str) -> Result<(Writer, JournalState), JournalError> {
        let path = path_of(&self.directory, work_order);
        let read = if path.exists() { read(&path, work_order)? } else { Read::default() };
        let writer = Writer::open(&path, work_order, read.length, self.syncs.clone())?;
        Ok((writer, read.into()))
    }
}

impl Drop for Journal {
    /// Releases the lock also while a child that was just forked still has the file open.
    fn drop(&mut self) {
        self.lock.unlock().ok();
    }
}

/// The ids of the work orders of which a directory holds journals. Takes no lock.
pub(crate) fn work_orders(directory: &Path) -> Result<Vec<String>, JournalError> {
    let refused = |source| JournalError::Io { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in directory.read_dir().map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        if let Some(work_order) = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) {
            found.push(work_order.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// The state of a journal. Takes no lock, so that it can be read while a station writes it.
pub(crate) fn known(directory: &Path, work_order: &str) -> Result<JournalState, JournalError> {
    Ok(read(&path_of(directory, work_order), work_order)?.into())
}

/// What a journal says of its units.
#[derive(Debug, Default)]
pub(crate) struct JournalState {
    pub(crate) last_run: Option<RunStart>,
    pub(crate) units: BTreeMap<DeviceId, UnitRecord>,
    /// What the CA has reserved for this station.
    pub(crate) held: Held,
    /// The last answer of the CA about the order.
    pub(crate) order: Option<OrderFacts>,
    /// The latest time of a record since the CA has agreed with the clock.
    pub(crate) latest: Option<SystemTime>,
    /// The length of what was torn off the end of the file.
    pub(crate) torn_bytes: usize,
}

/// What a journal says of one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnitRecord {
    pub(crate) progress: UnitProgress,
    pub(crate) attempts: u32,
    /// How its last attempt ended; `None` while it is under way, or when the station was killed.
    pub(crate) end: Option<UnitEnd>,
    /// Further columns of the line's list.
    pub(crate) columns: BTreeMap<String, String>,
    /// Whether it was scrapped or given up, so that this station does not make it again.
    pub(crate) scrapped: bool,
    pub(crate) scrap_reason: String,
    /// Why no unit gets this serial number by the CA's record. Not on disk: known only while a command runs.
    pub(crate) taken: Option<Taken>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitEnd {
    /// [`Outcome::name`].
    pub(crate) outcome: String,
    /// [`Outcome::reason`].
    pub(crate) reason: String,
    /// Whether `resume` can continue the unit.
    pub(crate) open: bool,
}

impl UnitEnd {
    pub(crate) fn new(outcome: &Outcome, open: bool) -> Self {
        Self { outcome: outcome.name().to_owned(), reason: outcome.reason().to_owned(), open }
    }

    /// The reason; the outcome where a journal of an earlier version has none.
    pub(crate) fn reason_or_outcome(&self) -> &str {
        if self.reason.is_empty() { &self.outcome } else { &self.reason }
    }
}

impl UnitRecord {
    /// The serial number of its certificate, as far as the journal knows.
    pub(crate) fn certificate(&self) -> Option<identity::SerialNumber> {
        self.progress.serial_number()
    }

    /// Whether nothing is left to do for it.
    pub(crate) fn is_done(&self) -> bool {
        self.progress.passed || self.is_deferred() || self.scrapped || self.taken.is_some()
    }

    /// Whether it is locked, and has not got its certificate.
    pub(crate) fn is_deferred(&self) -> bool {
        self.progress.locked_deferred && !self.progress.passed
    }

    /// Whether the CA has issued it a birth certificate, as far as the journal knows.
    pub(crate) fn has_been_issued(&self) -> bool {
        self.certificate().is_some() || self.progress.superseded.is_some()
    }

    /// Whether it was given up before it had a certificate.
    pub(crate) fn is_given_up(&self) -> bool {
        self.scrapped && !self.has_been_issued()
    }

    /// Why no unit gets this serial number any more.
    pub(crate) fn unavailable(&self) -> Option<Taken> {
        match self.scrapped {
            true if self.is_given_up() => Some(Taken::GivenUp),
            true => Some(Taken::Gone),
            false => self.taken,
        }
    }

    /// Whether it is to get another certificate in place of the one it had, and has not passed with it.
    pub(crate) fn is_superseded(&self) -> bool {
        self.progress.superseded.is_some() && !self.progress.passed
    }

    /// Whether its rework was allowed and not begun.
    pub(crate) fn waits_for_rework(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.outcome == SUPERSEDED)
    }

    /// Whether it was begun and neither passed nor failed: `resume` continues it.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_done() && self.end.as_ref().is_none_or(|end| end.open)
    }

    /// Takes an attempt of this run, as the records of the attempt would say it. `end` is `None` if the unit
    /// passed.
    pub(crate) fn attempted(
        &mut self,
        columns: BTreeMap<String, String>,
        progress: UnitProgress,
        end: Option<UnitEnd>,
    ) {
        self.begun(columns);
        self.progress = progress;
        if let Some(end) = end {
            self.ended(end);
        }
    }

    fn begun(&mut self, columns: BTreeMap<String, String>) {
        self.attempts = self.attempts.saturating_add(1);
        self.end = None;
        self.columns = columns;
    }

    fn ended(&mut self, end: UnitEnd) {
        self.end = Some(end);
    }
}

impl From<Read> for JournalState {
    fn from(read: Read) -> Self {
        let mut known = Self { torn_bytes: read.torn_bytes, ..Self::default() };
        read.records.into_iter().for_each(|record| known.add(record));
        known
    }
}

impl JournalState {
    pub(crate) fn open_units(&self) -> impl Iterator<Item = (&DeviceId, &UnitRecord)> {
        self.units.iter().filter(|(_, unit)| unit.is_open())
    }

    /// How many units that are reserved here have no certificate yet, as far as the journal knows.
    pub(crate) fn reserved(&self) -> u64 {
        let mut made: BTreeSet<_> = BTreeSet::new();
        for (device, unit) in &self.units {
            if unit.is_done() || unit.has_been_issued() {
                made.insert(&device.serial);
            }
        }
        self.held.serials().filter(|serial| !made.contains(serial)).count() as u64
    }

    /// Whether something can be done about a unit while the CA cannot be asked: it was begun, or is reserved
    /// here.
    pub(crate) fn may_be_made_without_the_ca(&self, device: &DeviceId) -> bool {
        self.units.contains_key(device) || self.held.ends_at(&device.serial).is_some()
    }

    fn saw(&mut self, time: SystemTime) {
        self.latest = self.latest.max(Some(time));
    }

    pub(crate) fn add(&mut self, record: Record) {
        match record {
            Record::Run(run) => {
                self.saw(from_millis(run.at_ms));
                self.last_run = Some(run);
            }
            Record::Order(order) => {
                // The CA has agreed with the clock, whatever was recorded before.
                self.latest = Some(order.at);
                self.order = Some(order);
            }
            Record::Begun { device, columns } => {
                self.held.told(&device.serial);
                self.units.entry(device).or_default().begun(columns);
            }
            Record::Step { device, step } => {
                if let Step::Deferred { at, .. } = &step {
                    self.saw(*at);
                }
                let unit = self.units.entry(device).or_default();
                if matches!(step, Step::Superseded { .. }) {
                    let name = SUPERSEDED.to_owned();
                    unit.end = Some(UnitEnd { outcome: name.clone(), reason: name, open: false });
                }
                unit.progress.apply(&step);
            }
            Record::Scrapped { device, reason } => {
                let unit = self.units.entry(device).or_default();
                (unit.scrapped, unit.scrap_reason) = (true, reason);
            }
            Record::Ended { device, end } => {
                self.units.entry(device).or_default().ended(end);
            }
            Record::Reserving(request) => self.held.asked(request),
            Record::Reserved { request_id, reservation } => {
                let told: BTreeSet<_> = self.units.keys().map(|device| &device.serial).collect();
                self.held.answered(&request_id, reservation.as_ref(), |serial| told.contains(serial));
            }
            Record::Returned { reservation, serials } => self.held.gone(&reservation, &serials),
        }
    }
}

fn path_of(directory: &Path, work_order: &str) -> PathBuf {
    directory.join(format!("{work_order}{SUFFIX}"))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("cannot make the journal directory {path}")]
    NoDirectory { path: PathBuf, source: std::io::Error },
    #[error(
        "another touchmark-station uses the journal {path}; stop it, or give this one a journal of its own"
    )]
    InUse { path: PathBuf },
    /// The former default location and the present one both hold journals.
    #[error(
        "there are journals in {former} and in {directory}; which one is right is for a person to say: move the files of the one into \
         the other, or name one with `journal` in the configuration"
    )]
    TwoJournals {
        /// The former location, in the credential directory.
        former: PathBuf,
        /// The present default.
        directory: PathBuf,
    },
    /// A line before the last is damaged.
    #[error(
        "the journal {path} is damaged in line {line} (byte {offset}): {what}; keep it, and put back a copy of it: only the journal can \
         ask for certificates that are deferred. Without a copy, move it away and run provision again: the CA gives every other unit \
         the certificate that it already has"
    )]
    Damaged {
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// Its first byte, from 0.
        offset: usize,
        what: &'static str,
    },
    #[error("the journal {path} is of version {version}, and this touchmark-station reads version {VERSION}")]
    Version { path: PathBuf, version: u32 },
    #[error("the journal {path} is of work order {of}: give it its own name again, or move it away")]
    OtherOrder { path: PathBuf, of: String },
    /// The CA's order with this id is another one than the journal's.
    #[error(
        "the journal of {work_order} is of another installation: its order was made at {journal}, and that of this CA at {ca}; move the \
         journal away and keep it, or use the configuration of the other CA"
    )]
    OtherInstallation { work_order: String, journal: String, ca: String },
    #[error("cannot use the journal {path}")]
    Io { path: PathBuf, source: std::io::Error },
    /// An earlier write failed, so nothing is written any more.
    #[error("the journal is no longer written: {why}")]
    Closed { why: String },
}

/// The outcome of a unit whose certificate is to be replaced, or was replaced by another station.
const SUPERSEDED: &str = "superseded";

/// The file whose lock says that a station runs with the journal.
pub(crate) const LOCK: &str = "lock";

const VERSION: u32 = 1;
const SUFFIX: &str = ".journal";
