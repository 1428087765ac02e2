//! A column: records by their numbers, from 0, to which records are only added: the newest in memory, the
//! rest in files.

use std::sync::Arc;

use super::blocks::{BlockWriter, Blocks};
use super::directory::{IndexDirectory, Kind};
use super::numbers;
use super::run::WriteError;
use crate::Result;

/// What a column holds.
pub(in crate::state::index) trait Record: Copy {
    /// Writes records that follow each other.
    fn pack(records: &[Self], to: &mut Vec<u8>);
    /// Reads what [`Self::pack`] wrote; an item is `None` where it is cut off.
    fn unpack(bytes: &[u8]) -> impl Iterator<Item = Option<Self>>;
}

impl Record for u32 {
    fn pack(records: &[Self], to: &mut Vec<u8>) {
        numbers::pack::<1, 0>(records.iter().map(|record| [*record]), to);
    }

    fn unpack(bytes: &[u8]) -> impl Iterator<Item = Option<Self>> {
        numbers::unpack::<1, 0>(bytes).map(|record| record.map(|[record]| record))
    }
}

/// Records by their numbers.
pub(in crate::state::index) struct Column<R> {
    files: Vec<Arc<ColumnFile>>,
    /// What is being written to a file.
    frozen: Option<Arc<Vec<R>>>,
    recent: Vec<R>,
    /// The number of the first record in memory that is not frozen.
    recent_first: u32,
}

/// What was set aside, and the files before it.
pub(in crate::state::index) struct Frozen<R> {
    pub(in crate::state::index) records: Arc<Vec<R>>,
    pub(in crate::state::index) files: Vec<Arc<ColumnFile>>,
}

impl<R> Default for Column<R> {
    fn default() -> Self {
        Self { files: Vec::new(), frozen: None, recent: Vec::new(), recent_first: 0 }
    }
}

impl<R: Record> Column<R> {
    /// The column of a checkpoint.
    pub(in crate::state::index) fn of(files: Vec<Arc<ColumnFile>>) -> Self {
        let recent_first = files.last().map_or(0, |file| file.end());
        Self { files, recent_first, ..Self::default() }
    }

    /// Adds a record and returns its number.
    pub(in crate::state::index) fn push(&mut self, record: R) -> u32 {
        self.recent.push(record);
        self.len() - 1
    }

    pub(in crate::state::index) fn len(&self) -> u32 {
        self.recent_first + self.recent.len() as u32
    }

    /// The record, if it is in memory and may be changed.
    pub(in crate::state::index) fn recent_mut(&mut self, number: u32) -> Option<&mut R> {
        self.recent.get_mut(number.checked_sub(self.recent_first)? as usize)
    }

    /// The number of the first record that may be changed.
    pub(in crate::state::index) fn recent_first(&self) -> u32 {
        self.recent_first
    }

    pub(in crate::state::index) fn get(&self, number: u32) -> Result<Option<R>> {
        if let Some(position) = number.checked_sub(self.recent_first) {
            return Ok(self.recent.get(position as usize).copied());
        }
        if let (Some(frozen), Some(position)) = (&self.frozen, number.checked_sub(self.frozen_first())) {
            return Ok(frozen.get(position as usize).copied());
        }
        match self.file_of(number) {
            Some(file) => file.get(number).map(Some),
            None => Ok(None),
        }
    }

    /// Records from one on, as many as are read in one piece: none behind the end.
    pub(in crate::state::index) fn piece(&self, number: u32) -> Result<Vec<R>> {
        let from = |records: &[R], first: u32| {
            let rest = records.get((number - first) as usize..).unwrap_or_default();
            rest.get(..PIECE_RECORDS).unwrap_or(rest).to_vec()
        };
        if number >= self.recent_first {
            return Ok(from(&self.recent, self.recent_first));
        }
        match (&self.frozen, self.frozen_first()) {
            (Some(frozen), first) if number >= first => Ok(from(frozen, first)),
            _ => self.file_of(number).map_or_else(|| Ok(Vec::new()), |file| file.piece(number)),
        }
    }

