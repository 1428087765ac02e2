//! Entries whose segments were moved to an archive, by this process or by another one meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use ledger::EntryNumber;

use super::segment::{Segment, damaged};
use super::{FileLog, directory};
use crate::LogError;
use crate::tree::{Frontier, Hash};

impl FileLog {
    /// The entries from `first` on, in a segment or in an archive.
    pub(super) fn read_run(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        let some = |run: Vec<Bytes>| Some(run).filter(|run| !run.is_empty());
        let here = |segment: &Arc<Segment>| segment.read(first, count, &self.open_files).map(some);
        let archived = || self.archives.read(first, count).map(some);
        Ok(self.here_or_archived(first, here, archived)?.unwrap_or_default())
    }

    /// The root of the tree behind an entry, by its segment or archive.
    pub(super) fn root_at(&self, size: EntryNumber) -> Result<Option<Hash>, LogError> {
        if size.0 == 0 {
            return Ok(Some(Frontier::default().root()));
        }
        let here = |segment: &Arc<Segment>| segment.root(size, &self.open_files);
        self.here_or_archived(size, here, || self.archives.root(size))
    }

    /// Looks in the entry's segment, and then in the archives: another process may have moved the segment.
    fn here_or_archived<T>(
        &self,
        entry: EntryNumber,
        here: impl Fn(&Arc<Segment>) -> Result<Option<T>, LogError>,
        archived: impl Fn() -> Result<Option<T>, LogError>,
    ) -> Result<Option<T>, LogError> {
        let Some(segment) = self.segment_of(entry) else { return archived() };
        match here(&segment) {
            Ok(None) => archived(),
            Ok(found) => Ok(found),
            Err(error) if segment.path.exists() => Err(error),
            Err(error) => {
                self.archives.look_again()?;
                let found = archived()?;
                if self.archives.manifest().archive_of(entry).is_none() {
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

    /// Goes on with archives, one behind the other, as far as the segment with this first entry.
    pub(super) fn behind_archives(&self, mut tree: Frontier, first: u64) -> Frontier {
        let manifest = self.archives.manifest();
        while tree.size() + 1 < first
            && let Some(record) = manifest.archive_of(EntryNumber(tree.size() + 1))
            && record.first_entry == tree.size() + 1
            && let Some(behind) = record.tree_behind()
        {
            tree = behind;
        }
        tree
    }

    /// The tree before the segment with this first entry, if there is nothing before it or an archive.
    pub(super) fn tree_behind_archives(&self, first: u64) -> Option<Frontier> {
        if first == 1 {
            return Some(Frontier::default());
        }
        let manifest = self.archives.manifest();
        manifest.archives().iter().find(|record| record.next() == first)?.tree_behind()
    }

    /// Refuses a log that ends before what was archived of it.
    pub(super) fn check_archived_end(&self, tree: &Frontier) -> Result<(), LogError> {
        let manifest = self.archives.manifest();
        match manifest.archives().last() {
            Some(last) if last.next() > tree.size() + 1 => Err(damaged(
                &directory::archived_file(&self.settings.directory),
                0,
                EntryNumber(tree.size() + 1),
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
