//! The journal: whether it can be read, is free, and is the one of this CA; and what it says is unfinished.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use cli::{Finding, Verdict, count};
use diagnostics::error_chain;
use identity::SerialNumber;

use super::JOURNAL;
use crate::ca::{Ca, CaError, advice};
use crate::journal::{JournalError, JournalState, LOCK, RunStart, known, work_orders};
use crate::stock::Held;
use crate::wire::birth_serial_number;

/// What a journal directory has.
#[derive(Default)]
pub(super) struct Found {
    directory: PathBuf,
    is_there: bool,
    orders: BTreeMap<String, JournalState>,
    mistakes: Vec<Finding>,
    /// Held while the doctor looks, so that no line begins meanwhile.
    _lock: Option<File>,
    /// Whether a station runs with it.
    pub(super) is_in_use: bool,
}

impl Found {
    /// Reads all journals. Takes the lock if nobody has it, and makes nothing.
    pub(super) fn read(directory: &Path) -> Self {
        let mut found = Self { directory: directory.to_owned(), ..Self::default() };
        found.is_there = directory.is_dir();
        if !found.is_there {
            return found;
        }
        match File::open(directory.join(LOCK)).map(|lock| (lock.try_lock(), lock)) {
            Ok((Ok(()), lock)) => found._lock = Some(lock),
            Ok((Err(TryLockError::WouldBlock), _)) => found.is_in_use = true,
            Ok((Err(TryLockError::Error(_)), _)) | Err(_) => {}
        }
        match work_orders(directory) {
            Ok(orders) => {
                for order in orders {
                    match known(directory, &order) {
                        Ok(state) => {
                            found.orders.insert(order, state);
                        }
                        Err(error) => found.mistakes.push(unreadable(&error)),
                    }
                }
            }
            Err(error) => found.mistakes.push(unreadable(&error)),
        }
        found
    }

    /// What it says by itself.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let place = self.directory.display();
        if !self.is_there {
            let says = format!("{place} is not there yet: the first run makes it");
            return vec![Finding::good(JOURNAL, says)];
        }
        let units: usize = self.orders.values().map(|known| known.units.len()).sum();
        let orders = count(self.orders.len() as u64, "work order");
        let used = if self.is_in_use { "; a station runs with it" } else { "" };
        let says = format!("{place}: {orders}, {}{used}", count(units as u64, "unit"));
        let mut findings = vec![Finding::good(JOURNAL, says)];
        for (order, known) in &self.orders {
            let open = known.open_units().count();
            if open > 0 && !self.is_in_use {
                let says = format!("{order}: {} unfinished", count(open as u64, "unit"));
                findings.push(Finding::note(
                    JOURNAL,
                    says,
                    "touchmark-station report says how to finish them",
                ));
            }
            if known.torn_bytes > 0 {
                let says = format!("{order}: its last {} bytes are torn", known.torn_bytes);
                findings.push(Finding::note(
                    JOURNAL,
                    says,
                    "the next run cuts them; they were never acknowledged",
                ));
            }
        }
        findings.truncate(FINDINGS_MAX);
        findings.extend(self.mistakes.iter().cloned());
        findings
    }

    /// The order of the last run.
    pub(super) fn last_order(&self) -> Option<&str> {
        self.last_run().map(|(order, _)| order)
    }

    /// The last run whose link is in the journal.
    pub(super) fn last_link(&self) -> Option<&RunStart> {
        let runs = self.orders.values().filter_map(|known| known.last_run.as_ref());
        runs.filter(|run| !run.link.is_empty()).max_by_key(|run| run.at_ms)
    }

    /// What the journal of an order says is reserved.
    pub(super) fn held(&self, work_order: Option<&str>) -> Option<&Held> {
        self.orders.get(work_order?).map(|known| &known.held)
    }

    fn last_run(&self) -> Option<(&str, &RunStart)> {
        let runs =
            self.orders.iter().filter_map(|(order, known)| Some((&order[..], known.last_run.as_ref()?)));
        runs.max_by_key(|(_, run)| run.at_ms)
    }

    /// Compares the certificates of an order with the CA's: a journal of another installation, or a CA
    /// that lost its ledger, has others.
    pub(super) async fn compare(&self, ca: &Ca, work_order: Option<&str>) -> Vec<Finding> {
        let Some((order, known)) = work_order.and_then(|order| self.orders.get_key_value(order)) else {
            return Vec::new();
        };
        let made: Vec<(String, SerialNumber)> = known
            .units
            .iter()
            .filter(|(_, unit)| !unit.scrapped)
            .filter_map(|(device, unit)| Some((device.serial.to_string(), unit.certificate()?)))
            .take(COMPARED_MAX)
            .collect();
        if made.is_empty() {
            return Vec::new();
        }
        let serials = made.iter().map(|(serial, _)| serial.clone()).collect();
        match ca.units(order, serials, String::new()).await {
            Ok(answer) => {
                let on_record = answer.units.iter().map(birth_serial_number);
                let unknown = made.iter().zip(on_record).filter(|(_, found)| found.is_none());
                let unknown: Vec<&str> = unknown.map(|((serial, _), _)| &serial[..]).collect();
                vec![judge(order, made.len(), &unknown)]
            }
            Err(CaError::Refused(refusal)) => {
                let says =
                    format!("{order} has certificates, and the CA refuses to say which: {}", refusal.message);
                vec![Finding::bad(JOURNAL, says, OTHER_INSTALLATION)]
            }
            Err(CaError::Unreachable(detail)) => {
                let says = format!("not compared with the CA's record: {detail}");
                vec![Finding::note(JOURNAL, says, advice(crate::ca::CA_UNREACHABLE))]
            }
        }
    }
}

fn judge(order: &str, compared: usize, unknown: &[&str]) -> Finding {
    match unknown.first() {
        None => {
            let says = format!("{order}: the CA has the certificates of {compared} units that were compared");
            Finding::good(JOURNAL, says)
        }
        Some(first) => {
            let says = format!(
                "{order}: the journal has certificates of {} of {compared} units, {first} for example, for which the CA has none",
                unknown.len()
            );
            Finding::bad(JOURNAL, says, OTHER_INSTALLATION)
        }
    }
}

fn unreadable(error: &JournalError) -> Finding {
    let is_damage = matches!(
        error,
        JournalError::Damaged { .. } | JournalError::Version { .. } | JournalError::OtherOrder { .. }
    );
    let verdict = if is_damage { Verdict::Damaged } else { Verdict::Bad };
    let advice = "the text says where; a copy of it, or the CA's record, has what is lost";
    Finding { verdict, ..Finding::bad(JOURNAL, error_chain(error), advice) }
}

const OTHER_INSTALLATION: &str = "is `journal` or `server` in station.toml that of another installation, or was the CA restored from an older backup? Stop the line until it is known";

/// Units that are compared: one call.
const COMPARED_MAX: usize = 200;

/// More orders than a station works at.
const FINDINGS_MAX: usize = 32;
