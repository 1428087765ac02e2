//! What a start must know of a sealed segment, in a file beside it (`.offsets`): it spares reading the
//! segment. Derived: one that is missing, damaged or does not fit is made again from the segment.
//!
//! `magic, first entry, entries, bytes of the segment, the offset of every sixteenth entry, CRC-32C`,
//! little-endian.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::files::OWNER_ONLY;

use super::offsets::{Offsets, STRIDE};
use super::segment::HEADER_BYTES;

/// Writes down where the entries of a sealed segment lie, durably.
pub(super) fn write(segment: &Path, first: u64, offsets: &Offsets) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(FIXED_BYTES + offsets.marks.len() * MARK_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&offsets.count.to_le_bytes());
    bytes.extend_from_slice(&offsets.end.to_le_bytes());
    offsets.marks.iter().for_each(|mark| bytes.extend_from_slice(&mark.to_le_bytes()));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    ::files::replace(&path_beside(segment), OWNER_ONLY, &bytes)
}

/// Where the entries of a segment lie that begins with this entry; `None`: it is not written down, or not of
/// this segment as it is now.
pub(super) fn read(segment: &Path, first: u64) -> Option<Offsets> {
    let length = std::fs::metadata(segment).ok()?.len();
    let mut file = File::open(path_beside(segment)).ok()?;
    let metadata = file.metadata().ok()?;
    // What others could write says nothing.
    if metadata.permissions().mode() & GROUP_OR_OTHERS_WRITE != 0 || metadata.len() > FILE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    parse(&bytes, first).filter(|offsets| u64::from(offsets.end) == length)
}

fn parse(bytes: &[u8], first: u64) -> Option<Offsets> {
    let (checked, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
        return None;
    }
    let rest = checked.strip_prefix(MAGIC)?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (end, rest) = rest.split_first_chunk::<4>()?;
    let (marks, rest) = rest.as_chunks::<MARK_BYTES>();
    let offsets = Offsets {
        marks: marks.iter().map(|mark| u32::from_le_bytes(*mark)).collect(),
        count: u32::from_le_bytes(*count),
        end: u32::from_le_bytes(*end),
    };
    let fits = u64::from_le_bytes(*number) == first && rest.is_empty() && in_order(&offsets);
    fits.then_some(offsets)
}

/// Whether the marks are those of some segment with entries.
fn in_order(offsets: &Offsets) -> bool {
    let Offsets { marks, count, end } = offsets;
    let followers = marks.iter().skip(1).chain([end]);
    marks.len() == count.div_ceil(STRIDE) as usize
        && marks.first() == Some(&HEADER_BYTES)
        && marks.iter().zip(followers).all(|(mark, next)| mark < next)
}

/// The file beside a segment.
pub(crate) fn path_beside(segment: &Path) -> PathBuf {
    segment.with_extension("offsets")
}

const MAGIC: &[u8; 8] = b"TMOFFS01";

const MARK_BYTES: usize = 4;

/// Bytes beside the marks.
const FIXED_BYTES: usize = 8 + 8 + 4 + 4 + 4;

/// The longest file that is read: a segment of 4 GiB with entries of 64 bytes.
const FILE_BYTES_MAX: u64 = 1 << 25;

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &Path) -> (PathBuf, Offsets) {
        let segment = directory.join("00000000000000000007.ledger");
        let mut offsets = Offsets::new();
        (0..1000).for_each(|i| offsets.push(100 + i).unwrap());
        File::create(&segment).unwrap().set_len(u64::from(offsets.end)).unwrap();
        write(&segment, 7, &offsets).unwrap();
        (segment, offsets)
    }

    #[test]
    fn what_was_written_is_read_back_for_the_segment_that_it_was_written_for() {
        let directory = tempfile::tempdir().unwrap();
        let (segment, offsets) = written(directory.path());
        assert_eq!(read(&segment, 7), Some(offsets));
        assert_eq!(read(&segment, 8), None, "another segment's");
        File::options().write(true).open(&segment).unwrap().set_len(5000).unwrap();
        assert_eq!(read(&segment, 7), None, "the segment has another length");
    }

    #[test]
    fn what_is_damaged_or_open_to_the_writes_of_others_counts_as_missing() {
        let directory = tempfile::tempdir().unwrap();
        let (segment, offsets) = written(directory.path());
        let path = path_beside(&segment);
        let whole = std::fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert_eq!(parse(&damaged, 7), None, "byte {position}");
            assert_eq!(parse(&whole[..position], 7), None, "cut at {position}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o622)).unwrap();
        assert_eq!(read(&segment, 7), None);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(read(&segment, 7), Some(offsets));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&segment, 7), None);
    }
}