    /// How many records at the beginning are before what `is_before` says, of records in rising order.
    pub(in crate::state::index) fn partition_point(&self, is_before: impl Fn(R) -> bool) -> Result<u32> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle)? {
                Some(record) if is_before(record) => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    pub(in crate::state::index) fn last(&self) -> Result<Option<R>> {
        self.len().checked_sub(1).map_or(Ok(None), |last| self.get(last))
    }

    fn frozen_first(&self) -> u32 {
        self.recent_first - self.frozen.as_ref().map_or(0, |frozen| frozen.len() as u32)
    }

    fn file_of(&self, number: u32) -> Option<&ColumnFile> {
        let position = self.files.partition_point(|file| file.end() <= number);
        self.files.get(position).map(Arc::as_ref)
    }

    /// Sets aside what is in memory, to be written. What was set aside before and not written is in it again.
    pub(in crate::state::index) fn freeze(&mut self) -> Frozen<R> {
        let recent = std::mem::take(&mut self.recent);
        self.recent_first += recent.len() as u32;
        let records = match self.frozen.take() {
            Some(before) => Arc::new([before.as_slice(), recent.as_slice()].concat()),
            None => Arc::new(recent),
        };
        self.frozen = Some(Arc::clone(&records));
        Frozen { records, files: self.files.clone() }
    }

    /// What was set aside is in these files now.
    pub(in crate::state::index) fn written(&mut self, files: Vec<Arc<ColumnFile>>) {
        (self.frozen, self.files) = (None, files);
    }
}

impl<R: Record> Frozen<R> {
    /// Writes what was set aside, with what the last file holds if that is short; returns all files.
    pub(in crate::state::index) fn write(
        &self,
        directory: &Arc<IndexDirectory>,
        change: impl Fn(u32, R) -> R,
    ) -> Result<Vec<Arc<ColumnFile>>, WriteError> {
        let mut files = self.files.clone();
        if self.records.is_empty() {
            return Ok(files);
        }
        let mut before = Vec::new();
        let end = files.last().map_or(0, |file| file.end());
        let short = files.pop_if(|last| last.count + (self.records.len() as u32) <= FILE_RECORDS_MAX);
        let first = short.as_ref().map_or(end, |short| short.first);
        if let Some(short) = short {
            before = short.all::<R>()?;
        }
        let mut rest = [before.as_slice(), self.records.as_slice()].concat();
        for (number, record) in (first..).zip(&mut rest) {
            *record = change(number, *record);
        }
        files.extend(ColumnFile::write_all(directory, first, &rest)?);
        Ok(files)
    }
}

/// Records that follow each other, on disk.
#[derive(Debug)]
pub(in crate::state::index) struct ColumnFile {
    blocks: Blocks,
    first: u32,
    count: u32,
}

impl ColumnFile {
    pub(in crate::state::index) fn open(directory: &Arc<IndexDirectory>, number: u64) -> Result<Self> {
        let blocks = Blocks::open(directory, Kind::Column, number)?;
        match blocks.meta().as_chunks::<4>() {
            ([first, count], []) => {
                let [first, count] = [first, count].map(|number| u32::from_le_bytes(*number));
                Ok(Self { blocks, first, count })
            }
            _ => Err(blocks.damage("it does not say what it holds")),
        }
    }

    fn write_all<R: Record>(
        directory: &Arc<IndexDirectory>,
        first: u32,
        records: &[R],
    ) -> Result<Vec<Arc<Self>>, WriteError> {
        let firsts = (first..).step_by(FILE_RECORDS_MAX as usize);
        let files = firsts.zip(records.chunks(FILE_RECORDS_MAX as usize));
        files.map(|(first, records)| Self::write(directory, first, records).map(Arc::new)).collect()
    }

