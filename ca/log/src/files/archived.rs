//! Entries whose segments were moved to an archive, by this process or by another one meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use ledger::EntryNumber;

use super::segment::{Segment, damaged};
use super::{FileLog, directory};
use crate::LogError;

impl FileLog {
    /// The entries from `first` on, in a segment or in an archive.
    pub(super) fn read_run(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        let Some(segment) = self.segment_of(first) else { return self.archives.read(first, count) };
        match segment.read(first, count, &self.open_files) {
            Ok(found) if found.is_empty() => self.archives.read(first, count),
            Ok(found) => Ok(found),
            Err(error) if segment.path.exists() => Err(error),
            Err(error) => {
                self.archives.look_again()?;
                let found = self.archives.read(first, count)?;
                if found.is_empty() {
                    return Err(error);
                }
                self.forget(&segment);
                Ok(found)
            }
        }
    }

    /// The error for an entry that must be there: it names the segment or the archive.
    pub(super) fn damaged_at(&self, entry: EntryNumber, what: &'static str) -> LogError {
        let segment = self.segment_of(entry);
        if let Some(segment) = &segment
            && let Some(offset) = segment.offset_of(entry, &self.open_files)
        {
            return damaged(&segment.path, offset, entry, what);
        }
        let manifest = self.archives.manifest();
        if let Some(record) = manifest.archive_of(entry) {
            return damaged(&self.archives.path_of(record), 0, entry, what);
        }
        let path = segment.as_ref().map_or(self.settings.directory.as_path(), |segment| &segment.path);
        damaged(path, 0, entry, what)
    }

    /// The number behind all archived entries that follow one another from this one on.
    pub(super) fn behind_archives(&self, mut next: u64) -> u64 {
        let manifest = self.archives.manifest();
        while let Some(record) = manifest.archive_of(EntryNumber(next)).filter(|it| it.first_entry == next) {
            next = record.next();
        }
        next
    }

    /// Refuses a log that ends before what was archived of it.
    pub(super) fn check_archived_end(&self, next: u64) -> Result<(), LogError> {
        let manifest = self.archives.manifest();
        match manifest.archives().last() {
            Some(last) if last.next() > next => Err(damaged(
                &directory::archived_file(&self.settings.directory),
                0,
                EntryNumber(next),
                "the segment with this entry is missing, and a later one was archived",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Bytes of all entries, with what frames them.
    pub(super) fn bytes(&self) -> u64 {
        let segments = self.segments.read();
        let here: u64 = segments.iter().map(|segment| u64::from(segment.end())).sum();
        let is_here = |first: u64| segments.binary_search_by_key(&first, |segment| segment.first).is_ok();
        let manifest = self.archives.manifest();
        let archived = manifest.archives().iter().filter(|record| !is_here(record.first_entry));
        here + archived.map(|record| record.segment_bytes).sum::<u64>()
    }

    fn forget(&self, segment: &Arc<Segment>) {
        self.segments.write().retain(|other| !Arc::ptr_eq(other, segment));
    }
}
