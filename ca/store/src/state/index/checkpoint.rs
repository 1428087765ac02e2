//! What a checkpoint says: as of which entry it is, which files make up the index, and what is in none of
//! them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use identity::IssuerName;
use ledger::{EntryNumber, WorkOrderCounts};
use ledger_log::Log;
use prost::Message;

use super::administration::Administration;
use super::callers::Callers;
use super::certificates::{Certificates, ShardRow, issuer_place};
use super::changed::ChangedRows;
use super::disk::{Blocks, Column, ColumnFile, Expiries, ExpiryFile, IndexDirectory, Kind, Run, Table};
use super::snapshot::{Snapshot, TABLES, Written};
use super::state_file::State;
use super::times::Times;
use super::{HashKey, Index};
use crate::Result;

/// A checkpoint as it is on disk, with a checksum behind it.
#[derive(Clone, PartialEq, Message)]
pub(in crate::state) struct Checkpoint {
    #[prost(uint32, tag = "1")]
    version: u32,
    /// The last entry that is in it.
    #[prost(uint64, tag = "2")]
    entry: u64,
    /// SHA-256 over the stored bytes of that entry.
    #[prost(bytes = "vec", tag = "3")]
    digest: Vec<u8>,
    /// The root of the log's Merkle tree over the entries up to that one; empty: the log does not know it.
    #[prost(bytes = "vec", tag = "16")]
    root: Vec<u8>,
    /// The key of the keyed hashes.
    #[prost(bytes = "vec", tag = "4")]
    key: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    tables: Vec<Files>,
    #[prost(message, optional, tag = "6")]
    rows: Option<Files>,
    #[prost(message, optional, tag = "7")]
    changes: Option<Files>,
    #[prost(message, optional, tag = "8")]
    administrative: Option<Files>,
    #[prost(uint64, tag = "9")]
    state: u64,
    #[prost(message, repeated, tag = "10")]
    shards: Vec<Shard>,
    #[prost(uint64, repeated, tag = "11")]
    issued: Vec<u64>,
    #[prost(message, repeated, tag = "12")]
    issuers: Vec<IssuerRow>,
    #[prost(message, repeated, tag = "13")]
    counts: Vec<Counts>,
    /// Of [`Times`].
    #[prost(uint64, repeated, tag = "14")]
    times: Vec<u64>,
    #[prost(message, optional, tag = "15")]
    expiries: Option<Files>,
    /// Of [`Callers`].
    #[prost(string, repeated, tag = "17")]
    callers: Vec<String>,
}

/// What tells a log from others at an entry.
pub(in crate::state) struct LogMark {
    digest: [u8; 32],
    root: Option<[u8; 32]>,
}

impl LogMark {
    /// At an entry; `None`: the log does not have it.
    pub(in crate::state) fn at(log: &dyn Log, entry: EntryNumber) -> Result<Option<Self>> {
        let Some(payload) = log.read(entry, 1)?.into_iter().next() else { return Ok(None) };
        let digest = digest(&SHA256, &payload).as_ref().try_into().unwrap_or_default();
        Ok(Some(Self { digest, root: log.root(entry)? }))
    }
}

/// The numbers of files, the oldest first.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(uint64, repeated, tag = "1")]
    numbers: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Shard {
    #[prost(uint32, tag = "1")]
    issuer: u32,
    #[prost(uint32, tag = "2")]
    shard: u32,
    #[prost(uint32, tag = "3")]
    first: u32,
    #[prost(uint32, tag = "4")]
    end: u32,
    #[prost(uint32, tag = "5")]
    revoked_or_held: u32,
    #[prost(uint32, tag = "6")]
    changed: u32,
    #[prost(uint64, tag = "7")]
    not_after_s: u64,
}

#[derive(Clone, PartialEq, Message)]
struct IssuerRow {
    #[prost(uint32, tag = "1")]
    issuer: u32,
    #[prost(uint32, tag = "2")]
    row: u32,
}

/// Of a work order, in the order of their numbers.
#[derive(Clone, PartialEq, Message)]
struct Counts {
    #[prost(uint64, repeated, tag = "1")]
    counts: Vec<u64>,
}

