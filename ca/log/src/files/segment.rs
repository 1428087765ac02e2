//! One ledger file: a header that names its first entry, then frames.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ::files::OWNER_ONLY;
use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::RwLock;

use super::frames::{self, Frames};
use super::offsets::{Offsets, Span};
use super::open_files::OpenFiles;
use crate::LogError;
use crate::frame::{self, Frame};
use crate::tree::Hash;

/// A segment; frames below its end never change.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) path: PathBuf,
    /// Whether batches are added: it is not sealed, and of today's form.
    pub(super) grows: bool,
    /// The root of the tree behind its last entry, once it is sealed.
    pub(super) root_behind: OnceLock<Hash>,
    /// The last segment's file is open. Of the others, those are that were read a moment ago.
    file: RwLock<Option<Arc<File>>>,
    offsets: RwLock<Offsets>,
}

impl Segment {
    /// Makes the file, durable but for its directory entry. With `preallocate`, that many zeros are written,
    /// so that commits neither move the end of the file nor allocate blocks. After an error the caller
    /// removes the file.
    pub(super) fn create(directory: &Path, first: u64, preallocate: Option<u64>) -> io::Result<Self> {
        let path = directory.join(file_name(first));
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = made?;
        file.write_all_at(&header(first, Form::Rooted), 0)?;
        let zeros = vec![0; ZEROS_BYTES];
        let mut offset = HEADER_BYTES as u64;
        while offset < preallocate.unwrap_or(0) {
            file.write_all_at(&zeros, offset)?;
            offset += ZEROS_BYTES as u64;
        }
        file.sync_all()?;
        Ok(Self::of(first, path, true, Some(file), Offsets::new()))
    }

    /// Makes a file without entries one of today's form. The old file is there until the new one is.
    pub(super) fn reform(directory: &Path, first: u64) -> io::Result<Self> {
        let path = directory.join(file_name(first));
        ::files::replace(&path, OWNER_ONLY, &header(first, Form::Rooted))?;
        let segment = Self::of(first, path, true, None, Offsets::new());
        segment.open_for_writes().map(|()| segment)
    }

    /// A file whose entries lie at these offsets.
    pub(super) fn of(first: u64, path: PathBuf, grows: bool, file: Option<File>, offsets: Offsets) -> Self {
        let (file, offsets) = (RwLock::new(file.map(Arc::new)), RwLock::new(offsets));
        Self { first, path, grows, root_behind: OnceLock::new(), file, offsets }
    }

