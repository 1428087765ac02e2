//! The decoded entries of a log, one by one or in long runs.

use std::sync::Arc;

use bytes::Bytes;
use ledger::{Entry, EntryNumber};
use ledger_log::{Log, format};

use super::entry_cache::EntryCache;
use crate::{Result, StoreError};

/// The entries of a log. Entries never change, so what the cache holds is never wrong.
pub(super) struct Entries {
    log: Arc<dyn Log>,
    cache: EntryCache,
}

impl Entries {
    pub(super) fn new(log: Arc<dyn Log>) -> Self {
        Self { log, cache: EntryCache::default() }
    }

    pub(super) fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// The entry; `None`: the log is not that long.
    pub(super) fn find(&self, number: EntryNumber) -> Result<Option<Arc<Entry>>> {
        if let Some(entry) = self.cache.find(number) {
            return Ok(Some(entry));
        }
        let Some(payload) = self.log.read(number, 1)?.into_iter().next() else { return Ok(None) };
        let entry = format::decode(number, &payload).ok_or_else(|| self.damaged(number, UNREADABLE))?;
        let entry = Arc::new(entry);
        self.keep(&entry);
        Ok(Some(entry))
    }

    pub(super) fn get(&self, number: EntryNumber) -> Result<Arc<Entry>> {
        self.find(number)?.ok_or_else(|| self.damaged(number, ABSENT))
    }

    /// As [`Self::get`], by a number of the index.
    pub(super) fn at(&self, number: u32) -> Result<Arc<Entry>> {
        self.get(EntryNumber(u64::from(number)))
    }

    /// Keeps an entry that will be asked for soon.
    pub(super) fn keep(&self, entry: &Arc<Entry>) {
        self.cache.keep(entry);
    }

    /// The encoded entries from one that must be there on: at least one, at most `count`, as many as are read
    /// in one piece.
    pub(super) fn run(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>> {
        let run = self.log.read(first, count)?;
        if run.is_empty() { Err(self.damaged(first, ABSENT)) } else { Ok(run) }
    }

    /// Entries from one on, as many as are read in one piece; none behind the end.
    pub(super) fn decoded(&self, first: EntryNumber, count: u64) -> Result<Vec<Entry>> {
        let payloads = self.log.read(first, count)?;
        let numbered = (first.0..).map(EntryNumber).zip(&payloads);
        numbered
            .map(|(number, payload)| {
                format::decode(number, payload).ok_or_else(|| self.damaged(number, UNREADABLE))
            })
            .collect()
    }

    /// The error for an entry that must be there and cannot be read.
    pub(super) fn damaged(&self, entry: EntryNumber, what: &'static str) -> StoreError {
        self.log.damaged(entry, what).into()
    }

    /// Reads many entries in rising order.
    pub(super) fn in_order(&self) -> Reader<'_> {
        Reader { entries: self, first: 0, run: Vec::new() }
    }
}

/// Reads entries in rising order: in long runs where they lie close together, one by one where they do not.
pub(super) struct Reader<'a> {
    entries: &'a Entries,
    first: u64,
    run: Vec<Bytes>,
}

impl Reader<'_> {
    pub(super) fn entry(&mut self, number: u32) -> Result<Entry> {
        let number = EntryNumber(u64::from(number));
        let payload = self.payload(number)?;
        format::decode(number, &payload).ok_or_else(|| self.entries.damaged(number, UNREADABLE))
    }

    fn payload(&mut self, number: EntryNumber) -> Result<Bytes> {
        if let Some(payload) = self.in_run(number) {
            return Ok(payload);
        }
        let end = self.first + self.run.len() as u64;
        let count = if (end..end + NEAR).contains(&number.0) { RUN_ENTRIES } else { 1 };
        (self.first, self.run) = (number.0, self.entries.run(number, count)?);
        self.in_run(number).ok_or_else(|| self.entries.damaged(number, ABSENT))
    }

    fn in_run(&self, number: EntryNumber) -> Option<Bytes> {
        self.run.get(usize::try_from(number.0.checked_sub(self.first)?).ok()?).cloned()
    }
}

/// What is said of an entry whose frame is intact and whose payload is not an entry.
pub(super) const UNREADABLE: &str = "an entry that cannot be read";

/// What is said of an entry that something refers to and that is not there.
pub(super) const ABSENT: &str = "no entry, though there must be one";

/// An entry this near behind the last run is read with those that follow it.
const NEAR: u64 = 16;

/// Entries of a run; the log stops at some hundred kilobytes.
const RUN_ENTRIES: u64 = 256;