impl Checkpoint {
    pub(super) fn of(snapshot: &Snapshot, at: LogMark, written: &Written, state: Blocks) -> Self {
        let columns = |files: &[Arc<ColumnFile>]| Some(Files::of(files.iter().map(|file| file.blocks())));
        let runs = |runs: &Vec<Arc<Run>>| Files::of(runs.iter().map(|run| run.blocks()));
        let shards = snapshot.shards.iter().map(|((issuer, shard), row)| Shard {
            issuer: issuer_place(*issuer) as u32,
            shard: *shard,
            first: row.first,
            end: row.end,
            revoked_or_held: row.revoked_or_held,
            changed: row.changed,
            not_after_s: row.not_after_s,
        });
        let issuers = snapshot.issuers.iter();
        Self {
            version: VERSION,
            entry: snapshot.entry.0,
            digest: at.digest.to_vec(),
            root: at.root.map_or_else(Vec::new, |root| root.to_vec()),
            key: snapshot.key.0.to_vec(),
            tables: written.tables.iter().map(runs).collect(),
            rows: columns(&written.rows),
            changes: columns(&written.changes),
            administrative: columns(&written.administrative),
            state: state.id().1,
            shards: shards.collect(),
            issued: snapshot.issued.clone(),
            issuers: issuers
                .map(|(issuer, row)| IssuerRow { issuer: issuer_place(*issuer) as u32, row: *row })
                .collect(),
            counts: snapshot.counts.iter().map(Counts::of).collect(),
            times: snapshot.times.to_numbers(),
            callers: snapshot.callers.to_text(),
            expiries: Some(Files::of(written.expiries.iter().map(|file| file.blocks()))),
        }
    }

    /// The last entry that is in it.
    pub(in crate::state) fn entry(&self) -> EntryNumber {
        EntryNumber(self.entry)
    }

    /// Whether it was made over this log.
    pub(in crate::state) fn is_of(&self, at: &LogMark) -> bool {
        let same_root = at.root.is_none_or(|root| self.root.is_empty() || self.root == root);
        self.digest == at.digest && same_root
    }

    /// Puts it in the place of the one before, durably. Mode 0600: it has the key of the hashes.
    pub(super) fn save(&self, directory: &IndexDirectory) -> io::Result<()> {
        let mut bytes = self.encode_to_vec();
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        files::replace(&directory.checkpoint(), files::OWNER_ONLY, &bytes)
    }

