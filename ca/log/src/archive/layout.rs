//! The bytes of an archive file: `header, dictionary, blocks, index, footer`, little-endian.
//!
//! A block is a run of whole frames of the segment, compressed by itself; the first one also has the
//! segment's header. The blocks, one after the other, are the segment.

use ledger::EntryNumber;

/// What stands at the start of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first: EntryNumber,
    /// Number of entries, at least 1.
    pub(super) entries: u64,
    /// The length of the segment.
    pub(super) segment_bytes: u64,
    /// 0: there is no dictionary.
    pub(super) dictionary_bytes: u32,
    pub(super) dictionary_crc: u32,
}

/// Where a block lies, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// Its first entry.
    pub(super) first: EntryNumber,
    /// Where it starts in the segment.
    pub(super) segment_offset: u64,
    /// Where it starts in the archive.
    pub(super) offset: u64,
    /// Its length in the archive.
    pub(super) compressed_bytes: u32,
    /// Its length in the segment.
    pub(super) bytes: u32,
    /// CRC-32C of the compressed bytes.
    pub(super) crc: u32,
}

/// Why bytes are not what an archive has in this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged(&'static str),
    /// Written by a later version.
    TooNew(u32),
}

impl Header {
    pub(super) fn bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.entries.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.segment_bytes.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.dictionary_bytes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.dictionary_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Unreadable> {
        let mut fields = Fields(bytes);
        if fields.take() != Some(*MAGIC) {
            return Err(Unreadable::Damaged("no archive"));
        }
        // What follows a later version's number may mean anything.
        match fields.u32() {
            Some(version) if version > FORMAT_VERSION => return Err(Unreadable::TooNew(version)),
            _ => {}
        }
        let header = || {
            Some(Self {
                first: EntryNumber(fields.u64()?),
                entries: fields.u64()?,
                segment_bytes: fields.u64()?,
                dictionary_bytes: fields.u32()?,
                dictionary_crc: fields.u32()?,
            })
        };
        let read = { header }();
        read.filter(|header| header.bytes() == *bytes && header.entries > 0)
            .filter(|header| header.dictionary_bytes <= DICTIONARY_BYTES_MAX)
            .ok_or(Unreadable::Damaged("an archive's header that is not intact"))
    }

    /// Where the first block starts.
    pub(super) fn blocks_offset(self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.dictionary_bytes)
    }

    /// The number behind the last entry.
    pub(super) fn next(self) -> u64 {
        self.first.0.saturating_add(self.entries)
    }
}

