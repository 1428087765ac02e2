//! Reading a segment frame by frame, with every check.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ledger::EntryNumber;

use super::frames::{Frames, read_exactly};
use super::offsets::Offsets;
use super::segment::{self, Form, HEADER_BYTES, damaged, io_error};
use crate::frame::{self, Frame};
use crate::tree::{self, Frontier};
use crate::{LogError, OpenError};

/// A segment that was read. Of a batch that is not complete nothing counts.
pub(super) struct Scan {
    first: u64,
    path: PathBuf,
    pub(super) file: File,
    pub(super) form: Form,
    /// Its entries.
    pub(super) offsets: Offsets,
    /// The tree of all entries up to its end.
    pub(super) tree: Frontier,
    /// Bytes behind the last entry, unless all of them are zeros: a batch that was never acknowledged.
    pub(super) tail_bytes: u64,
    /// Where such a batch is not intact.
    pub(super) broken: Option<Stop>,
    /// Its header never became durable.
    pub(super) unborn: bool,
}

/// Where there is no intact frame.
pub(super) struct Stop {
    pub(super) offset: u64,
    pub(super) entry: u64,
    file_length: u64,
}

impl Scan {
    /// Reads a segment that others follow: all of it must be intact. It begins behind this tree; `each` is
    /// shown the tree behind each entry.
    pub(super) fn sealed(
        path: &Path,
        first: u64,
        before: Frontier,
        each: &mut dyn FnMut(&Frontier),
    ) -> Result<Self, OpenError> {
        let mut scan = Self::of(path, first, before, false)?;
        let stop = scan.walk(each)?;
        match u64::from(scan.offsets.end) == stop.file_length {
            true => Ok(scan),
            false => Err(scan.broken(&stop).into()),
        }
    }

    /// Reads the last segment, which may end with a batch that was never acknowledged. One whose header never
    /// became durable is told from damage if it may be such a one: if there are others before it.
    pub(super) fn last(
        path: &Path,
        first: u64,
        before: Frontier,
        may_be_unborn: bool,
        each: &mut dyn FnMut(&Frontier),
    ) -> Result<Self, OpenError> {
        let mut scan = Self::of(path, first, before, may_be_unborn)?;
        if !scan.unborn {
            let stop = scan.walk(each)?;
            scan.look_at_tail(stop)?;
        }
        Ok(scan)
    }

    fn of(path: &Path, first: u64, tree: Frontier, may_be_unborn: bool) -> Result<Self, OpenError> {
        let read_error = |error| io_error("read", path, error);
        let file = File::open(path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let header = read_exactly(&file, 0, HEADER_BYTES as usize).map_err(read_error)?;
        if let Some(version) = segment::foreign_version(&header) {
            return Err(OpenError::TooNew { file: path.to_owned(), version });
        }
        let form = segment::form_of(&header, first);
        // Frames are written only behind a durable header: without one, frames say that the header was
        // damaged later.
        let has_frames =
            || -> io::Result<bool> { Ok(frame::search(&Frames::of(&file, 0)?.rest()?).next().is_some()) };
        let unborn = form.is_none() && may_be_unborn && !has_frames().map_err(read_error)?;
        if form.is_none() && !unborn {
            return Err(damaged(path, 0, EntryNumber(first), "a segment header that is not intact").into());
        }
        let (form, offsets) = (form.unwrap_or(Form::Rooted), Offsets::new());
        let tail_bytes = if unborn { length } else { 0 };
        let path = path.to_owned();
        Ok(Self { first, path, file, form, offsets, tree, tail_bytes, broken: None, unborn })
    }

    /// Goes from frame to frame as far as they are intact.
    fn walk(&mut self, each: &mut dyn FnMut(&Frontier)) -> Result<Stop, LogError> {
        let frames = Frames::of(&self.file, u64::from(HEADER_BYTES));
        let mut frames = frames.map_err(|error| io_error("read", &self.path, error))?;
        let (mut tree, mut lengths) = (self.tree.clone(), Vec::new());
        loop {
            let (offset, batch) = (frames.offset(), self.next());
            let (entry, file_length) = (batch + lengths.len() as u64, frames.length());
            let frame = frames.peek().map_err(|error| io_error("read", &self.path, error))?;
            let Some(frame) = frame.filter(|frame| frame.number.0 == entry && self.follows(frame, batch))
            else {
                return Ok(Stop { offset, entry, file_length });
            };
            tree.push(tree::leaf(frame.payload));
            each(&tree);
            if frame.root.is_some_and(|root| root != tree.root()) {
                return Err(damaged(&self.path, offset, EntryNumber(entry), ROOT_DIFFERS));
            }
            lengths.push(frame.length);
            if frame.root.is_some() || self.form == Form::Plain {
                for length in lengths.drain(..) {
                    let pushed = u32::try_from(length).ok().and_then(|length| self.offsets.push(length));
                    pushed
                        .ok_or_else(|| damaged(&self.path, offset, EntryNumber(entry), "more than 4 GiB"))?;
                }
                self.tree.clone_from(&tree);
            }
            let length = frame.length;
            frames.step(length);
        }
    }

    /// Whether a frame is of the batch that begins with this entry.
    fn follows(&self, frame: &Frame<'_>, batch: u64) -> bool {
        match self.form {
            Form::Plain => frame.root.is_none(),
            Form::Rooted => frame.batch.0 == batch,
        }
    }

    /// Tells a torn tail from damage: one batch is written at a time. A frame of a batch that began later
    /// proves that what is broken here was acknowledged.
    fn look_at_tail(&mut self, stop: Stop) -> Result<(), LogError> {
        let read = || -> io::Result<Option<Vec<u8>>> {
            let frames = Frames::of(&self.file, u64::from(self.offsets.end))?;
            if frames.only_zeros_follow()? { Ok(None) } else { frames.rest().map(Some) }
        };
        let tail = read().map_err(|error| io_error("read", &self.path, error))?;
        let Some(tail) = tail else { return Ok(()) };
        if frame::search(&tail).any(|frame| frame.batch.0 > self.next()) {
            return Err(self.broken(&stop));
        }
        self.tail_bytes = tail.len() as u64;
        self.broken = Some(stop);
        Ok(())
    }

    /// The number of the entry behind the last complete batch.
    fn next(&self) -> u64 {
        self.first + u64::from(self.offsets.count)
    }

    fn broken(&self, stop: &Stop) -> LogError {
        let what = "no intact entry, and there are later ones";
        damaged(&self.path, stop.offset, EntryNumber(stop.entry), what)
    }
}

/// What is said of a batch whose entries are intact, one by one, and are not those that it was written behind
/// and with.
pub(crate) const ROOT_DIFFERS: &str = "the entries up to this one are not those that were recorded";
