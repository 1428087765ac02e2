//! Makes an archive of a sealed segment. The segment is read twice, a run at a time: first to check it and to
//! train the dictionary, then to compress it.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use ledger::EntryNumber;
use zstd::bulk::Compressor;

use super::layout::{self, Block, Header};
use super::segment::{Runs, io_error};
use super::{ArchiveSettings, Sha256};
use crate::files::ROOT_DIFFERS;
use crate::tree::{self, Frontier};
use crate::{LogError, format};

/// What a segment holds.
pub(super) struct Survey {
    pub(super) first: EntryNumber,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) sha256: Sha256,
    /// When its first and its last entry were recorded.
    pub(super) times: Option<(SystemTime, SystemTime)>,
    /// The tree of all entries up to its end.
    pub(super) tree: Frontier,
    /// Entries from all over it.
    samples: Vec<u8>,
    sample_bytes: Vec<usize>,
}

impl Survey {
    /// Reads a segment that begins behind this tree, from its start to its end, and checks every frame and
    /// every batch's root.
    pub(super) fn of(
        path: &Path,
        mut tree: Frontier,
        settings: &ArchiveSettings,
        read: &mut dyn FnMut(u64),
    ) -> Result<Self, LogError> {
        let first = EntryNumber(tree.size() + 1);
        let length = path.metadata().map_err(|error| io_error("look at", path, error))?.len();
        let wanted = (settings.dictionary_bytes * SAMPLES_TO_DICTIONARY) as u64;
        // An odd step: entries of two kinds often alternate.
        let every = length.checked_div(wanted).unwrap_or(u64::MAX) | 1;
        let mut runs = Runs::open(path, first, settings.block_bytes)?;
        let mut hash = Context::new(&SHA256);
        let (mut samples, mut sample_bytes, mut times) = (Vec::new(), Vec::new(), None);
        let (mut entries, mut bytes, mut differs) = (0, 0, None);
        while let Some(run) = runs.next(|frame| {
            let payload = frame.payload;
            tree.push(tree::leaf(payload));
            if frame.root.is_some_and(|root| root != tree.root()) {
                differs = differs.or(Some(frame.number));
            }
            if (frame.number.0 - first.0).is_multiple_of(every) && wanted > 0 {
                samples.extend_from_slice(payload);
                sample_bytes.push(payload.len());
            }
            entries += 1;
            if let Some(at) = format::recorded_at(payload) {
                times = Some(times.map_or((at, at), |(from, _)| (from, at)));
            }
        })? {
            hash.update(&run.bytes);
            bytes += run.bytes.len() as u64;
            read(run.bytes.len() as u64);
        }
        let damaged = |entry, what| LogError::Damaged { place: path.display().to_string(), entry, what };
        if let Some(entry) = differs {
            return Err(damaged(entry, ROOT_DIFFERS));
        }
        if entries == 0 {
            return Err(damaged(first, "a segment without entries"));
        }
        let sha256 = Sha256::of(hash);
        Ok(Self { first, entries, bytes, sha256, times, tree, samples, sample_bytes })
    }

    /// What most entries have in common; empty: there are too few.
    fn dictionary(&self, settings: &ArchiveSettings) -> Vec<u8> {
        if self.samples.len() < settings.dictionary_bytes.saturating_mul(SAMPLES_TO_DICTIONARY_MIN) {
            return Vec::new();
        }
        // A dictionary makes blocks smaller, and none is needed.
        zstd::dict::from_continuous(&self.samples, &self.sample_bytes, settings.dictionary_bytes)
            .unwrap_or_default()
    }
}

/// Writes the archive of a segment that was surveyed.
pub(super) fn write(
    survey: &Survey,
    segment: &Path,
    settings: &ArchiveSettings,
    to: &mut impl Write,
    read: &mut dyn FnMut(u64),
) -> Result<(), LogError> {
    let dictionary = survey.dictionary(settings);
    let header = Header {
        first: survey.first,
        entries: survey.entries,
        segment_bytes: survey.bytes,
        dictionary_bytes: u32::try_from(dictionary.len()).unwrap_or(u32::MAX),
        dictionary_crc: crc32c::crc32c(&dictionary),
    };
    let failed = |error| io_error("write an archive of", segment, error);
    let mut compressor = Compressor::with_dictionary(settings.level, &dictionary).map_err(failed)?;
    to.write_all(&header.bytes()).and_then(|()| to.write_all(&dictionary)).map_err(failed)?;
    let (mut blocks, mut offset) = (Vec::new(), header.blocks_offset());
    let mut runs = Runs::open(segment, survey.first, settings.block_bytes)?;
    while let Some(run) = runs.next(|_| {})? {
        let compressed = compressor.compress(&run.bytes).map_err(failed)?;
        to.write_all(&compressed).map_err(failed)?;
        blocks.push(Block {
            first: run.first,
            segment_offset: run.offset,
            offset,
            compressed_bytes: length(&compressed).map_err(failed)?,
            bytes: length(&run.bytes).map_err(failed)?,
            crc: crc32c::crc32c(&compressed),
        });
        offset += compressed.len() as u64;
        read(run.bytes.len() as u64);
    }
    to.write_all(&layout::end(&blocks)).map_err(failed)
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// Bytes that are written through it, and their hash.
pub(super) struct Hashing<W> {
    to: W,
    hash: Context,
    pub(super) bytes: u64,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, hash: Context::new(&SHA256), bytes: 0 }
    }

    pub(super) fn sha256(self) -> Sha256 {
        Sha256::of(self.hash)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What zstd recommends: about a hundred times as much to learn from as is to be learned.
const SAMPLES_TO_DICTIONARY: usize = 100;

/// With less to learn from, a dictionary is longer than what it saves.
const SAMPLES_TO_DICTIONARY_MIN: usize = 10;
