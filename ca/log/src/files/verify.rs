//! Reads all segments of a ledger, whether a CA has it open or not, and computes the tree anew.

use std::path::{Path, PathBuf};

use ledger::EntryNumber;

use super::directory;
use super::scan::{Scan, Stop};
use super::segment::damaged;
use crate::archive::{Archives, verify_one};
use crate::tree::{Frontier, Hash};
use crate::{LogError, OpenError};

/// What the segments of a ledger hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of the last entry.
    pub entries: EntryNumber,
    /// The root of the tree over all entries.
    pub root: Hash,
    /// The root of the tree over the entries up to the one that was asked about, if there are so many.
    pub root_asked: Option<Hash>,
    /// Ledger files and archives.
    pub files: usize,
    /// What lies behind the last entry: a batch that is being written, or that a crash tore.
    pub tail: Option<Unfinished>,
}

/// Where a batch at the end of a ledger is not intact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The ledger file.
    pub file: PathBuf,
    /// The offset of the first frame that is not intact, bytes.
    pub offset: u64,
    /// The entry that would be there.
    pub entry: EntryNumber,
}

/// How far [`verify`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verifying {
    /// Bytes of the files that were read.
    pub bytes: u64,
    /// Bytes of all files, as of the beginning.
    pub bytes_all: u64,
}

/// Reads every entry of the ledger in this directory, checks every frame and the root of every batch, and
/// computes the root of the tree over all entries, and over those up to `asked`. Takes no lock and changes
/// nothing. What is appended meanwhile may be seen or not.
///
/// # Errors
/// The first entry that is not as it was recorded.
pub fn verify(
    directory: &Path,
    archive_dir: Option<&Path>,
    asked: EntryNumber,
    each: &mut dyn FnMut(Verifying),
) -> Result<Verified, OpenError> {
    let paths = directory::segment_paths(directory)?;
    if paths.is_empty() {
        return Err(OpenError::Missing(directory.display().to_string()));
    }
    let archives = Archives::of(directory, archive_dir.map(Path::to_owned))?;
    let mut progress = Verifying { bytes: 0, bytes_all: bytes_of(&paths, &archives) };
    let mut files = paths.len();
    let (mut tree, mut tail) = (Frontier::default(), None);
    let mut root_asked = (asked.0 == 0).then(|| tree.root());
    for (position, (first, path)) in paths.iter().enumerate() {
        if !path.exists() {
            // It was archived a moment ago.
            archives.look_again()?;
            files -= 1;
            continue;
        }
        let mut look = |tree: &Frontier| {
            if tree.size() == asked.0 {
                root_asked = Some(tree.root());
            }
        };
        let manifest = archives.manifest();
        while tree.size() + 1 < *first
            && let Some(record) = manifest.archive_of(EntryNumber(tree.size() + 1))
        {
            let before = Some(tree).filter(|tree| tree.size() + 1 == record.first_entry);
            let mut read = |bytes| {
                progress.bytes += bytes;
                each(progress);
            };
            let behind = verify_one(&archives.path_of(record), record, before, &mut look, &mut read)?;
            tree = behind.unwrap_or_default();
            files += 1;
        }
        let next = EntryNumber(tree.size() + 1);
        if *first != next.0 {
            return Err(damaged(path, 0, next, "the file with this entry is missing").into());
        }
        let scan = match position + 1 == paths.len() {
            false => Scan::sealed(path, *first, tree, &mut look)?,
            true => last(path, *first, tree, position > 0, &mut look)?,
        };
        tail = scan.broken.map(|Stop { offset, entry, .. }| {
            let (file, entry) = (path.clone(), EntryNumber(entry));
            Unfinished { file, offset, entry }
        });
        progress.bytes += path.metadata().map_or(0, |metadata| metadata.len());
        each(progress);
        tree = scan.tree;
    }
    let entries = EntryNumber(tree.size());
    // A batch that is not complete does not count.
    let root_asked = root_asked.filter(|_| asked <= entries);
    Ok(Verified { entries, root: tree.root(), root_asked, files, tail })
}

/// Bytes of all segments, and of those that are archived.
fn bytes_of(paths: &[(u64, PathBuf)], archives: &Archives) -> u64 {
    let here = paths.iter().map(|(_, path)| path.metadata().map_or(0, |metadata| metadata.len()));
    let manifest = archives.manifest();
    let is_here = |first: u64| paths.iter().any(|(other, _)| *other == first);
    let archived = manifest.archives().iter().filter(|record| !is_here(record.first_entry));
    here.sum::<u64>() + archived.map(|record| record.segment_bytes).sum::<u64>()
}

/// Reads the last segment, to which a CA may be appending. A reader that is overtaken sees a later batch
/// behind one that it saw only a part of; that one is whole when it is read again.
fn last(
    path: &Path,
    first: u64,
    before: Frontier,
    may_be_unborn: bool,
    look: &mut dyn FnMut(&Frontier),
) -> Result<Scan, OpenError> {
    let mut damage_before = None;
    loop {
        match (Scan::last(path, first, before.clone(), may_be_unborn, look), damage_before) {
            (Err(OpenError::Log(LogError::Damaged { place, entry, what })), before) => {
                if before.as_ref() == Some(&place) {
                    return Err(LogError::Damaged { place, entry, what }.into());
                }
                damage_before = Some(place);
            }
            (read, _) => return read,
        }
    }
}
