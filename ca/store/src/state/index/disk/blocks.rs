//! A file of blocks, each with a checksum: `blocks, footer`. A block is `bytes, CRC-32C`; the footer is
//! `where each block ends, what the writer adds, lengths, CRC-32C, magic`, little-endian. The number of the
//! file and that of the block are part of every checksum: a block of another file or place is damage.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::{IndexDirectory, Kind};
use crate::{Result, StoreError};

/// A file that is being written.
pub(in crate::state::index) struct BlockWriter {
    directory: Arc<IndexDirectory>,
    kind: Kind,
    number: u64,
    path: PathBuf,
    to: BufWriter<File>,
    ends: Vec<u32>,
    end: u32,
}

impl BlockWriter {
    pub(in crate::state::index) fn create(directory: &Arc<IndexDirectory>, kind: Kind) -> io::Result<Self> {
        let number = directory.number();
        let path = directory.file(kind, number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let to = BufWriter::with_capacity(WRITE_BYTES, file);
        Ok(Self { directory: Arc::clone(directory), kind, number, path, to, ends: Vec::new(), end: 0 })
    }

    /// Adds a block.
    pub(in crate::state::index) fn push(&mut self, block: &[u8]) -> io::Result<()> {
        let length = u32::try_from(block.len()).ok().and_then(|length| length.checked_add(4));
        let end = length.and_then(|length| self.end.checked_add(length));
        self.end = end.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "more than 4 GiB"))?;
        self.to.write_all(block)?;
        self.to.write_all(&checksum(self.number, self.ends.len(), block).to_le_bytes())?;
        self.ends.push(self.end);
        Ok(())
    }

    /// Adds the footer with what the reader must know, and makes the file durable but for its name.
    pub(in crate::state::index) fn finish(mut self, meta: &[u8]) -> io::Result<Blocks> {
        let mut footer = Vec::with_capacity(self.ends.len() * 4 + meta.len() + FOOTER_TAIL_BYTES);
        footer.extend(self.ends.iter().flat_map(|end| end.to_le_bytes()));
        footer.extend_from_slice(meta);
        footer.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
        footer.extend_from_slice(&(meta.len() as u32).to_le_bytes());
        let crc = checksum(self.number, self.ends.len(), &footer);
        footer.extend_from_slice(&crc.to_le_bytes());
        footer.extend_from_slice(MAGIC);
        self.to.write_all(&footer)?;
        let file = self.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let Self { directory, kind, number, path, mut ends, .. } = self;
        ends.shrink_to_fit();
        Ok(Blocks { directory, kind, number, path, file, ends, meta: meta.to_vec() })
    }
}

/// A file that is complete. It never changes.
#[derive(Debug)]
pub(in crate::state::index) struct Blocks {
    directory: Arc<IndexDirectory>,
    kind: Kind,
    number: u64,
    path: PathBuf,
    file: File,
    ends: Vec<u32>,
    meta: Vec<u8>,
}

impl Blocks {
    /// Opens a file and checks its footer; blocks are checked when they are read.
    pub(in crate::state::index) fn open(
        directory: &Arc<IndexDirectory>,
        kind: Kind,
        number: u64,
    ) -> Result<Self> {
        let path = directory.file(kind, number);
        let read = || -> io::Result<(File, Option<Footer>)> {
            let file = File::open(&path)?;
            let footer = footer(&file, number)?;
            Ok((file, footer))
        };
        match read() {
            Ok((file, Some((ends, meta)))) => {
                Ok(Self { directory: Arc::clone(directory), kind, number, path, file, ends, meta })
            }
            Ok((_, None)) => Err(directory.damage(&path, "its end is not as it was written")),
            Err(error) => Err(directory.damage(&path, &error.to_string())),
        }
    }

    /// Reads a block.
    pub(in crate::state::index) fn read(&self, block: usize) -> Result<Vec<u8>> {
        let end = self.ends.get(block).copied();
        let start = block.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let (Some(start), Some(end)) = (start, end) else {
            return Err(self.damage("a block is missing"));
        };
        let mut bytes = vec![0; end.saturating_sub(start) as usize];
        self.file
            .read_exact_at(&mut bytes, u64::from(start))
            .map_err(|error| self.damage(&error.to_string()))?;
        let content = bytes.len().saturating_sub(4);
        let crc = bytes.get(content..).and_then(|crc| crc.try_into().ok()).map(u32::from_le_bytes);
        if crc != Some(checksum(self.number, block, bytes.get(..content).unwrap_or_default())) {
            return Err(self.damage(&format!("block {block} is not as it was written")));
        }
        bytes.truncate(content);
        Ok(bytes)
    }