    /// Has the file open from now on, for writes.
    pub(super) fn open_for_writes(&self) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        *self.file.write() = Some(Arc::new(file));
        Ok(())
    }

    /// Closes the file, until something is read.
    pub(super) fn close_file(&self) {
        *self.file.write() = None;
    }

    /// Writes a batch at the end. Not yet durable, and not yet readable: [`Segment::extend`] says when it is.
    pub(super) fn write(&self, frames: &[u8], last: &[u8]) -> io::Result<()> {
        let (file, end) = (self.open_file()?, u64::from(self.end()));
        file.write_all_at(frames, end)?;
        file.write_all_at(last, end + frames.len() as u64)
    }

    /// Makes what was written durable, and checks that the file still has its name: an open file takes writes
    /// after it was deleted, moved or hidden by a mount, and all of them are lost.
    pub(super) fn sync(&self) -> io::Result<()> {
        let file = self.open_file()?;
        file.sync_data()?;
        let (open, named) = (file.metadata()?, std::fs::metadata(&self.path)?);
        if (open.dev(), open.ino()) == (named.dev(), named.ino()) {
            Ok(())
        } else {
            Err(io::Error::other("another file has its name"))
        }
    }

    /// Makes the frames of these lengths, the last one longer by `more`, which are durable now, readable.
    pub(super) fn extend(&self, lengths: &[u32], more: u32) {
        let mut offsets = self.offsets.write();
        let Some((last, lengths)) = lengths.split_last() else { return };
        for length in lengths.iter().copied().chain([last.saturating_add(more)]) {
            // A segment has at most 1 GiB before a batch is added, and a batch is short.
            offsets.push(length).unwrap_or_default();
        }
    }

    /// Throws away all behind the end, durably.
    pub(super) fn cut(&self) -> io::Result<()> {
        let file = self.open_file()?;
        file.set_len(u64::from(self.end()))?;
        file.sync_all()
    }

    /// The encoded entries from `first` on, at most `count`, as many as are read in one piece.
    pub(super) fn read(
        self: &Arc<Self>,
        first: EntryNumber,
        count: u64,
        open_files: &OpenFiles,
    ) -> Result<Vec<Bytes>, LogError> {
        let Some(span) = self.span(first, count) else { return Ok(Vec::new()) };
        let file = self.file(open_files)?;
        let skipped = first.0 - self.first - u64::from(span.position);
        let read = |bytes: u64| {
            let bytes =
                frames::read_exactly(&file, span.start.into(), bytes.min(RUN_BYTES_MAX.into()) as usize);
            bytes.map_err(|error| io_error("read", &self.path, error))
        };
        let length = u64::from(span.end.saturating_sub(span.start));
        let run = if count == 1 {
            // A guess by the mean length of the piece's entries.
            let likely = length * (skipped + 1) / u64::from(span.entries).max(1) + GUESS_MARGIN_BYTES;
            let bytes = read(length.min(likely))?;
            // What is kept of a piece must not keep all of it in memory.
            let mut found = intact(&bytes, skipped, first);
            found.next().map(Bytes::copy_from_slice).into_iter().collect()
        } else {
            let bytes = Bytes::from(read(length)?);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let found = intact(&bytes, skipped, first).take(count);
            found.map(|payload| bytes.slice_ref(payload)).collect::<Vec<_>>()
        };
        if run.is_empty() { self.read_carefully(&file, span, first).map(|one| vec![one]) } else { Ok(run) }
    }

    /// The root of the tree behind the entry; `None`: no batch ended with it, or one of a former version.
    pub(super) fn root(
        self: &Arc<Self>,
        entry: EntryNumber,
        open_files: &OpenFiles,
    ) -> Result<Option<Hash>, LogError> {
        if entry.0 + 1 == self.next()
            && let Some(root) = self.root_behind.get()
        {
            return Ok(Some(*root));
        }
        let Some(span) = self.span(entry, 1) else { return Ok(None) };
        self.walk(&*self.file(open_files)?, span, entry, |frame| frame.root)
    }

    /// Reads one entry of a piece that may be long.
    fn read_carefully(&self, file: &File, span: Span, wanted: EntryNumber) -> Result<Bytes, LogError> {
        self.walk(file, span, wanted, |frame| Bytes::copy_from_slice(frame.payload))
    }

    /// Takes something from the frame of an entry, and checks all frames before it in its piece: one that is
    /// damaged leads nowhere, and is named.
    fn walk<T>(
        &self,
        file: &File,
        span: Span,
        wanted: EntryNumber,
        take: impl FnOnce(&Frame<'_>) -> T,
    ) -> Result<T, LogError> {
        let (mut offset, mut number) = (u64::from(span.start), self.first + u64::from(span.position));
        let unreadable = |error| io_error("read", &self.path, error);
        let mut frames = Frames::of(file, offset).map_err(unreadable)?;
        loop {
            let frame = frames.peek().map_err(unreadable)?.filter(|frame| frame.number.0 == number);
            let Some(frame) = frame else {
                return Err(damaged(&self.path, offset, EntryNumber(number), "no intact entry"));
            };
            if number == wanted.0 {
                return Ok(take(&frame));
            }
            let length = frame.length;
            frames.step(length);
            (offset, number) = (offset + length as u64, number + 1);
        }
    }

    fn span(&self, first: EntryNumber, count: u64) -> Option<Span> {
        let position = u32::try_from(first.0.checked_sub(self.first)?).ok()?;
        self.offsets.read().span(position, count, RUN_BYTES_MAX)
    }

    /// The file, which is opened if it is not open.
    fn file(self: &Arc<Self>, open_files: &OpenFiles) -> Result<Arc<File>, LogError> {
        if let Some(file) = &*self.file.read() {
            return Ok(Arc::clone(file));
        }
        let file = {
            let mut slot = self.file.write();
            if let Some(file) = &*slot {
                return Ok(Arc::clone(file));
            }
            let opened = File::open(&self.path).map_err(|error| io_error("open", &self.path, error))?;
            Arc::clone(slot.insert(Arc::new(opened)))
        };
        open_files.opened(self);
        Ok(file)
    }

    /// The file of the last segment.
    fn open_file(&self) -> io::Result<Arc<File>> {
        self.file.read().clone().ok_or_else(|| io::Error::other("it is sealed"))
    }

    /// Where the next frame goes, bytes.
    pub(super) fn end(&self) -> u32 {
        self.offsets.read().end
    }

    /// The number of the entry behind its last one.
    pub(super) fn next(&self) -> u64 {
        self.first + u64::from(self.offsets.read().count)
    }

    /// Where its entries lie now.
    pub(super) fn offsets(&self) -> Offsets {
        self.offsets.read().clone()
    }

    /// The offset of the entry, bytes, or of the one before it that cannot be stepped over; `None`: the
    /// segment has no such entry, or cannot be read.
    pub(super) fn offset_of(self: &Arc<Self>, number: EntryNumber, open_files: &OpenFiles) -> Option<u64> {
        let span = self.span(number, 1)?;
        let file = self.file(open_files).ok()?;
        let mut frames = Frames::of(&file, u64::from(span.start)).ok()?;
        for _ in self.first + u64::from(span.position)..number.0 {
            let Some(length) = frames.peek().ok()?.map(|frame| frame.length) else { break };
            frames.step(length);
        }
        Some(frames.offset())
    }
}

