//! The frame of an entry in a segment: `magic, length, number, position in its batch, CRC-32C, payload`,
//! little-endian.
//!
//! The position tells a torn tail from damage. One batch is written and made durable at a time: intact frames
//! of the *same* batch behind a broken one were never acknowledged; a frame of a *later* batch proves that
//! the broken one was.

use ledger::{Entry, EntryNumber};

use crate::format;

/// A frame that was checked.
pub(crate) struct Frame<'a> {
    pub(crate) number: EntryNumber,
    /// The first entry of the batch that it was written with.
    pub(crate) batch: EntryNumber,
    pub(crate) payload: &'a [u8],
    /// Bytes from the frame's start to the next frame.
    pub(crate) length: usize,
}

/// Appends the frame of an entry with this number and position in its batch, from 0.
pub(crate) fn write(entry: &Entry, number: EntryNumber, position: u32, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend_from_slice(&[0; HEADER_BYTES]);
    format::encode(entry, to);
    let Some((header, payload)) =
        to.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut::<HEADER_BYTES>())
    else {
        return;
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut fields = [0; HEADER_BYTES];
    fields[..4].copy_from_slice(&MAGIC);
    fields[4..8].copy_from_slice(&length.to_le_bytes());
    fields[8..16].copy_from_slice(&number.0.to_le_bytes());
    fields[16..20].copy_from_slice(&position.to_le_bytes());
    let crc = checksum(&fields[..CHECKED_BYTES], payload);
    fields[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
    *header = fields;
}

/// The length that the frame at the start of `bytes` says it has, with its header. Nothing else is checked.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    (*magic == MAGIC).then(|| usize::try_from(length).ok()?.checked_add(HEADER_BYTES)).flatten()
}

/// The frame at the start of `bytes`; `None`: there is no intact one.
pub(crate) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [m0, m1, m2, m3, l0, l1, l2, l3, n0, n1, n2, n3, n4, n5, n6, n7, p0, p1, p2, p3, c0, c1, c2, c3] =
        *header;
    if [m0, m1, m2, m3] != MAGIC {
        return None;
    }
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    let payload = rest.get(..length)?;
    let number = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
    let position = u64::from(u32::from_le_bytes([p0, p1, p2, p3]));
    let crc = checksum(header.get(..CHECKED_BYTES)?, payload);
    let intact = crc == u32::from_le_bytes([c0, c1, c2, c3]);
    intact.then_some(Frame {
        number: EntryNumber(number),
        batch: EntryNumber(number.checked_sub(position)?),
        payload,
        length: HEADER_BYTES + length,
    })
}

/// All intact frames anywhere in `bytes`, whatever lies between them.
pub(crate) fn search(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    starts.filter_map(|(start, _)| read(bytes.get(start..)?))
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header), payload)
}

/// Starts a frame; not text, not a length that we write, not zeros.
const MAGIC: [u8; 4] = [0xd7, b'T', b'm', 0x1e];

const CHECKED_BYTES: usize = 20;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = CHECKED_BYTES + 4;
