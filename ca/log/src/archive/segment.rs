//! A sealed segment as it is read for an archive: in runs of whole frames, each checked.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ledger::EntryNumber;

use super::layout::BLOCK_BYTES_MAX;
use crate::LogError;
use crate::files::segment::HEADER_BYTES;
pub(super) use crate::files::segment::io_error;
use crate::frame::{self, Frame};

/// Reads a segment from its start to its end, a run of frames at a time.
pub(super) struct Runs<R> {
    from: R,
    path: PathBuf,
    /// What was read and does not belong to a run yet.
    buffer: Vec<u8>,
    /// Where the buffer starts in the segment.
    offset: u64,
    next: EntryNumber,
    run_bytes: usize,
    ended: bool,
}

/// Some whole frames of a segment, in the first run behind the segment's header.
pub(super) struct Run {
    pub(super) first: EntryNumber,
    /// Where it starts in the segment.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

impl Runs<File> {
    pub(super) fn open(path: &Path, first: EntryNumber, run_bytes: usize) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|error| io_error("open", path, error))?;
        Ok(Self::new(file, path, first, run_bytes))
    }
}

impl<R: Read> Runs<R> {
    pub(super) fn new(from: R, path: &Path, first: EntryNumber, run_bytes: usize) -> Self {
        let path = path.to_owned();
        Self { from, path, buffer: Vec::new(), offset: 0, next: first, run_bytes, ended: false }
    }

    /// The next run: as many frames as reach its size, at least one. `None`: the segment ends. Shows each
    /// frame to `each`.
    ///
    /// # Errors
    /// When the segment cannot be read, or anything in it is not an intact frame of the next entry.
    pub(super) fn next(&mut self, mut each: impl FnMut(&Frame<'_>)) -> Result<Option<Run>, LogError> {
        let first = self.next;
        let header = if self.offset == 0 { SEGMENT_HEADER_BYTES } else { 0 };
        let mut end = header;
        self.fill(self.run_bytes)?;
        while end < self.run_bytes.max(header + 1) {
            if end >= self.buffer.len() && self.ended {
                break;
            }
            let frame = self.buffer.get(end..).and_then(frame::read).filter(|it| it.number == self.next);
            match frame {
                Some(frame) => {
                    each(&frame);
                    end += frame.length;
                    self.next.0 += 1;
                }
                // Its end may not have been read yet.
                None if !self.ended && self.buffer.len() < BLOCK_BYTES_MAX as usize => {
                    self.fill((self.buffer.len() * 2).clamp(MORE_BYTES, BLOCK_BYTES_MAX as usize))?;
                }
                None => {
                    let place = format!("{}, offset {}", self.path.display(), self.offset + end as u64);
                    return Err(LogError::Damaged { place, entry: self.next, what: "no intact entry" });
                }
            }
        }
        if end == header {
            return Ok(None);
        }
        let rest = self.buffer.split_off(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        Ok(Some(Run { first, offset, bytes }))
    }

    /// Reads until the buffer has this length, or the segment ends.
    fn fill(&mut self, length: usize) -> Result<(), LogError> {
        let missing = length.saturating_sub(self.buffer.len());
        if missing > 0 && !self.ended {
            let read = self.from.by_ref().take(missing as u64).read_to_end(&mut self.buffer);
            let read = read.map_err(|error| io_error("read", &self.path, error))?;
            self.ended = read < missing;
        }
        Ok(())
    }
}

/// Bytes before a segment's first frame.
pub(super) const SEGMENT_HEADER_BYTES: usize = HEADER_BYTES as usize;

/// Read at once, when a frame is longer than what was read.
const MORE_BYTES: usize = 64 << 10;
