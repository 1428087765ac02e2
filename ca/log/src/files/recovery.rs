//! Opening a log in files: sealed segments as it is written down beside them, the last one frame by frame;
//! there a torn tail is told from damage.

use std::path::Path;
use std::sync::Arc;

use ledger::EntryNumber;

use super::scan::Scan;
use super::segment::{Segment, damaged, io_error};
use super::{FileLog, Leftover, TornTail, directory, sealed};
use crate::{LogError, OpenError};

impl FileLog {
    /// Learns which entries there are and where they lie. Reads the last segment, and those of which nothing
    /// is written down.
    pub(super) fn recover(&mut self) -> Result<(), OpenError> {
        let paths = directory::segment_paths(&self.settings.directory)?;
        let mut next = 1;
        for (position, (first, path)) in paths.iter().enumerate() {
            if *first != next {
                next = self.behind_archives(next);
            }
            if *first != next {
                return Err(
                    damaged(path, 0, EntryNumber(next), "the segment with this entry is missing").into()
                );
            }
            next = match position + 1 == paths.len() {
                false => self.take_sealed(path, *first)?,
                true => self.take_last(path, *first, position > 0)?,
            };
        }
        self.check_archived_end(next)?;
        self.head.send_replace(EntryNumber(next - 1));
        Ok(())
    }

    /// Returns the number of the entry behind the segment.
    fn take_sealed(&mut self, path: &Path, first: u64) -> Result<u64, OpenError> {
        let offsets = match sealed::read(path, first) {
            Some(offsets) => offsets,
            None => {
                tracing::info!(file = %path.display(), "reading a ledger file of which nothing is written down yet");
                let offsets = Scan::sealed(path, first)?.offsets;
                note(path, first, &offsets);
                offsets
            }
        };
        let segment = Segment::of(first, path.to_owned(), None, offsets);
        let next = segment.next();
        self.segments.get_mut().push(Arc::new(segment));
        Ok(next)
    }

    /// Takes the last segment over. What lies behind its last intact entry is left where it is until
    /// something is appended: a start that finds that the log lost its end must have changed nothing.
    fn take_last(&mut self, path: &Path, first: u64, may_be_unborn: bool) -> Result<u64, OpenError> {
        let scan = Scan::last(path, first, may_be_unborn)?;
        let (end, next) = (scan.offsets.end, first + u64::from(scan.offsets.count));
        check_noted_end(&self.settings.directory, path, end, next)?;
        let appending = self.appending.get_mut();
        let tail = |offset: u64, bytes| Some(TornTail { file: path.to_owned(), offset, bytes });
        if scan.unborn {
            appending.leftover = Some(Leftover::Segment(path.to_owned()));
            self.torn_tail = tail(0, scan.tail_bytes);
            // The one before is the last.
            if let Some(segment) = self.segments.get_mut().last() {
                segment.open_for_writes().map_err(|error| io_error("open", &segment.path, error))?;
            }
            return Ok(next);
        }
        if scan.tail_bytes > 0 {
            appending.leftover = Some(Leftover::Tail);
            self.torn_tail = tail(u64::from(end), scan.tail_bytes);
        }
        let segment = Segment::of(first, path.to_owned(), Some(scan.file), scan.offsets);
        self.segments.get_mut().push(Arc::new(segment));
        Ok(next)
    }

    /// Writes down where the entries of a segment lie to which nothing is added any more.
    pub(super) fn seal(&self, segment: &Arc<Segment>) {
        segment.with_offsets(|offsets| note(&segment.path, segment.first, offsets));
        self.open_files.opened(segment);
    }
}

/// If it fails, the next start reads the segment.
fn note(path: &Path, first: u64, offsets: &super::offsets::Offsets) {
    if let Err(error) = sealed::write(path, first, offsets) {
        tracing::warn!(file = %path.display(), %error, "cannot write down where the entries of a ledger file lie");
    }
}

fn check_noted_end(directory: &Path, last: &Path, end: u32, next: u64) -> Result<(), LogError> {
    match directory::noted_end(directory)? {
        Some(noted) if noted.0 >= next => Err(damaged(
            last,
            u64::from(end),
            EntryNumber(next),
            "no intact entry; there was one at the last clean stop",
        )),
        Some(_) | None => Ok(()),
    }
}
