//! The frame of an entry in a segment: `magic, length, number, position in its batch, CRC-32C, payload`,
//! little-endian. The last frame of a batch has another magic, and before the payload the root of the tree
//! over all entries up to this one.
//!
//! The position tells a torn tail from damage. One batch is written and made durable at a time: intact frames
//! of the *same* batch behind a broken one were never acknowledged; a frame of a *later* batch proves that
//! the broken one was.

use ledger::{Entry, EntryNumber};

use crate::format;
use crate::tree::Hash;

/// A frame that was checked.
pub(crate) struct Frame<'a> {
    pub(crate) number: EntryNumber,
    /// The first entry of the batch that it was written with.
    pub(crate) batch: EntryNumber,
    /// The root of the tree behind the entry, if it is the last of its batch. Batches of former versions have
    /// none.
    pub(crate) root: Option<Hash>,
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
    *header = fields(MAGIC, payload.len(), number, position, &[], payload);
}

/// The frame that [`write()`] has written, as the last one of its batch.
pub(crate) fn ending(frame: &[u8], root: &Hash) -> Option<Vec<u8>> {
    let Frame { number, batch, payload, .. } = read(frame)?;
    let position = u32::try_from(number.0 - batch.0).ok()?;
    let mut ending = Vec::with_capacity(frame.len() + ROOT_BYTES);
    ending.extend_from_slice(&fields(LAST_MAGIC, payload.len(), number, position, root, payload));
    ending.extend_from_slice(root);
    ending.extend_from_slice(payload);
    Some(ending)
}

fn fields(
    magic: [u8; 4],
    length: usize,
    number: EntryNumber,
    position: u32,
    root: &[u8],
    payload: &[u8],
) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut fields = [0; HEADER_BYTES];
    fields[..4].copy_from_slice(&magic);
    fields[4..8].copy_from_slice(&length.to_le_bytes());
    fields[8..16].copy_from_slice(&number.0.to_le_bytes());
    fields[16..20].copy_from_slice(&position.to_le_bytes());
    let crc = checksum(&fields[..CHECKED_BYTES], root, payload);
    fields[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
    fields
}

/// The length that the frame at the start of `bytes` says it has, with its header. Nothing else is checked.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    Some(payload_start(magic)?.saturating_add(usize::try_from(length).ok()?))
}

/// The frame at the start of `bytes`; `None`: there is no intact one.
pub(crate) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let [m0, m1, m2, m3, _, _, _, _, n0, n1, n2, n3, n4, n5, n6, n7, p0, p1, p2, p3, c0, c1, c2, c3] =
        *header;
    let (start, length) = (payload_start(&[m0, m1, m2, m3])?, length(bytes)?);
    let root = bytes.get(HEADER_BYTES..start)?;
    let payload = bytes.get(start..length)?;
    let number = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
    let position = u64::from(u32::from_le_bytes([p0, p1, p2, p3]));
    let crc = checksum(header.get(..CHECKED_BYTES)?, root, payload);
    let intact = crc == u32::from_le_bytes([c0, c1, c2, c3]);
    intact.then_some(Frame {
        number: EntryNumber(number),
        batch: EntryNumber(number.checked_sub(position)?),
        root: root.first_chunk().copied(),
        payload,
        length,
    })
}

/// Where the payload of a frame with this magic starts; `None`: it is not one of ours.
fn payload_start(magic: &[u8; 4]) -> Option<usize> {
    match *magic {
        MAGIC => Some(HEADER_BYTES),
        LAST_MAGIC => Some(HEADER_BYTES + ROOT_BYTES),
        _ => None,
    }
}

/// All intact frames anywhere in `bytes`, whatever lies between them.
pub(crate) fn search(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let starts = bytes.windows(MAGIC.len()).enumerate();
    let starts = starts.filter(|(_, window)| *window == MAGIC || *window == LAST_MAGIC);
    starts.filter_map(|(start, _)| read(bytes.get(start..)?))
}

fn checksum(header: &[u8], root: &[u8], payload: &[u8]) -> u32 {
    let start = crc32c::crc32c_append(crc32c::crc32c(header), root);
    crc32c::crc32c_append(start, payload)
}

/// Starts a frame; not text, not a length that we write, not zeros.
const MAGIC: [u8; 4] = [0xd7, b'T', b'm', 0x1e];

/// Starts the last frame of a batch.
const LAST_MAGIC: [u8; 4] = [0xd7, b'T', b'm', 0x1f];

const CHECKED_BYTES: usize = 20;

/// Bytes before the payload, or before the root.
pub(crate) const HEADER_BYTES: usize = CHECKED_BYTES + 4;

/// What the last frame of a batch has more than the others.
pub(crate) const ROOT_BYTES: usize = size_of::<Hash>();