/// The index and what stands at the end of an archive.
pub(super) fn end(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * INDEX_ROW_BYTES + FOOTER_BYTES);
    for block in blocks {
        bytes.extend_from_slice(&block.first.0.to_le_bytes());
        bytes.extend_from_slice(&block.segment_offset.to_le_bytes());
        bytes.extend_from_slice(&block.offset.to_le_bytes());
        bytes.extend_from_slice(&block.compressed_bytes.to_le_bytes());
        bytes.extend_from_slice(&block.bytes.to_le_bytes());
        bytes.extend_from_slice(&block.crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&(blocks.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(END_MAGIC);
    bytes
}

/// The length of the index that belongs to this footer, and its CRC-32C.
pub(super) fn index_of(footer: &[u8; FOOTER_BYTES], file_bytes: u64) -> Result<(usize, u32), Unreadable> {
    let mut fields = Fields(footer);
    let (blocks, crc, magic) = (fields.u64(), fields.u32(), fields.take());
    let bytes = blocks.and_then(|blocks| blocks.checked_mul(INDEX_ROW_BYTES as u64));
    match (bytes, crc) {
        (Some(bytes), Some(crc)) if magic == Some(*END_MAGIC) && bytes <= file_bytes => {
            let bytes = usize::try_from(bytes).map_err(|_| Unreadable::Damaged("too many blocks"))?;
            Ok((bytes, crc))
        }
        _ => Err(Unreadable::Damaged("the end of the archive is missing")),
    }
}

/// The blocks, which must follow one another without gaps, from the header to the index, and make up the
/// segment.
pub(super) fn index(header: Header, index_offset: u64, bytes: &[u8]) -> Result<Vec<Block>, Unreadable> {
    let mut blocks = Vec::with_capacity(bytes.len() / INDEX_ROW_BYTES);
    let (mut offset, mut segment_offset, mut first) = (header.blocks_offset(), 0_u64, header.first);
    let mut fields = Fields(bytes);
    while let Some(block) = block(&mut fields) {
        // The first block has the first entry; each later one begins with a later entry.
        let in_order = if blocks.is_empty() { block.first == first } else { block.first > first };
        let contiguous = (block.offset, block.segment_offset) == (offset, segment_offset);
        if !in_order || !contiguous || block.bytes > BLOCK_BYTES_MAX || block.first.0 >= header.next() {
            return Err(Unreadable::Damaged("an index that does not fit"));
        }
        offset += u64::from(block.compressed_bytes);
        segment_offset += u64::from(block.bytes);
        first = block.first;
        blocks.push(block);
    }
    let whole = fields.0.is_empty() && offset == index_offset && segment_offset == header.segment_bytes;
    if whole { Ok(blocks) } else { Err(Unreadable::Damaged("an index that does not fit")) }
}

fn block(fields: &mut Fields<'_>) -> Option<Block> {
    Some(Block {
        first: EntryNumber(fields.u64()?),
        segment_offset: fields.u64()?,
        offset: fields.u64()?,
        compressed_bytes: fields.u32()?,
        bytes: fields.u32()?,
        crc: fields.u32()?,
    })
}

/// Bytes that are still to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

const MAGIC: &[u8; 8] = b"TMARCHIV";

const END_MAGIC: &[u8; 8] = b"TMARCEND";

const FORMAT_VERSION: u32 = 1;

pub(super) const HEADER_BYTES: usize = 48;

pub(super) const FOOTER_BYTES: usize = 20;

const INDEX_ROW_BYTES: usize = 36;

/// More than any of ours; what a damaged or foreign file says is not allocated.
pub(super) const DICTIONARY_BYTES_MAX: u32 = 1 << 20;

/// The longest block, before it is compressed: the longest entry makes a block of its own. A list of serial
/// numbers comes in parts, each far smaller than this.
pub(super) const BLOCK_BYTES_MAX: u32 = 64 << 20;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        let first = EntryNumber(7);
        Header { first, entries: 9, segment_bytes: 300, dictionary_bytes: 16, dictionary_crc: 1 }
    }

    fn blocks() -> [Block; 2] {
        let [first, later] = [EntryNumber(7), EntryNumber(12)];
        [
            Block { first, segment_offset: 0, offset: 64, compressed_bytes: 40, bytes: 200, crc: 5 },
            Block {
                first: later,
                segment_offset: 200,
                offset: 104,
                compressed_bytes: 30,
                bytes: 100,
                crc: 6,
            },
        ]
    }

    fn read_back(blocks: &[Block]) -> Result<Vec<Block>, Unreadable> {
        let bytes = end(blocks);
        let (index_bytes, footer) = bytes.split_last_chunk::<FOOTER_BYTES>().unwrap();
        let (length, crc) = index_of(footer, 10_000)?;
        assert_eq!((length, crc), (index_bytes.len(), crc32c::crc32c(index_bytes)));
        index(header(), 134, index_bytes)
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_allocate_more_than_they_are(bytes in vec(any::<u8>(), 0..400), end: u64) {
            if let Some(header) = bytes.first_chunk() {
                Header::read(header).ok();
            }
            if let Some(footer) = bytes.last_chunk()
                && let Ok((length, _)) = index_of(footer, bytes.len() as u64)
            {
                prop_assert!(length <= bytes.len());
            }
            let blocks = index(header(), end, &bytes).unwrap_or_default();
            prop_assert!(blocks.len() * INDEX_ROW_BYTES <= bytes.len());
        }
    }

    #[test]
    fn a_header_is_read_back_and_one_with_a_changed_bit_is_refused() {
        let bytes = header().bytes();
        assert_eq!(Header::read(&bytes), Ok(header()));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::read(&changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut bytes = header().bytes();
        bytes[8] = 2;
        assert_eq!(Header::read(&bytes), Err(Unreadable::TooNew(2)));
    }

    #[test]
    fn an_index_is_read_back() {
        assert_eq!(read_back(&blocks()).unwrap(), blocks());
    }

    #[test]
    fn an_index_with_a_gap_or_out_of_order_is_refused() {
        let [one, two] = blocks();
        for wrong in [
            vec![one],
            vec![two, one],
            vec![one, Block { offset: 105, ..two }],
            vec![one, Block { segment_offset: 201, ..two }],
            vec![one, Block { bytes: 101, ..two }],
            vec![one, Block { first: EntryNumber(7), ..two }],
            vec![one, Block { first: EntryNumber(16), ..two }],
            vec![Block { first: EntryNumber(8), ..one }, two],
            vec![],
        ] {
            assert!(read_back(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_index_longer_than_the_file_is_not_allocated() {
        let mut footer = [0; FOOTER_BYTES];
        footer[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        footer[12..].copy_from_slice(END_MAGIC);
        assert!(index_of(&footer, 1000).is_err());
        footer[..8].copy_from_slice(&1000_u64.to_le_bytes());
        assert!(index_of(&footer, 1000).is_err());
    }
}
