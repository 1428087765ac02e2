//! Archives: sealed segments, compressed, which may lie on another disk.
//!
//! An archive gives back every byte of the segment that it was made of. Its manifest has the hashes of both,
//! so that it can be verified without the ledger and the CA. Nothing is deleted here: a segment is removed
//! only when its archive was read back.

mod layout;
mod manifest;
mod moving;
mod reader;
mod segment;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::RwLock;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

use crate::LogError;
use crate::files::GROUP_OR_OTHERS_WRITE;
use crate::tree::Hash;
pub(crate) use manifest::ARCHIVED_FILE;
pub use manifest::{ArchiveRecord, Manifest};
use manifest::{MANIFEST_FILE, Sha256};
pub use moving::{Mover, SealedSegment, sealed_segments};
use reader::Archive;
pub(crate) use verify::verify_one;
pub use verify::{Fault, Verified, verify};

/// How archives are compressed. Any archive can be read, whatever it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// Of zstd, 1 to 22.
    pub level: i32,
    /// The size of a block before it is compressed: what is read to find one entry.
    pub block_bytes: usize,
    /// The size of the dictionary; 0: none.
    pub dictionary_bytes: usize,
}

impl Default for ArchiveSettings {
    /// As measured (ADR 0078).
    fn default() -> Self {
        Self { level: 9, block_bytes: 64 << 10, dictionary_bytes: 16 << 10 }
    }
}

/// What is archived of a ledger.
///
/// # Errors
/// When the manifest in its directory cannot be read.
pub fn archived(ledger: &Path) -> Result<Manifest, LogError> {
    Ok(Manifest::read(&ledger.join(ARCHIVED_FILE))?.unwrap_or_default())
}

/// The archives in a directory of them; `None`: it has no manifest.
///
/// # Errors
/// When the manifest cannot be read.
pub fn archives_in(directory: &Path) -> Result<Option<Manifest>, LogError> {
    Manifest::read(&directory.join(MANIFEST_FILE))
}

/// The archives of one ledger, for reading.
pub struct Archives {
    ledger: PathBuf,
    /// Where archives are looked for first; then where they were put.
    directory: Option<PathBuf>,
    manifest: RwLock<Arc<Manifest>>,
    open: Cache<u64, Arc<Archive>>,
    blocks: Cache<(u64, usize), Bytes, BlockBytes>,
}

impl Archives {
    /// The archives that the directory of a ledger names. They are looked for in `directory`, and then where
    /// they were put. None is opened before something in it is read.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn of(ledger: &Path, directory: Option<PathBuf>) -> Result<Self, LogError> {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((BLOCKS_BYTES_MAX >> 16) as usize)
            .weight_capacity(BLOCKS_BYTES_MAX)
            .build();
        let options =
            options.map_err(|_| segment::io_error("read", ledger, std::io::ErrorKind::Other.into()))?;
        let archives = Self {
            ledger: ledger.to_owned(),
            directory,
            manifest: RwLock::default(),
            open: Cache::new(ARCHIVES_OPEN_MAX),
            blocks: Cache::with_options(options, BlockBytes, <_>::default(), <_>::default()),
        };
        archives.look_again()?;
        Ok(archives)
    }

    /// Reads the manifest again: another process may have moved a segment.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look_again(&self) -> Result<(), LogError> {
        *self.manifest.write() = Arc::new(archived(&self.ledger)?);
        Ok(())
    }

    /// What is archived.
    pub fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest.read())
    }

    /// The encoded entries from `first` on, at least one and at most `count`, as many as lie in one block.
    /// Empty: entry `first` is in no archive, or `count` is 0.
    ///
    /// # Errors
    /// When the archive is not there, or damaged.
    pub fn read(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        let manifest = self.manifest();
        let Some(record) = manifest.archive_of(first).filter(|_| count > 0) else { return Ok(Vec::new()) };
        let (archive, position, block) = self.block_of(record, first)?;
        let mut payloads = Vec::new();
        archive.walk(position, &block, first.0.saturating_add(count), |frame| {
            if frame.number >= first {
                payloads.push(block.slice_ref(frame.payload));
            }
        })?;
        if payloads.is_empty() {
            return Err(archive.lacks(first, "the index says that it has this entry"));
        }
        // What is kept of a block must not keep all of it in memory.
        if payloads.iter().map(Bytes::len).sum::<usize>() < block.len() / 2 {
            payloads.iter_mut().for_each(|payload| *payload = Bytes::copy_from_slice(payload));
        }
        Ok(payloads)
    }

    /// The root of the tree behind an entry; `None`: it is in no archive, or no batch ended with it, or one
    /// of a former version.
    ///
    /// # Errors
    /// When the archive is not there, or damaged.
    pub fn root(&self, entry: EntryNumber) -> Result<Option<Hash>, LogError> {
        let manifest = self.manifest();
        let Some(record) = manifest.archive_of(entry) else { return Ok(None) };
        if record.next() == entry.0 + 1 {
            return Ok(record.tree_behind().map(|tree| tree.root()));
        }
        let (archive, position, block) = self.block_of(record, entry)?;
        let mut root = None;
        archive.walk(position, &block, entry.0 + 1, |frame| root = frame.root)?;
        Ok(root)
    }

    /// The archive of an entry that it must have, and the block that the entry is in.
    fn block_of(
        &self,
        record: &ArchiveRecord,
        entry: EntryNumber,
    ) -> Result<(Arc<Archive>, usize, Bytes), LogError> {
        let find = || self.find(record, entry).map(Arc::new);
        let archive = self.open.get_or_insert_with(&record.first_entry, find)?;
        let Some(position) = archive.block_of(entry) else {
            return Err(archive.lacks(entry, "the manifest says that it has this entry"));
        };
        let block =
            self.blocks.get_or_insert_with(&(record.first_entry, position), || archive.block(position))?;
        Ok((archive, position, block))
    }

    /// The file of an archive: in the directory for all of them, or where it was put.
    pub fn path_of(&self, record: &ArchiveRecord) -> PathBuf {
        let put = record.directory.join(&record.file);
        match &self.directory {
            // The error names the place that the configuration says.
            Some(directory) if directory.join(&record.file).exists() || !put.exists() => {
                directory.join(&record.file)
            }
            Some(_) | None => put,
        }
    }

    fn find(&self, record: &ArchiveRecord, entry: EntryNumber) -> Result<Archive, LogError> {
        let path = self.path_of(record);
        refuse_if_exposed(&path)?;
        Archive::open(&path, record.first()).map_err(|error| match error {
            LogError::ArchiveMissing { file, .. } => LogError::ArchiveMissing { file, entry },
            other => other,
        })
    }
}

/// Refuses an archive that others can write to: what is in it proves nothing.
fn refuse_if_exposed(path: &Path) -> Result<(), LogError> {
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode() & 0o7777);
    if mode & GROUP_OR_OTHERS_WRITE == 0 {
        return Ok(());
    }
    let why = format!("it can be written by others (mode {mode:04o}); verify it, then: chmod go-w");
    Err(segment::io_error("read", path, std::io::Error::new(std::io::ErrorKind::PermissionDenied, why)))
}

#[derive(Clone)]
struct BlockBytes;

impl Weighter<(u64, usize), Bytes> for BlockBytes {
    fn weight(&self, _: &(u64, usize), block: &Bytes) -> u64 {
        block.len() as u64
    }
}

/// Open archives; each has a file descriptor, an index and a dictionary.
const ARCHIVES_OPEN_MAX: usize = 16;

/// Decompressed blocks that are kept: entries that are asked for together often lie together.
const BLOCKS_BYTES_MAX: u64 = 4 << 20;