    /// Writes a file of records.
    pub(in crate::state::index) fn write<R: Record>(
        directory: &Arc<IndexDirectory>,
        first: u32,
        records: &[R],
    ) -> Result<Self, WriteError> {
        let mut writer = BlockWriter::create(directory, Kind::Column)?;
        let mut block = Vec::new();
        for records in records.chunks(BLOCK_RECORDS) {
            block.clear();
            R::pack(records, &mut block);
            writer.push(&block)?;
        }
        let count = records.len() as u32;
        let blocks = writer.finish(&[first.to_le_bytes(), count.to_le_bytes()].concat())?;
        Ok(Self { blocks, first, count })
    }

    pub(in crate::state::index) fn first(&self) -> u32 {
        self.first
    }

    /// The number of the record behind its last.
    pub(in crate::state::index) fn end(&self) -> u32 {
        self.first.saturating_add(self.count)
    }

    pub(in crate::state::index) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn get<R: Record>(&self, number: u32) -> Result<R> {
        let position = number.saturating_sub(self.first) as usize;
        let block = self.blocks.read(position / BLOCK_RECORDS)?;
        let record = R::unpack(&block).nth(position % BLOCK_RECORDS).flatten();
        record.ok_or_else(|| self.blocks.damage("a record is missing"))
    }

    fn piece<R: Record>(&self, number: u32) -> Result<Vec<R>> {
        let position = number.saturating_sub(self.first) as usize;
        let first = position / BLOCK_RECORDS;
        let end = (first + PIECE_RECORDS / BLOCK_RECORDS).min(self.blocks.len());
        let mut records = self.records(first..end)?;
        records.drain(..(position % BLOCK_RECORDS).min(records.len()));
        Ok(records)
    }

    /// All its records.
    pub(in crate::state::index) fn all<R: Record>(&self) -> Result<Vec<R>> {
        let records = self.records(0..self.blocks.len())?;
        match records.len() == self.count as usize {
            true => Ok(records),
            false => Err(self.blocks.damage("records are missing")),
        }
    }

    fn records<R: Record>(&self, blocks: std::ops::Range<usize>) -> Result<Vec<R>> {
        let mut records = Vec::with_capacity(blocks.len() * BLOCK_RECORDS);
        for block in blocks {
            let bytes = self.blocks.read(block)?;
            for record in R::unpack(&bytes) {
                records.push(record.ok_or_else(|| self.blocks.damage("a record is cut off"))?);
            }
        }
        Ok(records)
    }
}

/// Of one file. A short last file is written again with what follows it.
const FILE_RECORDS_MAX: u32 = 1 << 20;

/// Of a block, which is read, and half of it unpacked, for one record.
const BLOCK_RECORDS: usize = 32;

/// Records that are read in one piece.
const PIECE_RECORDS: usize = 128 * BLOCK_RECORDS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_the_same_wherever_its_records_lie() {
        let directory = tempfile::tempdir().unwrap();
        let index = IndexDirectory::open(directory.path()).unwrap();
        let mut column = Column::<u32>::default();
        for round in 0..5 {
            for number in round * 150..(round + 1) * 150 {
                assert_eq!(column.push(number * 7), number);
            }
            let frozen = column.freeze();
            column.push((round + 1) * 150 * 7);
            assert_eq!(column.get(round * 150).unwrap(), Some(round * 150 * 7));
            let files = frozen.write(&index, |_, record| record).unwrap();
            column.written(files);
            column.recent.clear();
        }
        let files = column.files.iter().map(|file| file.blocks().id().1);
        let opened = files.map(|number| Arc::new(ColumnFile::open(&index, number).unwrap())).collect();
        for column in [Column::of(opened), column] {
            assert_eq!(column.len(), 750);
            assert!((0..750).all(|number| column.get(number).unwrap() == Some(number * 7)));
            assert_eq!(column.get(750).unwrap(), None);
            assert_eq!(column.partition_point(|record| record < 701).unwrap(), 101);
            let (mut all, mut next) = (Vec::new(), 0);
            loop {
                let piece = column.piece(next).unwrap();
                next += piece.len() as u32;
                match piece.is_empty() {
                    true => break,
                    false => all.extend(piece),
                }
            }
            assert_eq!(all, (0..750).map(|number| number * 7).collect::<Vec<_>>());
        }
    }
}