    /// Reads the last one; `None`: there is none that is intact and of this version.
    pub(in crate::state) fn read(directory: &IndexDirectory) -> Option<Self> {
        let bytes = files::read_limited(&directory.checkpoint(), CHECKPOINT_BYTES_MAX).ok()?;
        let (bytes, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(bytes) != u32::from_le_bytes(*crc) {
            return None;
        }
        Self::decode(bytes).ok().filter(|checkpoint| checkpoint.version == VERSION)
    }

    /// The files that it names.
    pub(super) fn files(&self) -> BTreeSet<(Kind, u64)> {
        let runs = self.tables.iter().flat_map(|files| &files.numbers).map(|number| (Kind::Run, *number));
        let columns = [&self.rows, &self.changes, &self.administrative].into_iter().flat_map(numbers);
        let columns = columns.map(|number| (Kind::Column, number));
        let expiries = numbers(&self.expiries).map(|number| (Kind::Expiries, number));
        runs.chain(columns).chain(expiries).chain([(Kind::State, self.state)]).collect()
    }

    /// The index as of this checkpoint, but for its administration: the entries that made that are given with
    /// it, and [`Index::restore`] takes them.
    pub(in crate::state) fn load(&self, directory: &Arc<IndexDirectory>) -> Result<(Index, Vec<u32>)> {
        let damaged = |what| directory.damage(&directory.checkpoint(), what);
        let key = self.key.as_slice().try_into().map_err(|_| damaged("it has no key"))?;
        let mut tables = Vec::new();
        for files in &self.tables {
            let runs = files.numbers.iter().map(|number| Run::open(directory, *number).map(Arc::new));
            tables.push(Table::of(runs.collect::<Result<_>>()?));
        }
        let [serial_numbers, keys, traces, requests] =
            <[Table; TABLES]>::try_from(tables).map_err(|_| damaged("tables are missing"))?;
        let files = |files: &Option<Files>| -> Result<Vec<Arc<ColumnFile>>> {
            numbers(files).map(|number| ColumnFile::open(directory, number).map(Arc::new)).collect()
        };
        let administrative_files = files(&self.administrative)?;
        let mut administrative = Vec::new();
        for file in &administrative_files {
            administrative.extend(file.all::<u32>()?);
        }
        let state = Blocks::open(directory, Kind::State, self.state)?;
        let State { devices, changed, due } = State::read(&state)?;
        let (rows, changes) = (Column::of(files(&self.rows)?), Column::of(files(&self.changes)?));
        let expiries =
            numbers(&self.expiries).map(|number| ExpiryFile::open(directory, number).map(Arc::new));
        let expiries = Expiries::of(expiries.collect::<Result<_>>()?);
        let mut certificates = Certificates::of(rows, changes, expiries, ChangedRows::of(changed), &due)?;
        let issuer = |place: u32| IssuerName::ALL.get(place as usize).copied();
        for shard in &self.shards {
            let name = issuer(shard.issuer).ok_or_else(|| damaged("an issuer is unknown"))?;
            certificates.shards.insert((name, shard.shard), shard.row());
        }
        for (issued, known) in certificates.issued.iter_mut().zip(&self.issued) {
            *issued = *known;
        }
        let issuers = self.issuers.iter().filter_map(|row| Some((issuer(row.issuer)?, row.row))).collect();
        let index = Index {
            directory: Arc::clone(directory),
            key: HashKey(key),
            devices,
            callers: Callers::of(&self.callers).ok_or_else(|| damaged("a caller cannot be read"))?,
            serial_numbers,
            keys,
            traces,
            requests,
            certificates,
            administration: Administration::default(),
            administrative: Column::of(administrative_files),
            issuers,
            times: Times::of(&self.times).ok_or_else(|| damaged("it has no times"))?,
        };
        Ok((index, administrative))
    }

    /// Completes the administration of an index that was loaded, from the entries that made it.
    pub(in crate::state) fn restore(
        &self,
        index: &mut Index,
        entries: impl Iterator<Item = Result<ledger::Entry>>,
    ) -> Result<()> {
        for entry in entries {
            index.administration.apply_again(&entry?);
        }
        let counts: Option<Vec<_>> = self.counts.iter().map(Counts::read).collect();
        match counts.is_some_and(|counts| index.administration.restore_counts(&counts)) {
            true => Ok(()),
            false => Err(index.directory.damage(&index.directory.checkpoint(), "its orders are not these")),
        }
    }
}

impl Files {
    fn of<'a>(files: impl Iterator<Item = &'a Blocks>) -> Self {
        Self { numbers: files.map(|blocks| blocks.id().1).collect() }
    }
}

fn numbers(files: &Option<Files>) -> impl Iterator<Item = u64> {
    files.iter().flat_map(|files| files.numbers.iter().copied())
}

impl Shard {
    fn row(&self) -> ShardRow {
        let Self { first, end, revoked_or_held, changed, not_after_s, .. } = *self;
        ShardRow { first, end, revoked_or_held, changed, not_after_s }
    }
}

impl Counts {
    fn of(counts: &WorkOrderCounts) -> Self {
        let WorkOrderCounts {
            issued,
            confirmed,
            scrapped,
            reworked,
            reserved,
            withdrawn,
            given_up,
            refused_after_deferral,
        } = *counts;
        let counts =
            [issued, confirmed, scrapped, reworked, reserved, withdrawn, given_up, refused_after_deferral];
        Self { counts: counts.to_vec() }
    }

    fn read(&self) -> Option<WorkOrderCounts> {
        let [issued, confirmed, scrapped, reworked, reserved, withdrawn, given_up, refused_after_deferral] =
            self.counts.as_slice().try_into().ok()?;
        Some(WorkOrderCounts {
            issued,
            confirmed,
            scrapped,
            reworked,
            reserved,
            withdrawn,
            given_up,
            refused_after_deferral,
        })
    }
}

/// Of everything in the directory. An index of another version is built again.
const VERSION: u32 = 1;

/// A hundred bytes an order and a shard.
const CHECKPOINT_BYTES_MAX: usize = 1 << 30;
