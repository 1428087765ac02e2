//! One ledger file: a header that names its first entry, then frames.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::RwLock;

use crate::{LogError, frame};

/// A segment that is open; frames below its end never change.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) path: PathBuf,
    file: File,
    /// Where each entry starts, and then where the last one ends.
    offsets: RwLock<Vec<u32>>,
}

impl Segment {
    /// Makes the file, durable but for its directory entry. With `preallocate`, that many zeros are written,
    /// so that commits neither move the end of the file nor allocate blocks. After an error the caller
    /// removes the file.
    pub(super) fn create(directory: &Path, first: u64, preallocate: Option<u64>) -> io::Result<Self> {
        let path = directory.join(file_name(first));
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = made?;
        file.write_all_at(&header(first), 0)?;
        let zeros = vec![0; ZEROS_BYTES];
        let mut offset = HEADER_BYTES as u64;
        while offset < preallocate.unwrap_or(0) {
            file.write_all_at(&zeros, offset)?;
            offset += ZEROS_BYTES as u64;
        }
        file.sync_all()?;
        Ok(Self { first, path, file, offsets: RwLock::new(vec![HEADER_BYTES]) })
    }

    /// A file whose frames start at these offsets.
    pub(super) fn opened(first: u64, path: PathBuf, file: File, offsets: Vec<u32>) -> Self {
        Self { first, path, file, offsets: RwLock::new(offsets) }
    }

    /// Writes a batch at the end. Not yet durable, and not yet readable: [`Segment::extend`] says when it is.
    pub(super) fn write(&self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all_at(batch, u64::from(self.end()))
    }

    /// Makes what was written durable, and checks that the file still has its name: an open file takes writes
    /// after it was deleted, moved or hidden by a mount, and all of them are lost.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        let (open, named) = (self.file.metadata()?, std::fs::metadata(&self.path)?);
        if (open.dev(), open.ino()) == (named.dev(), named.ino()) {
            Ok(())
        } else {
            Err(io::Error::other("another file has its name"))
        }
    }

    /// Makes the frames of these lengths, which are durable now, readable.
    pub(super) fn extend(&self, lengths: &[u32]) {
        let mut offsets = self.offsets.write();
        let mut end = offsets.last().copied().unwrap_or(HEADER_BYTES);
        for length in lengths {
            end = end.saturating_add(*length);
            offsets.push(end);
        }
    }

    /// Throws away all behind the end, durably.
    pub(super) fn cut(&self) -> io::Result<()> {
        self.file.set_len(u64::from(self.end()))?;
        self.file.sync_all()
    }

    /// The encoded entries from `first` on, at most `count`, as many as are read in one piece.
    pub(super) fn read(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        let Some((start, end)) = self.run(first, count) else { return Ok(Vec::new()) };
        let bytes = Bytes::from(self.read_bytes(first, start, end)?);
        let (mut offset, mut number, mut payloads) = (0, first, Vec::new());
        while offset < bytes.len() {
            let frame = bytes.get(offset..).and_then(frame::read).filter(|frame| frame.number == number);
            let at = start.saturating_add(offset as u32);
            let frame = frame.ok_or_else(|| damaged(&self.path, at.into(), number, "no intact entry"))?;
            payloads.push(bytes.slice_ref(frame.payload));
            offset += frame.length;
            number.0 += 1;
        }
        Ok(payloads)
    }

    /// The offsets of a run of entries: at least one, at most `count`, not longer than [`RUN_BYTES_MAX`].
    fn run(&self, first: EntryNumber, count: u64) -> Option<(u32, u32)> {
        let position = usize::try_from(first.0.checked_sub(self.first)?).ok()?;
        let offsets = self.offsets.read();
        let (start, rest) = offsets.get(position..)?.split_first()?;
        let longest = start.saturating_add(RUN_BYTES_MAX);
        let fitting = rest.partition_point(|end| *end <= longest).max(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(fitting).min(rest.len());
        Some((*start, *rest.get(count.checked_sub(1)?)?))
    }

    fn read_bytes(&self, number: EntryNumber, start: u32, end: u32) -> Result<Vec<u8>, LogError> {
        let mut bytes = vec![0; end.saturating_sub(start) as usize];
        self.file.read_exact_at(&mut bytes, u64::from(start)).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(&self.path, start.into(), number, "the file ends"),
            _ => io_error("read", &self.path, error),
        })?;
        Ok(bytes)
    }

    /// Where the next frame goes, bytes.
    pub(super) fn end(&self) -> u32 {
        let offsets = self.offsets.read();
        offsets.last().copied().unwrap_or(HEADER_BYTES)
    }

    /// The offset of the entry, bytes; `None`: the segment has no such entry.
    pub(super) fn offset_of(&self, number: EntryNumber) -> Option<u32> {
        self.run(number, 1).map(|(start, _)| start)
    }
}

/// A segment's name: its first entry, so that names sort as entries do.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.ledger")
}

/// The first entry of a segment, by its name; `None`: not a segment.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let first = name.strip_suffix(".ledger")?.parse().ok()?;
    (file_name(first) == name).then_some(first)
}

/// `magic, format version, first entry, CRC-32C`.
pub(super) fn header(first: u64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..20]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The format of a segment with a sound header of another version than ours.
pub(super) fn foreign_version(bytes: &[u8]) -> Option<u32> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let version = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    (magic == MAGIC && version > FORMAT_VERSION).then_some(version)
}

/// The error for an entry that must be at this offset of a file.
pub(super) fn damaged(path: &Path, offset: u64, entry: EntryNumber, what: &'static str) -> LogError {
    LogError::Damaged { place: format!("{}, offset {offset}", path.display()), entry, what }
}

pub(super) fn io_error(what: &'static str, path: &Path, source: io::Error) -> LogError {
    LogError::Io { what, place: path.display().to_string(), source: Arc::new(source) }
}

const MAGIC: &[u8; 8] = b"TMLEDGER";

const FORMAT_VERSION: u32 = 1;

/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u32 = 24;

/// Bytes that are read in one piece: large enough for sequential speed, small in memory.
const RUN_BYTES_MAX: u32 = 256 * 1024;

/// One write of zeros when a segment is made ahead.
const ZEROS_BYTES: usize = 1 << 20;
