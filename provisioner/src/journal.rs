//! The station's memory: one append-only file for each work order, each step durable before its effect.
//!
//! A line is `CRC-32C in hexadecimal, space, JSON`; the first line says what the file is. A torn last line was never
//! acknowledged: it is cut and reported. Damage before it stops the station: what is lost there must be looked at by a person.

mod file;
mod place;
mod record;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use identity::DeviceId;

pub(crate) use file::{Torn, read};
pub(crate) use place::{Place, Settled};
pub(crate) use record::{Record, RunStart};
pub(crate) use writer::Writer;

use crate::session::{Memory, Step, Taken};
use crate::slot::History;

/// A directory of journals, held by one station at a time.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    // Held for its lock, which the system releases when the process ends, however it ends.
    lock: File,
}

impl Journal {
    /// Takes the directory for this process, and makes it (but not its parents) if there is none.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
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
            .open(directory.join("lock"))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(refused(source)),
        }
    }

    /// Opens the journal of a work order for writing, makes it if there is none, and returns what it knows.
    ///
    /// # Errors
    /// When it is damaged before its end, is of another version, or cannot be read or written.
    pub(crate) fn work_order(&self, work_order: &str) -> Result<(Writer, Known), JournalError> {
        let path = path_of(&self.directory, work_order);
        let (records, torn, length) = if path.exists() {
            let read = read(&path)?;
            (read.records, read.torn, Some(read.length))
        } else {
            (Vec::new(), None, None)
        };
        let writer = Writer::open(&path, work_order, length)?;
        Ok((writer, Known { torn, ..Known::from_records(records) }))
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Journal {
    /// Given back by name: closing the file is not enough while a child that was just forked still has it open.
    fn drop(&mut self) {
        self.lock.unlock().ok();
    }
}

/// The work orders of which a directory holds journals, by id. Takes no lock.
///
/// # Errors
/// When the directory cannot be read.
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

/// What a journal knows, without taking it: also while a station writes it.
///
/// # Errors
/// When it is damaged before its end, is of another version, or cannot be read.
pub(crate) fn known(directory: &Path, work_order: &str) -> Result<Known, JournalError> {
    let read = read(&path_of(directory, work_order))?;
    Ok(Known { torn: read.torn, ..Known::from_records(read.records) })
}

/// What a journal knows of its units.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// How the last run was started.
    pub(crate) last_run: Option<RunStart>,
    /// By device.
    pub(crate) units: BTreeMap<DeviceId, UnitRecord>,
    /// What was torn off the end of the file, and is cut.
    pub(crate) torn: Option<Torn>,
}

/// What a journal knows of one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnitRecord {
    /// Its steps.
    pub(crate) memory: Memory,
    /// How often it was begun.
    pub(crate) attempts: u32,
    /// How its last attempt ended; `None` while it is under way, or when the station was killed.
    pub(crate) end: Option<UnitEnd>,
    /// What the line's list says of it beside serial and product.
    pub(crate) columns: BTreeMap<String, String>,
    /// Whether it was scrapped, or given up: this station makes it no more.
    pub(crate) scrapped: bool,
    /// Why it was scrapped, in the operator's words.
    pub(crate) scrap_reason: String,
    /// By the CA's record no unit gets this serial number any more: whose it is. Known only while a command runs.
    pub(crate) taken: Option<Taken>,
    // Whether the CA was asked for it before its last attempt.
    asked_before: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitEnd {
    /// [`crate::session::Outcome::name`].
    pub(crate) outcome: String,
    /// [`crate::session::Outcome::reason`].
    pub(crate) reason: String,
    /// Whether the unit was cut off rather than judged.
    pub(crate) open: bool,
}

impl UnitEnd {
    /// The reason; the outcome where a journal of an earlier version has none.
    pub(crate) fn reason_or_outcome(&self) -> &str {
        if self.reason.is_empty() { &self.outcome } else { &self.reason }
    }
}

impl UnitRecord {
    /// Of the certificate that it has, as far as is known here.
    pub(crate) fn certificate(&self) -> Option<identity::SerialNumber> {
        let issued = self.memory.certificate.as_ref().map(|certificate| certificate.serial_number);
        issued.or(self.memory.read_back)
    }

    /// Whether there is nothing left to do for it: it passed, or never will.
    pub(crate) fn is_done(&self) -> bool {
        self.memory.passed || self.scrapped || self.taken.is_some()
    }

    /// Whether the CA gave it a birth certificate, as far as is known here.
    pub(crate) fn has_been_issued(&self) -> bool {
        self.certificate().is_some() || self.memory.superseded.is_some()
    }

