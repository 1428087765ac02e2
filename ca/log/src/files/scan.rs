//! Reading a segment frame by frame, with every check.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use ledger::EntryNumber;

use super::frames::{Frames, read_exactly};
use super::offsets::Offsets;
use super::segment::{self, HEADER_BYTES, damaged, io_error};
use crate::{LogError, OpenError, frame};

/// A segment that was read.
pub(super) struct Scan {
    first: u64,
    path: PathBuf,
    pub(super) file: File,
    /// Its intact entries.
    pub(super) offsets: Offsets,
    /// Bytes behind the last intact entry, unless all of them are zeros: a batch that was never acknowledged.
    pub(super) tail_bytes: u64,
    /// Its header never became durable.
    pub(super) unborn: bool,
}

impl Scan {
    /// Reads a segment that others follow: all of it must be intact.
    pub(super) fn sealed(path: &Path, first: u64) -> Result<Self, OpenError> {
        let mut scan = Self::of(path, first, false)?;
        let length = scan.walk()?;
        match u64::from(scan.offsets.end) == length {
            true => Ok(scan),
            false => Err(scan.damaged("no intact entry, and there are later ones").into()),
        }
    }

    /// Reads the last segment, which may end with a batch that was never acknowledged. One whose header never
    /// became durable is told from damage if it may be such a one: if there are others before it.
    pub(super) fn last(path: &Path, first: u64, may_be_unborn: bool) -> Result<Self, OpenError> {
        let mut scan = Self::of(path, first, may_be_unborn)?;
        if !scan.unborn {
            scan.walk()?;
            scan.look_at_tail()?;
        }
        Ok(scan)
    }

    fn of(path: &Path, first: u64, may_be_unborn: bool) -> Result<Self, OpenError> {
        let read_error = |error| io_error("read", path, error);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let header = read_exactly(&file, 0, HEADER_BYTES as usize).map_err(read_error)?;
        if let Some(version) = segment::foreign_version(&header) {
            return Err(OpenError::TooNew { file: path.to_owned(), version });
        }
        let sound = header == segment::header(first);
        // Frames are written only behind a durable header: without one, frames say that the header was
        // damaged later.
        let has_frames =
            || -> io::Result<bool> { Ok(frame::search(&Frames::of(&file, 0)?.rest()?).next().is_some()) };
        let unborn = !sound && may_be_unborn && !has_frames().map_err(read_error)?;
        if !sound && !unborn {
            return Err(damaged(path, 0, EntryNumber(first), "a segment header that is not intact").into());
        }
        let (offsets, tail_bytes) = (Offsets::new(), if unborn { length } else { 0 });
        Ok(Self { first, path: path.to_owned(), file, offsets, tail_bytes, unborn })
    }

    /// Goes from frame to frame as far as they are intact; returns the length of the file.
    fn walk(&mut self) -> Result<u64, LogError> {
        let frames = Frames::of(&self.file, u64::from(HEADER_BYTES));
        let mut frames = frames.map_err(|error| self.unreadable(error))?;
        loop {
            let next = self.next();
            let frame = frames.peek().map_err(|error| self.unreadable(error))?;
            let Some(frame) = frame.filter(|frame| frame.number.0 == next) else {
                return Ok(frames.length());
            };
            let length = frame.length;
            let pushed = u32::try_from(length).ok().and_then(|length| self.offsets.push(length));
            pushed.ok_or_else(|| self.damaged("more than 4 GiB"))?;
            frames.step(length);
        }
    }

    /// Tells a torn tail from damage: one batch is written at a time. A frame of a batch that began later
    /// proves that what is broken here was acknowledged.
    fn look_at_tail(&mut self) -> Result<(), LogError> {
        let read = || -> io::Result<Option<Vec<u8>>> {
            let frames = Frames::of(&self.file, u64::from(self.offsets.end))?;
            if frames.only_zeros_follow()? { Ok(None) } else { frames.rest().map(Some) }
        };
        let Some(tail) = read().map_err(|error| self.unreadable(error))? else { return Ok(()) };
        let next = self.next();
        if frame::search(&tail).any(|frame| frame.batch.0 > next) {
            return Err(self.damaged("no intact entry, and there are later ones"));
        }
        self.tail_bytes = tail.len() as u64;
        Ok(())
    }

    /// The number of the entry behind the last intact one.
    fn next(&self) -> u64 {
        self.first + u64::from(self.offsets.count)
    }

    fn damaged(&self, what: &'static str) -> LogError {
        damaged(&self.path, u64::from(self.offsets.end), EntryNumber(self.next()), what)
    }

    fn unreadable(&self, error: io::Error) -> LogError {
        io_error("read", &self.path, error)
    }
}
