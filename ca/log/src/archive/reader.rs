//! An archive that is open for reading.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ledger::EntryNumber;
use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;

use super::layout::{self, Block, FOOTER_BYTES, HEADER_BYTES, Header, Unreadable};
use super::segment::{SEGMENT_HEADER_BYTES, io_error};
use crate::LogError;
use crate::frame::{self, Frame};

/// An archive. Its index and dictionary are in memory: about 100 KiB for a segment of 64 MiB.
pub(super) struct Archive {
    path: PathBuf,
    file: File,
    header: Header,
    blocks: Vec<Block>,
    dictionary: DecoderDictionary<'static>,
}

impl Archive {
    pub(super) fn open(path: &Path, first: EntryNumber) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                LogError::ArchiveMissing { file: path.display().to_string(), entry: first }
            }
            _ => io_error("open", path, error),
        })?;
        let wrong = |why| match why {
            Unreadable::Damaged(what) => damaged(path, first, what),
            Unreadable::TooNew(version) => {
                let why = format!("it was written by a later version ({version})");
                io_error("read", path, io::Error::new(io::ErrorKind::Unsupported, why))
            }
        };
        let read = |bytes: &mut [u8], offset| read_exactly(&file, path, first, bytes, offset);
        let file_bytes = file.metadata().map_err(|error| io_error("look at", path, error))?.len();
        let mut header = [0; HEADER_BYTES];
        read(&mut header, 0)?;
        let header = Header::read(&header).map_err(wrong)?;
        let footer_offset = file_bytes.saturating_sub(FOOTER_BYTES as u64);
        let mut footer = [0; FOOTER_BYTES];
        read(&mut footer, footer_offset)?;
        let (index_bytes, crc) = layout::index_of(&footer, file_bytes).map_err(wrong)?;
        let index_offset = footer_offset.saturating_sub(index_bytes as u64);
        let mut index = vec![0; index_bytes];
        read(&mut index, index_offset)?;
        if crc32c::crc32c(&index) != crc {
            return Err(damaged(path, first, "an index that is not intact"));
        }
        let blocks = layout::index(header, index_offset, &index).map_err(wrong)?;
        let mut dictionary = vec![0; header.dictionary_bytes as usize];
        read(&mut dictionary, HEADER_BYTES as u64)?;
        if crc32c::crc32c(&dictionary) != header.dictionary_crc || header.first != first {
            return Err(damaged(path, first, "a dictionary or a number that does not belong to it"));
        }
        let dictionary = DecoderDictionary::try_copy(&dictionary)
            .map_err(|error| io_error("read the dictionary of", path, error))?;
        Ok(Self { path: path.to_owned(), file, header, blocks, dictionary })
    }

    /// The number of entries.
    pub(super) fn entries(&self) -> u64 {
        self.header.entries
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The block that has the entry; `None`: the archive does not.
    pub(super) fn block_of(&self, entry: EntryNumber) -> Option<usize> {
        if entry < self.header.first || entry.0 >= self.header.next() {
            return None;
        }
        self.blocks.partition_point(|block| block.first <= entry).checked_sub(1)
    }

    /// A block as it was in the segment.
    pub(super) fn block(&self, position: usize) -> Result<Bytes, LogError> {
        let Some(block) = self.blocks.get(position) else {
            return Err(damaged(&self.path, self.header.first, "a block that is not in the index"));
        };
        let mut compressed = vec![0; block.compressed_bytes as usize];
        read_exactly(&self.file, &self.path, block.first, &mut compressed, block.offset)?;
        if crc32c::crc32c(&compressed) != block.crc {
            return Err(self.damaged(block, "a block that is not intact"));
        }
        let decompressed = Decompressor::with_prepared_dictionary(&self.dictionary)
            .and_then(|mut decompressor| decompressor.decompress(&compressed, block.bytes as usize));
        match decompressed {
            Ok(bytes) if bytes.len() == block.bytes as usize => Ok(bytes.into()),
            Ok(_) | Err(_) => Err(self.damaged(block, "a block that cannot be decompressed")),
        }
    }

    /// Shows the frames in a decompressed block, each checked, up to this entry.
    pub(super) fn walk<'a>(
        &self,
        position: usize,
        bytes: &'a Bytes,
        end: u64,
        mut each: impl FnMut(&Frame<'a>),
    ) -> Result<(), LogError> {
        let Some(block) = self.blocks.get(position) else { return Ok(()) };
        let mut offset = if position == 0 { SEGMENT_HEADER_BYTES } else { 0 };
        let mut number = block.first;
        while offset < bytes.len() && number.0 < end {
            let frame = bytes.get(offset..).and_then(frame::read).filter(|frame| frame.number == number);
            let frame = frame.ok_or_else(|| self.damaged(block, "no intact entry in a block"))?;
            each(&frame);
            offset += frame.length;
            number.0 += 1;
        }
        Ok(())
    }

    /// The error for an entry that must be there.
    pub(super) fn lacks(&self, entry: EntryNumber, what: &'static str) -> LogError {
        damaged(&self.path, entry, what)
    }

    fn damaged(&self, block: &Block, what: &'static str) -> LogError {
        let place = format!("{}, offset {}", self.path.display(), block.offset);
        LogError::Damaged { place, entry: block.first, what }
    }
}

fn read_exactly(
    file: &File,
    path: &Path,
    entry: EntryNumber,
    bytes: &mut [u8],
    offset: u64,
) -> Result<(), LogError> {
    file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, entry, "the file ends"),
        _ => io_error("read", path, error),
    })
}

fn damaged(path: &Path, entry: EntryNumber, what: &'static str) -> LogError {
    LogError::Damaged { place: path.display().to_string(), entry, what }
}
