//! A moment of the index: set aside while nothing changes, written while it goes on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use identity::IssuerName;
use ledger::{EntryNumber, WorkOrderCounts};

use super::callers::Callers;
use super::certificates::{CertificateRow, ShardRow};
use super::changed::Rows;
use super::checkpoint::{Checkpoint, LogMark};
use super::devices::Chunk;
use super::disk::{ColumnFile, Expiry, ExpiryFile, Frozen, IndexDirectory, Recent, Run, WriteError};
use super::times::Times;
use super::{HashKey, Index, state_file};

/// What was set aside.
pub(in crate::state) struct Snapshot {
    directory: Arc<IndexDirectory>,
    pub(super) key: HashKey,
    pub(super) entry: EntryNumber,
    tables: [(Arc<Recent>, Vec<Arc<Run>>); TABLES],
    rows: Frozen<CertificateRow>,
    changes: Frozen<u32>,
    administrative: Frozen<u32>,
    expiries: (Arc<BTreeSet<Expiry>>, Vec<Arc<ExpiryFile>>),
    changed: [Arc<Rows>; 2],
    pub(super) due: Vec<(u64, u32)>,
    pub(super) devices: Vec<Chunk>,
    pub(super) many: HashMap<u32, Vec<u32>>,
    pub(super) shards: Vec<((IssuerName, u32), ShardRow)>,
    pub(super) issued: Vec<u64>,
    pub(super) issuers: Vec<(IssuerName, u32)>,
    pub(super) counts: Vec<WorkOrderCounts>,
    pub(super) times: Times,
    pub(super) callers: Callers,
}

/// What was written: the index goes on with it.
pub(in crate::state) struct Written {
    pub(super) tables: [Vec<Arc<Run>>; TABLES],
    pub(super) rows: Vec<Arc<ColumnFile>>,
    pub(super) changes: Vec<Arc<ColumnFile>>,
    pub(super) administrative: Vec<Arc<ColumnFile>>,
    pub(super) expiries: Vec<Arc<ExpiryFile>>,
    /// Rows that changed since the files that hold them were written.
    changed: Rows,
}

impl Index {
    /// Sets aside what is in memory. Takes milliseconds, however large the index is.
    pub(in crate::state) fn freeze(&mut self) -> Snapshot {
        let tables = [&mut self.serial_numbers, &mut self.keys, &mut self.traces, &mut self.requests];
        let (devices, many) = self.devices.freeze();
        let certificates = &mut self.certificates;
        Snapshot {
            directory: Arc::clone(&self.directory),
            key: self.key,
            entry: self.times.last(),
            tables: tables.map(super::Table::freeze),
            rows: certificates.rows.freeze(),
            changes: certificates.changes.freeze(),
            administrative: self.administrative.freeze(),
            expiries: certificates.expiries.freeze(),
            changed: certificates.changed.freeze(),
            due: certificates.all_due(),
            devices,
            many,
            shards: certificates.shards.iter().map(|(shard, row)| (*shard, *row)).collect(),
            issued: certificates.issued.to_vec(),
            issuers: self.issuers.iter().map(|(issuer, row)| (*issuer, *row)).collect(),
            counts: self.administration.counts(),
            times: self.times.clone(),
            callers: self.callers.clone(),
        }
    }

    /// Goes on with what was written.
    pub(in crate::state) fn install(&mut self, written: Written) {
        let [serial_numbers, keys, traces, requests] = written.tables;
        self.serial_numbers.written(serial_numbers);
        self.keys.written(keys);
        self.traces.written(traces);
        self.requests.written(requests);
        self.certificates.rows.written(written.rows);
        self.certificates.changes.written(written.changes);
        self.administrative.written(written.administrative);
        self.certificates.expiries.written(written.expiries);
        self.certificates.changed.written(written.changed);
    }
}

impl Snapshot {
    /// The last entry that is in it.
    pub(in crate::state) fn entry(&self) -> EntryNumber {
        self.entry
    }

    /// Writes it: first the files, then the checkpoint that names them. `changed_max`: rows that may have
    /// changed since their files were written. Files that the last checkpoint does not name are removed, also
    /// after an error: a full disk keeps none of them.
    pub(in crate::state) fn write(&self, at: LogMark, changed_max: usize) -> Result<Written, WriteError> {
        let written = self.write_files(at, changed_max);
        let last = Checkpoint::read(&self.directory);
        self.directory.keep(&last.map(|last| last.files()).unwrap_or_default());
        written
    }

    fn write_files(&self, at: LogMark, changed_max: usize) -> Result<Written, WriteError> {
        let mut tables = [const { Vec::new() }; TABLES];
        for (runs, (recent, before)) in tables.iter_mut().zip(&self.tables) {
            *runs = Run::add(&self.directory, recent, before)?;
        }
        let (rows, changed) = self.write_rows(changed_max)?;
        let written = Written {
            tables,
            rows,
            changes: self.changes.write(&self.directory, |_, record| record)?,
            administrative: self.administrative.write(&self.directory, |_, record| record)?,
            expiries: ExpiryFile::add(&self.directory, &self.expiries.0, &self.expiries.1)?,
            changed,
        };
        let mut changed: Vec<_> = written.changed.iter().map(|(row, facts)| (*row, *facts)).collect();
        changed.sort_unstable_by_key(|(row, _)| *row);
        let state = state_file::write(&self.directory, self, &changed)?;
        self.directory.sync()?;
        Checkpoint::of(self, at, &written, state).save(&self.directory)?;
        Ok(written)
    }

    /// Writes the rows of certificates, and again those files that most of the changed rows are in. Returns
    /// the files, and the changed rows that are in none of them.
    fn write_rows(&self, changed_max: usize) -> Result<(Vec<Arc<ColumnFile>>, Rows), WriteError> {
        let [earlier, later] = &self.changed;
        let mut changed = Rows::clone(earlier);
        changed.extend(later.iter());
        let current = |number, row| changed.get(&number).copied().unwrap_or(row);
        let mut files = self.rows.write(&self.directory, current)?;
        let kept = |file: &Arc<ColumnFile>| {
            self.rows.files.iter().any(|known| known.blocks().id() == file.blocks().id())
        };
        // How many changed rows are in each file that was not written just now.
        let mut stale = vec![0_usize; files.len()];
        let place = |files: &[Arc<ColumnFile>], row: u32| files.partition_point(|file| file.end() <= row);
        for row in changed.keys() {
            let place = place(&files, *row);
            if let (Some(count), Some(true)) = (stale.get_mut(place), files.get(place).map(kept)) {
                *count += 1;
            }
        }
        let mut order: Vec<usize> = (0..files.len()).filter(|place| stale.get(*place) > Some(&0)).collect();
        order.sort_by_key(|place| stale.get(*place).copied());
        let mut left: usize = stale.iter().sum();
        if left > changed_max {
            while left > changed_max / 2
                && let Some(place) = order.pop()
                && let (Some(file), Some(count)) = (files.get_mut(place), stale.get(place))
            {
                let mut rows = file.all::<CertificateRow>()?;
                (file.first()..).zip(&mut rows).for_each(|(number, row)| *row = current(number, *row));
                *file = Arc::new(ColumnFile::write(&self.directory, file.first(), &rows)?);
                left -= count;
            }
        }
        let is_kept: Vec<bool> = files.iter().map(kept).collect();
        changed.retain(|row, _| is_kept.get(place(&files, *row)).copied().unwrap_or(false));
        Ok((files, changed))
    }
}

/// Serial numbers, keys, traces, requests.
pub(super) const TABLES: usize = 4;
