//! A run: rows of a table, sorted by the upper bits of their keyed hashes, in buckets of one block each.
//!
//! A row has 38 bits of its hash: those that name its bucket are left out. A look-up reads one bucket of half
//! a kilobyte, and what is found there is compared with more bits, or with the entry, by the caller.

use std::io;
use std::sync::Arc;

use super::blocks::{BlockWriter, Blocks};
use super::directory::{IndexDirectory, Kind};
use super::filter::Filter;
use super::merge::{Sorted, kept, merged};
use super::table::{Hash, Recent};
use crate::Result;

/// An immutable part of a table.
pub(in crate::state::index) struct Run {
    blocks: Blocks,
    shape: Shape,
    filter: Filter,
}

/// How many rows there are, and how many buckets they are in.
#[derive(Debug, Clone, Copy)]
struct Shape {
    rows: u64,
    /// The number of buckets is a power of two.
    bucket_bits: u32,
}

impl Shape {
    fn of(rows: u64) -> Self {
        let bucket_bits = rows.div_ceil(BUCKET_ROWS).max(1).next_power_of_two().trailing_zeros();
        Self { rows, bucket_bits: bucket_bits.min(PREFIX_BITS) }
    }

    fn bucket(self, prefix: u64) -> usize {
        (prefix >> self.rest_bits()) as usize
    }

    /// Bits of a prefix that its bucket does not tell.
    fn rest_bits(self) -> u32 {
        PREFIX_BITS - self.bucket_bits
    }

    fn rest_bytes(self) -> usize {
        self.rest_bits().div_ceil(8) as usize
    }

    fn row_bytes(self) -> usize {
        self.rest_bytes() + 4
    }

    fn write(self, prefix: u64, number: u32, to: &mut Vec<u8>) {
        let rest = prefix & ((1 << self.rest_bits()) - 1);
        to.extend(rest.to_le_bytes().iter().take(self.rest_bytes()));
        to.extend_from_slice(&number.to_le_bytes());
    }

    /// The rows of a bucket.
    fn read(self, bucket: usize, bytes: &[u8]) -> impl Iterator<Item = (u64, u32)> + use<'_> {
        bytes.chunks_exact(self.row_bytes()).map(move |row| {
            let (rest, number) = row.split_at(self.rest_bytes());
            let rest = rest.iter().rev().fold(0, |rest, byte| (rest << 8) | u64::from(*byte));
            let number = number.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte));
            (((bucket as u64) << self.rest_bits()) | rest, number)
        })
    }
}

impl Run {
    /// The runs of a table with what was in memory: in a run of its own, or in one with some of the newest.
    pub(in crate::state::index) fn add(
        directory: &Arc<IndexDirectory>,
        recent: &Recent,
        before: &[Arc<Self>],
    ) -> Result<Vec<Arc<Self>>, WriteError> {
        let sorted = recent.sorted();
        if sorted.is_empty() {
            return Ok(before.to_vec());
        }
        let (kept, rows) = kept(before.iter().map(|run| run.shape.rows), sorted.len() as u64);
        let (kept, merging) = before.split_at(kept);
        let mut lists: Vec<Sorted<'_, _>> = vec![Box::new(sorted.iter().copied().map(Ok))];
        lists.extend(merging.iter().map(|run| Box::new(run.rows()) as Sorted<'_, _>));
        let mut runs = kept.to_vec();
        runs.push(Arc::new(Self::write(directory, rows, merged(lists))?));
        Ok(runs)
    }

    /// Writes rows, which come in the order of their prefixes and are so many.
    fn write(
        directory: &Arc<IndexDirectory>,
        count: u64,
        rows: impl Iterator<Item = Result<(u64, u32)>>,
    ) -> Result<Self, WriteError> {
        let shape = Shape::of(count);
        let mut writer = BlockWriter::create(directory, Kind::Run)?;
        let mut filter = Filter::with_room(count);
        let (mut bucket, mut block, mut written) = (0, Vec::new(), 0);
        for row in rows {
            let (prefix, number) = row?;
            while bucket < shape.bucket(prefix) {
                writer.push(&block)?;
                block.clear();
                bucket += 1;
            }
            shape.write(prefix, number, &mut block);
            filter.insert(prefix);
            written += 1;
        }
        while bucket < 1 << shape.bucket_bits {
            writer.push(&block)?;
            block.clear();
            bucket += 1;
        }
        for words in filter.words().chunks(FILTER_BLOCK_WORDS) {
            writer.push(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())?;
        }
        debug_assert_eq!(written, count, "the rows of a run were miscounted");
        let blocks = writer.finish(&[count.to_le_bytes(), written.to_le_bytes()].concat())?;
        Ok(Self { blocks, shape, filter })
    }

    pub(in crate::state::index) fn open(directory: &Arc<IndexDirectory>, number: u64) -> Result<Self> {
        let blocks = Blocks::open(directory, Kind::Run, number)?;
        let rows = match blocks.meta().as_chunks::<8>() {
            ([count, written], []) if count == written => u64::from_le_bytes(*count),
            _ => return Err(blocks.damage("its rows are not as many as there must be")),
        };
        let shape = Shape::of(rows);
        let mut words = Vec::new();
        for block in 1_usize << shape.bucket_bits..blocks.len() {
            let bytes = blocks.read(block)?;
            words.extend(bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)));
        }
        let filter = Filter::of(words);
        if filter.words().len() != Filter::with_room(rows).words().len() {
            return Err(blocks.damage("its filter has another size"));
        }
        Ok(Self { blocks, shape, filter })
    }

