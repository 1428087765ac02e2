//! Whether archives give back what their manifest says, without the ledger, the CA and its keys.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use ledger::EntryNumber;
use rustix::fs::{Advice, fadvise};

use super::manifest::{MANIFEST_FILE, Manifest};
use super::reader::Archive;
use super::segment::io_error;
use super::{ArchiveRecord, Sha256};
use crate::LogError;
use crate::files::ROOT_DIFFERS;
use crate::tree::{self, Frontier, Hash};

/// What is wrong with the archives in a directory.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The archive, or the manifest.
    pub file: PathBuf,
    /// What it lacks.
    pub error: LogError,
}

/// What was verified.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// Archives that are what the manifest says.
    pub archives: u64,
    /// Their entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes of the segments that they were made of.
    pub segment_bytes: u64,
    /// The root of the Merkle tree behind the last entry, if the archives have all entries from the first on
    /// and nothing is wrong.
    pub root: Option<Hash>,
    /// All that is wrong.
    pub faults: Vec<Fault>,
}

/// Verifies all archives of a directory by the manifest in it: hashes, blocks, and every entry. Shows how
/// many bytes of segments were verified.
///
/// # Errors
/// When the directory has no manifest, or it cannot be read. What is wrong with an archive is in the answer.
pub fn verify(directory: &Path, progress: &mut dyn FnMut(u64)) -> Result<Verified, LogError> {
    let path = directory.join(MANIFEST_FILE);
    let manifest = Manifest::read(&path)?.ok_or_else(|| LogError::ArchiveMissing {
        file: path.display().to_string(),
        entry: EntryNumber(1),
    })?;
    let mut verified = Verified::default();
    let (mut next, mut tree) = (None, Some(Frontier::default()));
    for record in manifest.archives() {
        if next.is_some_and(|next| next != record.first_entry) {
            let error = LogError::Damaged {
                place: path.display().to_string(),
                entry: EntryNumber(next.unwrap_or_default()),
                what: "the archive with this entry is not in the manifest",
            };
            verified.faults.push(Fault { file: path.clone(), error });
        }
        next = Some(record.next());
        let file = directory.join(&record.file);
        let before = tree.take().filter(|tree| tree.size() + 1 == record.first_entry);
        tree = record.tree_behind();
        match verify_one(&file, record, before, &mut |_| {}, progress) {
            Ok(_) => {
                verified.archives += 1;
                verified.entries += record.entries;
                verified.bytes += record.bytes;
                verified.segment_bytes += record.segment_bytes;
            }
            Err(error) => verified.faults.push(Fault { file, error }),
        }
    }
    let is_whole = manifest.archives().first().is_some_and(|record| record.first_entry == 1);
    verified.root = tree.filter(|_| is_whole && verified.faults.is_empty()).map(|tree| tree.root());
    Ok(verified)
}

/// Reads an archive from the disk and compares all of it with its record. If the tree before it is known,
/// also the roots of its batches and the tree behind it. Returns that, and shows `look` the tree behind each
/// entry.
pub(crate) fn verify_one(
    path: &Path,
    record: &ArchiveRecord,
    before: Option<Frontier>,
    look: &mut dyn FnMut(&Frontier),
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Frontier>, LogError> {
    let archive = Archive::open(path, record.first())?;
    if hash_of(path)?.hex() != record.sha256 {
        return Err(archive.lacks(record.first(), "its SHA-256 is not the manifest's"));
    }
    let (mut hash, mut next, mut tree, mut differs) = (Context::new(&SHA256), record.first(), before, None);
    for position in 0..archive.blocks() {
        let block = archive.block(position)?;
        hash.update(&block);
        archive.walk(position, &block, u64::MAX, |frame| {
            next.0 += 1;
            let Some(tree) = &mut tree else { return };
            tree.push(tree::leaf(frame.payload));
            look(tree);
            if frame.root.is_some_and(|root| root != tree.root()) {
                differs = differs.or(Some(frame.number));
            }
        })?;
        progress(block.len() as u64);
    }
    if next.0 != record.next() || archive.entries() != record.entries {
        return Err(archive.lacks(next, "it has another number of entries than the manifest says"));
    }
    if Sha256::of(hash).hex() != record.segment_sha256 {
        return Err(archive.lacks(record.first(), "the SHA-256 of its segment is not the manifest's"));
    }
    let told = record.tree_behind();
    match (differs, &tree) {
        (Some(entry), _) => Err(archive.lacks(entry, ROOT_DIFFERS)),
        (None, Some(_)) if tree != told => {
            Err(archive.lacks(next, "the tree behind it is not the manifest's"))
        }
        (None, _) => Ok(told),
    }
}

/// The hash of a file as it is on the disk: what the kernel has of it in memory is dropped first.
fn hash_of(path: &Path) -> Result<Sha256, LogError> {
    let read = || -> std::io::Result<Sha256> {
        let mut file = File::open(path)?;
        fadvise(&file, 0, None, Advice::DontNeed).ok();
        let (mut hash, mut piece) = (Context::new(&SHA256), vec![0; PIECE_BYTES]);
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok(Sha256::of(hash));
            }
            hash.update(piece.get(..read).unwrap_or_default());
        }
    };
    read().map_err(|error| io_error("read", path, error))
}

/// Read at once.
const PIECE_BYTES: usize = 1 << 20;
