//! Opening a log in files: every entry is checked, a torn tail is told from damage.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ledger::EntryNumber;
use rustix::fs::{Advice, fadvise};

use super::segment::{self, HEADER_BYTES, Segment, damaged, io_error};
use super::{FileLog, Leftover, TornTail, directory};
use crate::{LogError, OpenError, frame};

impl FileLog {
    /// Reads all segments and shows every encoded entry.
    pub(super) fn recover(
        &mut self,
        mut each: impl FnMut(EntryNumber, Bytes) -> bool,
    ) -> Result<(), OpenError> {
        let paths = directory::segment_paths(&self.settings.directory)?;
        let mut next = 1;
        for (position, (first, path)) in paths.iter().enumerate() {
            if *first != next {
                return Err(
                    damaged(path, 0, EntryNumber(next), "the segment with this entry is missing").into()
                );
            }
            let following = paths.get(position + 1);
            if let Some((_, path)) = following {
                read_ahead(path);
            }
            let is_last = following.is_none();
            let mut scan = Scan::of(path, *first, is_last && position > 0)?;
            next = scan.replay(is_last, &mut each)?;
            if is_last {
                self.check_noted_end(&scan, next)?;
            }
            self.torn_tail = self.keep(scan);
        }
        self.head.send_replace(EntryNumber(next - 1));
        Ok(())
    }

    fn check_noted_end(&self, last: &Scan, next: u64) -> Result<(), LogError> {
        match directory::noted_end(&self.settings.directory)? {
            Some(noted) if noted.0 >= next => Err(last.damaged(
                last.end() as usize,
                next,
                "no intact entry; there was one at the last clean stop",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes the segment over. What lies behind its last intact entry is left where it is until something is
    /// appended: a start that finds that the log lost its end must have changed nothing.
    fn keep(&mut self, scan: Scan) -> Option<TornTail> {
        let appending = self.appending.get_mut();
        if scan.unborn {
            let bytes = scan.bytes.len() as u64;
            appending.leftover = Some(Leftover::Segment(scan.path.clone()));
            return Some(TornTail { file: scan.path, offset: 0, bytes });
        }
        let end = scan.end();
        let tail = scan.bytes.get(end as usize..).unwrap_or_default();
        let segment = Segment::opened(scan.first, scan.path.clone(), scan.file, scan.offsets);
        self.segments.get_mut().push(Arc::new(segment));
        tail.iter().any(|byte| *byte != 0).then(|| {
            appending.leftover = Some(Leftover::Tail);
            TornTail { file: scan.path, offset: u64::from(end), bytes: tail.len() as u64 }
        })
    }
}

struct Scan {
    first: u64,
    path: PathBuf,
    file: File,
    bytes: Bytes,
    /// The offset of each entry, and the end of the last one.
    offsets: Vec<u32>,
    /// Its header never became durable.
    unborn: bool,
}

impl Scan {
    fn of(path: &Path, first: u64, may_be_unborn: bool) -> Result<Self, OpenError> {
        let read = || -> io::Result<(File, Vec<u8>)> {
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = read().map_err(|error| io_error("read", path, error))?;
        if let Some(version) = segment::foreign_version(&bytes) {
            return Err(OpenError::TooNew { file: path.to_owned(), version });
        }
        let sound = bytes.starts_with(&segment::header(first));
        // Frames are written only behind a durable header: without one, frames say that the header was
        // damaged later.
        let unborn = !sound && may_be_unborn && frame::search(&bytes).next().is_none();
        if !sound && !unborn {
            return Err(damaged(path, 0, EntryNumber(first), "a segment header that is not intact").into());
        }
        let offsets = vec![HEADER_BYTES];
        Ok(Self { first, path: path.to_owned(), file, bytes: bytes.into(), offsets, unborn })
    }

    /// Shows the entries; returns the number of the next one.
    fn replay(
        &mut self,
        is_last: bool,
        each: &mut impl FnMut(EntryNumber, Bytes) -> bool,
    ) -> Result<u64, LogError> {
        let mut next = self.first;
        if self.unborn {
            return Ok(next);
        }
        let mut offset = HEADER_BYTES as usize;
        while let Some(frame) = self.bytes.get(offset..).and_then(frame::read).filter(|f| f.number.0 == next)
        {
            if !each(frame.number, self.bytes.slice_ref(frame.payload)) {
                return Err(self.damaged(offset, next, "an entry that cannot be read"));
            }
            offset += frame.length;
            let end = u32::try_from(offset).map_err(|_| self.damaged(offset, next, "more than 4 GiB"))?;
            self.offsets.push(end);
            next += 1;
        }
        let tail = self.bytes.get(offset..).unwrap_or_default();
        // One batch is written at a time. A frame of a batch that began later proves that what is broken here
        // was acknowledged.
        let acknowledged = match is_last {
            true => frame::search(tail).any(|frame| frame.batch.0 > next),
            false => !tail.is_empty(),
        };
        match acknowledged {
            true => Err(self.damaged(offset, next, "no intact entry, and there are later ones")),
            false => Ok(next),
        }
    }

    fn end(&self) -> u32 {
        self.offsets.last().copied().unwrap_or(HEADER_BYTES)
    }

    fn damaged(&self, offset: usize, entry: u64, what: &'static str) -> LogError {
        damaged(&self.path, offset as u64, EntryNumber(entry), what)
    }
}

/// Has the kernel fetch a file while the one before is read. Only a hint.
fn read_ahead(path: &Path) {
    if let Ok(file) = File::open(path) {
        fadvise(&file, 0, None, Advice::WillNeed).ok();
    }
}
