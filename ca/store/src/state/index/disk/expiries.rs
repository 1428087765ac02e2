//! Certificates by their last second, all that ever were: the newest in memory, the rest in sorted files of
//! two to three bytes a certificate.
//!
//! A block has the differences between neighbours: of seconds, which grow, and of entries, which mostly do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::blocks::{BlockWriter, Blocks};
use super::directory::{IndexDirectory, Kind};
use super::merge::{Sorted, kept, merged};
use super::numbers::{put, take, unzigzag, zigzag};
use super::run::WriteError;
use crate::Result;

/// The last second of a certificate, since 1970, and the entry that recorded it.
pub(in crate::state) type Expiry = (u64, u32);

/// Certificates in the order in which they expire.
#[derive(Default)]
pub(in crate::state::index) struct Expiries {
    recent: BTreeSet<Expiry>,
    /// What is being written to a file.
    frozen: Option<Arc<BTreeSet<Expiry>>>,
    /// The oldest first.
    files: Vec<Arc<ExpiryFile>>,
}

impl Expiries {
    /// Those of a checkpoint.
    pub(in crate::state::index) fn of(files: Vec<Arc<ExpiryFile>>) -> Self {
        Self { files, ..Self::default() }
    }

    pub(in crate::state::index) fn insert(&mut self, expiry: Expiry) {
        self.recent.insert(expiry);
    }

