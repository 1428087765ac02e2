//! Reads many entries in rising order: in long runs where they lie close together, one by one where they do not.

use bytes::Bytes;
use ledger::{Entry, EntryNumber};

use super::files::Files;
use crate::{StoreError, format};

/// Entries in rising order.
pub(super) struct Reader<'a> {
    files: &'a Files,
    first: u64,
    run: Vec<Bytes>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self { files, first: 0, run: Vec::new() }
    }

    /// An entry that is on record.
    pub(super) fn entry(&mut self, number: u32) -> Result<Entry, StoreError> {
        let payload = self.payload(number)?;
        let number = EntryNumber(u64::from(number));
        format::decode(number, &payload).ok_or_else(|| self.files.damaged(number, UNREADABLE))
    }

    /// Its payload.
    pub(super) fn payload(&mut self, number: u32) -> Result<Bytes, StoreError> {
        let number = u64::from(number);
        if let Some(payload) = self.in_run(number) {
            return Ok(payload);
        }
        let end = self.first + self.run.len() as u64;
        let near = (end..end + NEAR).contains(&number);
        let count = if near { RUN_ENTRIES } else { 1 };
        (self.first, self.run) = (number, Vec::with_capacity(count as usize));
        let run = &mut self.run;
        self.files.read_run(EntryNumber(number), count, |_, payload| {
            run.push(payload);
            true
        })?;
        self.in_run(number).ok_or_else(|| self.files.damaged(EntryNumber(number), ABSENT))
    }

    fn in_run(&self, number: u64) -> Option<Bytes> {
        self.run.get(usize::try_from(number.checked_sub(self.first)?).ok()?).cloned()
    }
}

/// What is said of an entry whose frame is whole and whose payload is not an entry.
pub(super) const UNREADABLE: &str = "an entry that cannot be read";

/// What is said of an entry that something refers to and that is not there.
pub(super) const ABSENT: &str = "no entry, though there must be one";

/// An entry this near behind the last run is read with those that follow it.
const NEAR: u64 = 16;

/// Entries of a run; [`Files::read_run`] stops at some hundred kilobytes.
const RUN_ENTRIES: u64 = 256;