/// The payloads of entry `first`, before which so many frames are skipped, and of those that follow it, as
/// far as they are there and intact. Only steps from a known offset lead to a frame: a search could find one
/// that a stranger has put into an entry.
fn intact(bytes: &[u8], skipped: u64, first: EntryNumber) -> impl Iterator<Item = &[u8]> {
    let (mut offset, mut number) = (0_usize, first.0);
    for _ in 0..skipped {
        let step = bytes.get(offset..).and_then(frame::length).unwrap_or(bytes.len());
        offset = offset.saturating_add(step);
    }
    std::iter::from_fn(move || {
        let frame = bytes.get(offset..).and_then(frame::read).filter(|frame| frame.number.0 == number)?;
        offset += frame.length;
        number += 1;
        Some(frame.payload)
    })
}

/// A segment's name: its first entry, so that names sort as entries do.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.ledger")
}

/// The first entry of a segment, by its name; `None`: not a segment.
pub(crate) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let first = name.strip_suffix(".ledger")?.parse().ok()?;
    (file_name(first) == name).then_some(first)
}

/// What the frames of a segment are like: the format version in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any frame may be the last of a batch.
    Plain = 1,
    /// The last frame of a batch has the root of the tree.
    Rooted = 2,
}

/// `magic, format version, first entry, CRC-32C`.
pub(super) fn header(first: u64, form: Form) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&(form as u32).to_le_bytes());
    bytes[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..20]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The form of a segment whose header is this one; `None`: the header is not intact.
pub(super) fn form_of(bytes: &[u8], first: u64) -> Option<Form> {
    [Form::Plain, Form::Rooted].into_iter().find(|form| bytes == header(first, *form))
}

/// The format of a segment with a sound header of a later version than ours.
pub(super) fn foreign_version(bytes: &[u8]) -> Option<u32> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let version = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    (magic == MAGIC && version > Form::Rooted as u32).then_some(version)
}

/// The error for an entry that must be at this offset of a file.
pub(super) fn damaged(path: &Path, offset: u64, entry: EntryNumber, what: &'static str) -> LogError {
    LogError::Damaged { place: format!("{}, offset {offset}", path.display()), entry, what }
}

pub(crate) fn io_error(what: &'static str, path: &Path, source: io::Error) -> LogError {
    LogError::Io { what, place: path.display().to_string(), source: Arc::new(source) }
}

const MAGIC: &[u8; 8] = b"TMLEDGER";

/// Bytes before the first frame.
pub(crate) const HEADER_BYTES: u32 = 24;

/// Bytes that are read in one piece: large enough for sequential speed, small in memory.
const RUN_BYTES_MAX: u32 = 256 * 1024;

/// What is read beyond the guess for a single entry: lengths differ.
const GUESS_MARGIN_BYTES: u64 = 1024;

/// One write of zeros when a segment is made ahead.
const ZEROS_BYTES: usize = 1 << 20;