    /// From one on, before a second: at most so many, soonest first.
    pub(in crate::state::index) fn page(
        &self,
        from: Expiry,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Expiry>> {
        let memory = [Some(&self.recent), self.frozen.as_deref()].into_iter().flatten();
        let mut sources: Vec<Sorted<'_, Expiry>> =
            memory.map(|set| Box::new(set.range(from..).copied().map(Ok)) as Sorted<'_, Expiry>).collect();
        sources.extend(self.files.iter().map(|file| Box::new(file.from(from)) as Sorted<'_, Expiry>));
        let mut page = Vec::new();
        for expiry in merged(sources) {
            let expiry = expiry?;
            if page.len() >= limit || expiry.0 >= before {
                break;
            }
            page.push(expiry);
        }
        Ok(page)
    }

    /// Sets aside what is in memory, to be written. What was set aside before and not written is in it again.
    pub(in crate::state::index) fn freeze(&mut self) -> (Arc<BTreeSet<Expiry>>, Vec<Arc<ExpiryFile>>) {
        let mut recent = std::mem::take(&mut self.recent);
        recent.extend(self.frozen.take().iter().flat_map(|before| before.iter().copied()));
        let frozen = Arc::new(recent);
        self.frozen = Some(Arc::clone(&frozen));
        (frozen, self.files.clone())
    }

    /// What was set aside is in these files now.
    pub(in crate::state::index) fn written(&mut self, files: Vec<Arc<ExpiryFile>>) {
        (self.frozen, self.files) = (None, files);
    }
}

/// A sorted file.
pub(in crate::state::index) struct ExpiryFile {
    blocks: Blocks,
    count: u64,
    /// The first of each block.
    firsts: Vec<Expiry>,
}

impl ExpiryFile {
    pub(in crate::state::index) fn open(directory: &Arc<IndexDirectory>, number: u64) -> Result<Self> {
        let blocks = Blocks::open(directory, Kind::Expiries, number)?;
        let (firsts, rest) = blocks.meta().as_chunks::<12>();
        let firsts: Vec<_> = firsts.iter().map(expiry).collect();
        let count = rest.try_into().map(u64::from_le_bytes);
        match count {
            Ok(count) if firsts.len() == blocks.len() => Ok(Self { blocks, count, firsts }),
            _ => Err(blocks.damage("it does not say what it holds")),
        }
    }

    /// Those in memory in a file of their own, or in one with the newest files that are not larger than what
    /// comes to them; returns all files.
    pub(in crate::state::index) fn add(
        directory: &Arc<IndexDirectory>,
        recent: &BTreeSet<Expiry>,
        before: &[Arc<Self>],
    ) -> Result<Vec<Arc<Self>>, WriteError> {
        if recent.is_empty() {
            return Ok(before.to_vec());
        }
        let (kept, _) = kept(before.iter().map(|file| file.count), recent.len() as u64);
        let (kept, merging) = before.split_at(kept);
        let mut sources: Vec<Sorted<'_, Expiry>> = vec![Box::new(recent.iter().copied().map(Ok))];
        sources.extend(merging.iter().map(|file| Box::new(file.from((0, 0))) as Sorted<'_, Expiry>));
        let mut files = kept.to_vec();
        files.push(Arc::new(Self::write(directory, merged(sources))?));
        Ok(files)
    }

    fn write(
        directory: &Arc<IndexDirectory>,
        all: impl Iterator<Item = Result<Expiry>>,
    ) -> Result<Self, WriteError> {
        let mut writer = BlockWriter::create(directory, Kind::Expiries)?;
        let (mut firsts, mut block, mut last, mut count) = (Vec::new(), Vec::new(), (0, 0), 0_u64);
        for expiry in all {
            let expiry = expiry?;
            if count.is_multiple_of(BLOCK_RECORDS) {
                if count > 0 {
                    writer.push(&block)?;
                }
                block.clear();
                firsts.push(expiry);
            } else {
                put(expiry.0.saturating_sub(last.0), &mut block);
                put(zigzag(i64::from(expiry.1) - i64::from(last.1)), &mut block);
            }
            (last, count) = (expiry, count + 1);
        }
        if count > 0 {
            writer.push(&block)?;
        }
        let mut meta: Vec<u8> = firsts.iter().flat_map(bytes_of).collect();
        meta.extend_from_slice(&count.to_le_bytes());
        Ok(Self { blocks: writer.finish(&meta)?, count, firsts })
    }

    /// All from one on.
    fn from(&self, from: Expiry) -> impl Iterator<Item = Result<Expiry>> + use<'_> {
        let first = self.firsts.partition_point(|first| *first <= from).saturating_sub(1);
        let read = move |block| match self.read(block) {
            Ok(all) => all.into_iter().filter(|expiry| *expiry >= from).map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        (first..self.firsts.len()).flat_map(read)
    }

    fn read(&self, block: usize) -> Result<Vec<Expiry>> {
        let bytes = self.blocks.read(block)?;
        let cut_off = || self.blocks.damage("a record is cut off");
        let mut last = *self.firsts.get(block).ok_or_else(cut_off)?;
        let mut all = vec![last];
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let second = take(&mut rest).ok_or_else(cut_off)?;
            let entry = unzigzag(take(&mut rest).ok_or_else(cut_off)?);
            let entry = u32::try_from(i64::from(last.1).saturating_add(entry)).map_err(|_| cut_off())?;
            last = (last.0.saturating_add(second), entry);
            all.push(last);
        }
        Ok(all)
    }

    pub(in crate::state::index) fn blocks(&self) -> &Blocks {
        &self.blocks
    }
}

fn bytes_of((second, entry): &Expiry) -> Vec<u8> {
    [second.to_le_bytes().as_slice(), &entry.to_le_bytes()].concat()
}

fn expiry(bytes: &[u8; 12]) -> Expiry {
    let [s0, s1, s2, s3, s4, s5, s6, s7, e0, e1, e2, e3] = *bytes;
    (u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]), u32::from_le_bytes([e0, e1, e2, e3]))
}

/// Of a block: it is read for the first certificate of a page.
const BLOCK_RECORDS: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_listed_in_order_wherever_they_lie() {
        let directory = tempfile::tempdir().unwrap();
        let index = IndexDirectory::open(directory.path()).unwrap();
        let mut expiries = Expiries::default();
        let all: Vec<Expiry> =
            (0..3_000_u32).map(|entry| (1_800_000_000 + u64::from(entry * 7 % 1_000), entry)).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        for part in all.chunks(700) {
            part.iter().for_each(|expiry| expiries.insert(*expiry));
            let (frozen, files) = expiries.freeze();
            expiries.insert((u64::from(u32::MAX) << 8, 1));
            let files = ExpiryFile::add(&index, &frozen, &files).unwrap();
            expiries.written(files);
            expiries.recent.clear();
        }
        let files = expiries.files.iter().map(|file| file.blocks().id().1);
        let opened = files.map(|number| Arc::new(ExpiryFile::open(&index, number).unwrap())).collect();
        for expiries in [Expiries::of(opened), expiries] {
            assert_eq!(expiries.page((0, 0), u64::MAX, usize::MAX).unwrap(), sorted);
            let page = expiries.page(sorted[1_234], sorted[1_300].0, 50).unwrap();
            assert_eq!(page, sorted[1_234..1_284]);
            let first_of_second = sorted.partition_point(|expiry| expiry.0 < sorted[1_300].0);
            let page = expiries.page(sorted[1_234], sorted[1_300].0, 5_000).unwrap();
            assert_eq!(page, sorted[1_234..first_of_second]);
        }
    }
}