    /// Adds the numbers of the rows that may have this hash.
    pub(in crate::state::index) fn find(&self, hash: Hash, found: &mut Vec<u32>) -> Result<()> {
        let prefix = prefix(hash);
        if !self.filter.may_hold(prefix) {
            return Ok(());
        }
        let bucket = self.shape.bucket(prefix);
        let bytes = self.blocks.read(bucket)?;
        let rows = self.shape.read(bucket, &bytes).filter(|(row, _)| *row == prefix);
        found.extend(rows.map(|(_, number)| number));
        Ok(())
    }

    pub(in crate::state::index) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// All rows, in the order of their prefixes.
    fn rows(&self) -> impl Iterator<Item = Result<(u64, u32)>> + use<'_> {
        let read = |bucket| match self.blocks.read(bucket) {
            Ok(bytes) => {
                let mut rows: Vec<_> = self.shape.read(bucket, &bytes).map(Ok).collect();
                rows.sort_unstable_by_key(|row| row.as_ref().ok().copied());
                rows
            }
            Err(error) => vec![Err(error)],
        };
        (0..1 << self.shape.bucket_bits).flat_map(read)
    }
}

/// Why a file of the index could not be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::state) enum WriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was to be merged cannot be read.
    #[error(transparent)]
    Store(#[from] crate::StoreError),
}

/// The part of a hash that a run keeps.
pub(in crate::state::index) fn prefix(hash: Hash) -> u64 {
    hash.0 >> (64 - PREFIX_BITS)
}

/// At a thousand million rows, four look-ups in a thousand find a row that is another's.
const PREFIX_BITS: u32 = 38;

/// Most rows of a bucket on average; half as many at least.
const BUCKET_ROWS: u64 = 64;

const FILTER_BLOCK_WORDS: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> Hash {
        Hash(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number << 40))
    }

    fn sorted(numbers: std::ops::Range<u32>) -> Vec<(u64, u32)> {
        let mut rows: Vec<_> = numbers.map(|number| (prefix(hash(number.into())), number)).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn what_was_written_is_found_in_a_run_and_in_the_merge_of_runs() {
        let directory = tempfile::tempdir().unwrap();
        let index = IndexDirectory::open(directory.path()).unwrap();
        let write = |rows: &[(u64, u32)]| {
            Arc::new(Run::write(&index, rows.len() as u64, rows.iter().copied().map(Ok)).unwrap())
        };
        let runs = [write(&sorted(0..5_000)), write(&sorted(5_000..5_001)), write(&[])];
        let last = sorted(5_001..6_000);
        let mut lists: Vec<Sorted<'_, _>> = vec![Box::new(last.iter().copied().map(Ok))];
        lists.extend(runs.iter().map(|run| Box::new(run.rows()) as Sorted<'_, _>));
        let merged = Run::write(&index, 6_000, merged(lists)).unwrap();
        let merged = Run::open(&index, merged.blocks().id().1).unwrap();
        let mut strangers = 0;
        for number in 0..12_000_u32 {
            let mut found = Vec::new();
            merged.find(hash(number.into()), &mut found).unwrap();
            match number {
                ..6_000 => assert!(found.contains(&number), "{number}"),
                _ => strangers += found.len(),
            }
            let mut apart = Vec::new();
            runs.iter().for_each(|run| run.find(hash(number.into()), &mut apart).unwrap());
            assert_eq!(apart.contains(&number), number < 5_001, "{number}");
        }
        assert!(strangers < 3, "{strangers}");
    }
}
