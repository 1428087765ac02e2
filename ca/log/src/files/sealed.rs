//! What a start must know of a sealed segment, in a file beside it (`.offsets`): it spares reading the
//! segment. Derived: one that is missing, damaged or does not fit is made again from the segment.
//!
//! `magic, first entry, entries, bytes of the segment, root of the tree before the segment, number of peaks
//! of the tree behind it, the peaks, the offset of every sixteenth entry, CRC-32C`, little-endian.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::files::OWNER_ONLY;

use super::directory::GROUP_OR_OTHERS_WRITE;
use super::offsets::{Offsets, STRIDE};
use super::segment::HEADER_BYTES;
use crate::tree::{Frontier, Hash};

/// What is known of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) first: u64,
    pub(super) offsets: Offsets,
    /// The root of the tree of all entries before the segment.
    pub(super) root_before: Hash,
    /// The tree of all entries up to the segment's end.
    pub(super) tree: Frontier,
}

impl Sealed {
    /// Writes it down, durably.
    pub(super) fn write(&self, segment: &Path) -> io::Result<()> {
        let Self { first, offsets, root_before, tree } = self;
        let length = FIXED_BYTES + tree.peaks().len() * HASH_BYTES + offsets.marks.len() * MARK_BYTES;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&offsets.count.to_le_bytes());
        bytes.extend_from_slice(&offsets.end.to_le_bytes());
        bytes.extend_from_slice(root_before);
        bytes.extend_from_slice(&(tree.peaks().len() as u32).to_le_bytes());
        tree.peaks().iter().for_each(|peak| bytes.extend_from_slice(peak));
        offsets.marks.iter().for_each(|mark| bytes.extend_from_slice(&mark.to_le_bytes()));
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        ::files::replace(&path_beside(segment), OWNER_ONLY, &bytes)
    }

    /// What is written down of a segment that begins with this entry behind this tree; `None`: nothing, or
    /// not of this segment as it is now.
    pub(super) fn read(segment: &Path, first: u64, before: &Frontier) -> Option<Self> {
        let length = std::fs::metadata(segment).ok()?.len();
        let mut file = File::open(path_beside(segment)).ok()?;
        let metadata = file.metadata().ok()?;
        // What others could write says nothing.
        if metadata.permissions().mode() & GROUP_OR_OTHERS_WRITE != 0 || metadata.len() > FILE_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        let fits = |sealed: &Self| {
            sealed.first == first
                && sealed.root_before == before.root()
                && u64::from(sealed.offsets.end) == length
        };
        Self::parse(&bytes).filter(fits)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let rest = checked.strip_prefix(MAGIC)?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (end, rest) = rest.split_first_chunk::<4>()?;
        let (root_before, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
        let (peaks, rest) = rest.split_first_chunk::<4>()?;
        let peaks = usize::try_from(u32::from_le_bytes(*peaks)).ok()?;
        let (peaks, rest) = rest.split_at_checked(peaks.checked_mul(HASH_BYTES)?)?;
        let (marks, rest) = rest.as_chunks::<MARK_BYTES>();
        let (first, count) = (u64::from_le_bytes(*first), u32::from_le_bytes(*count));
        let marks = marks.iter().map(|mark| u32::from_le_bytes(*mark)).collect();
        let offsets = Offsets { marks, count, end: u32::from_le_bytes(*end) };
        let size = first.checked_sub(1)?.checked_add(count.into())?;
        let tree = Frontier::of(size, peaks.as_chunks::<HASH_BYTES>().0.to_vec())?;
        (rest.is_empty() && in_order(&offsets)).then_some(Self {
            first,
            offsets,
            root_before: *root_before,
            tree,
        })
    }
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

const MAGIC: &[u8; 8] = b"TMOFFS02";

const MARK_BYTES: usize = 4;

const HASH_BYTES: usize = size_of::<Hash>();

/// Bytes beside the peaks and the marks.
const FIXED_BYTES: usize = 8 + 8 + 4 + 4 + HASH_BYTES + 4 + 4;

/// The longest file that is read: a segment of 4 GiB with entries of 64 bytes.
const FILE_BYTES_MAX: u64 = 1 << 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(size: u64) -> Frontier {
        let mut tree = Frontier::default();
        (0..size).for_each(|leaf| tree.push([leaf as u8; 32]));
        tree
    }

    fn written(directory: &Path) -> (PathBuf, Sealed) {
        let segment = directory.join("00000000000000000007.ledger");
        let mut offsets = Offsets::new();
        (0..1000).for_each(|i| offsets.push(100 + i).unwrap());
        File::create(&segment).unwrap().set_len(u64::from(offsets.end)).unwrap();
        let sealed = Sealed { first: 7, offsets, root_before: tree(6).root(), tree: tree(1006) };
        sealed.write(&segment).unwrap();
        (segment, sealed)
    }

    #[test]
    fn what_was_written_is_read_back_for_the_segment_that_it_was_written_for() {
        let directory = tempfile::tempdir().unwrap();
        let (segment, sealed) = written(directory.path());
        assert_eq!(Sealed::read(&segment, 7, &tree(6)), Some(sealed));
        assert_eq!(Sealed::read(&segment, 8, &tree(6)), None, "another segment's");
        assert_eq!(Sealed::read(&segment, 7, &tree(5)), None, "behind other entries");
        File::options().write(true).open(&segment).unwrap().set_len(5000).unwrap();
        assert_eq!(Sealed::read(&segment, 7, &tree(6)), None, "the segment has another length");
    }

    #[test]
    fn what_is_damaged_or_open_to_the_writes_of_others_counts_as_missing() {
        let directory = tempfile::tempdir().unwrap();
        let (segment, sealed) = written(directory.path());
        let path = path_beside(&segment);
        let whole = std::fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert_eq!(Sealed::parse(&damaged), None, "byte {position}");
            assert_eq!(Sealed::parse(&whole[..position]), None, "cut at {position}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o622)).unwrap();
        assert_eq!(Sealed::read(&segment, 7, &tree(6)), None);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(Sealed::read(&segment, 7, &tree(6)), Some(sealed));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Sealed::read(&segment, 7, &tree(6)), None);
    }
}