    /// How many blocks there are.
    pub(in crate::state::index) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What the writer added to the footer.
    pub(in crate::state::index) fn meta(&self) -> &[u8] {
        &self.meta
    }

    pub(in crate::state::index) fn id(&self) -> (Kind, u64) {
        (self.kind, self.number)
    }

    pub(in crate::state::index) fn damage(&self, what: &str) -> StoreError {
        self.directory.damage(&self.path, what)
    }
}

/// Where the blocks end, and what the writer added.
type Footer = (Vec<u32>, Vec<u8>);

/// `None`: the footer is not intact.
fn footer(file: &File, number: u64) -> io::Result<Option<Footer>> {
    let Some(tail_at) = file.metadata()?.len().checked_sub(FOOTER_TAIL_BYTES as u64) else { return Ok(None) };
    let mut tail = [0; FOOTER_TAIL_BYTES];
    file.read_exact_at(&mut tail, tail_at)?;
    let [b0, b1, b2, b3, m0, m1, m2, m3, c0, c1, c2, c3, magic @ ..] = tail;
    let blocks = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
    let meta = u32::from_le_bytes([m0, m1, m2, m3]) as usize;
    let length = blocks.saturating_mul(4).saturating_add(meta);
    let Some(start) = tail_at.checked_sub(length as u64).filter(|_| magic == *MAGIC) else {
        return Ok(None);
    };
    let mut content = vec![0; length];
    file.read_exact_at(&mut content, start)?;
    let lengths = [b0, b1, b2, b3, m0, m1, m2, m3];
    let crc = crc32c::crc32c_append(checksum(number, blocks, &content), &lengths);
    let Some((ends, meta)) = content.split_at_checked(blocks * 4) else { return Ok(None) };
    let ends: Vec<u32> = ends.as_chunks::<4>().0.iter().map(|end| u32::from_le_bytes(*end)).collect();
    let whole = ends.is_sorted() && u64::from(ends.last().copied().unwrap_or(0)) == start;
    let intact = whole && crc == u32::from_le_bytes([c0, c1, c2, c3]);
    Ok(intact.then(|| (ends, meta.to_vec())))
}

fn checksum(file: u64, block: usize, bytes: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&file.to_le_bytes()), &(block as u64).to_le_bytes());
    crc32c::crc32c_append(place, bytes)
}

const MAGIC: &[u8; 8] = b"TMINDEX1";

/// Two lengths, a checksum, the magic.
const FOOTER_TAIL_BYTES: usize = 4 + 4 + 4 + 8;

/// One write to a file that is being made.
const WRITE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_back_and_a_changed_byte_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let index = IndexDirectory::open(directory.path()).unwrap();
        let mut writer = BlockWriter::create(&index, Kind::Run).unwrap();
        for block in [&b"one"[..], b"", b"three"] {
            writer.push(block).unwrap();
        }
        let blocks = writer.finish(b"meta").unwrap();
        assert_eq!(blocks.read(2).unwrap(), b"three");
        let (kind, number) = blocks.id();
        let path = index.file(kind, number);
        let good = std::fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let opened = Blocks::open(&index, kind, number);
            let all = opened.and_then(|blocks| {
                assert_eq!((blocks.len(), blocks.meta()), (3, &b"meta"[..]));
                (0..3).map(|block| blocks.read(block)).collect::<Result<Vec<_>>>()
            });
            assert!(all.is_err(), "byte {position}");
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(Blocks::open(&index, kind, number).is_err());
        std::fs::write(&path, &good).unwrap();
        let again = Blocks::open(&index, kind, number).unwrap();
        let all: Vec<_> = (0..again.len()).map(|block| again.read(block).unwrap()).collect();
        assert_eq!(all, [&b"one"[..], b"", b"three"]);
    }
}