    /// Whether it was given up before it had a certificate.
    pub(crate) fn is_given_up(&self) -> bool {
        self.scrapped && !self.has_been_issued()
    }

    /// Why no unit gets this serial number any more, if none does.
    pub(crate) fn is_over(&self) -> Option<Taken> {
        match self.scrapped {
            true if self.is_given_up() => Some(Taken::GivenUp),
            true => Some(Taken::Gone),
            false => self.taken,
        }
    }

    /// What the next attempt begins with.
    pub(crate) fn history(&self) -> History {
        History { memory: self.memory.clone(), open: self.is_open() }
    }

    /// Whether it is to have another certificate in place of the one that it had, and has not passed with it.
    pub(crate) fn is_superseded(&self) -> bool {
        self.memory.superseded.is_some() && !self.memory.passed
    }

    /// The same, and nothing was done about it yet.
    pub(crate) fn waits_for_rework(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.outcome == SUPERSEDED)
    }

    /// Whether it was begun and neither passed nor was judged: `resume` goes on with it.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_done() && self.end.as_ref().is_none_or(|end| end.open)
    }
}

impl Known {
    /// Units that were begun and neither passed nor were judged.
    pub(crate) fn open_units(&self) -> impl Iterator<Item = (&DeviceId, &UnitRecord)> {
        self.units.iter().filter(|(_, unit)| unit.is_open())
    }

    fn from_records(records: Vec<Record>) -> Self {
        let mut known = Self::default();
        records.into_iter().for_each(|record| known.add(record));
        known
    }

    /// Adds what a record says.
    pub(crate) fn add(&mut self, record: Record) {
        match record {
            Record::Run(run) => self.last_run = Some(run),
            Record::Begun { device, columns } => {
                let unit = self.units.entry(device).or_default();
                unit.attempts = unit.attempts.saturating_add(1);
                unit.end = None;
                unit.asked_before = unit.memory.asked.is_some();
                unit.columns = columns;
            }
            Record::Step { device, step } => {
                let unit = self.units.entry(device).or_default();
                if matches!(step, Step::Superseded { .. }) {
                    let (outcome, reason) = (SUPERSEDED.to_owned(), SUPERSEDED.to_owned());
                    unit.end = Some(UnitEnd { outcome, reason, open: false });
                }
                unit.memory.apply(&step);
            }
            Record::Scrapped { device, reason } => {
                let unit = self.units.entry(device).or_default();
                (unit.scrapped, unit.scrap_reason) = (true, reason);
            }
            Record::Ended { device, end } => {
                let unit = self.units.entry(device).or_default();
                // Of a unit that was asked for before, the certificate may be on its way to another board: that one keeps its number.
                unit.memory.told_in_vain |=
                    end.reason == ALREADY_ISSUED && unit.memory.certificate.is_none() && !unit.asked_before;
                unit.end = Some(end);
            }
        }
    }
}

fn path_of(directory: &Path, work_order: &str) -> PathBuf {
    directory.join(format!("{work_order}{SUFFIX}"))
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// There is no directory, and it cannot be made.
    #[error("cannot make the journal directory {path}")]
    NoDirectory {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "another touchmark-station uses the journal {path}; stop it, or give this one a journal of its own"
    )]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// There are journals in the former default place and in the present one.
    #[error(
        "there are journals in {former} and in {directory}; which one is right is for a person to say: move the files of the one into \
         the other, or name one with `journal` in the configuration"
    )]
    TwoPlaces {
        /// In the credential directory.
        former: PathBuf,
        /// The default.
        directory: PathBuf,
    },
    /// A line in the middle is not what was written.
    #[error(
        "the journal {path} is damaged in line {line} (byte {offset}): {what}; put back a copy of it, or move it away and run \
         provision again: the CA gives every unit the certificate that it already has"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Where, from 0.
        offset: usize,
        /// In what way.
        what: &'static str,
    },
    /// Written by another version.
    #[error("the journal {path} is of version {version}, and this touchmark-station reads version {VERSION}")]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It cannot be read or written.
    #[error("cannot use the journal {path}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It could not be written before, and is not written any more.
    #[error("the journal is no longer written: {why}")]
    Closed {
        /// What went wrong then.
        why: String,
    },
}

/// End of a unit whose certificate is to be replaced, or was replaced by another station.
const SUPERSEDED: &str = "superseded";

/// What the CA says to the station that was slower.
pub(crate) const ALREADY_ISSUED: &str = "DEVICE_ALREADY_ISSUED";

/// Of the format of the files.
const VERSION: u32 = 1;

const SUFFIX: &str = ".journal";
