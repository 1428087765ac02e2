//! Moves sealed segments into an archive: the segment is removed only when the archive was read back from the
//! disk and both manifests name it. A crash leaves the segment, or the segment and the archive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ::files::{OWNER_ONLY, replace_with, sync_directory};
use ledger::EntryNumber;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::manifest::{ARCHIVED_FILE, MANIFEST_FILE, Manifest, file_name, text};
use super::segment::{SEGMENT_HEADER_BYTES, io_error};
use super::verify::verify_one;
use super::writer::{Hashing, Survey, write};
use super::{ArchiveRecord, ArchiveSettings};
use crate::files::offsets_file;
use crate::files::segment::first_of;
use crate::tree::Frontier;
use crate::{LogError, format, frame};

/// A segment to which nothing is appended any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSegment {
    /// Its file.
    pub path: PathBuf,
    /// Its first entry.
    pub first: EntryNumber,
}

/// A step that changes what is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    WriteArchive,
    WriteManifest,
    NoteArchived,
    RemoveSegment,
    SyncLedger,
}

/// Moves segments of one ledger. While it exists no other process does.
pub struct Mover {
    ledger: PathBuf,
    to: PathBuf,
    settings: ArchiveSettings,
    /// What is archived of this ledger, and what is in the directory of archives.
    noted: Manifest,
    in_directory: Manifest,
    _lock: File,
    /// Asked before each step; a test stops there.
    pub(super) before: Box<dyn FnMut(Step) -> io::Result<()> + Send>,
}

impl Mover {
    /// Begins to move segments from the directory of a ledger to a directory of archives, which is made if
    /// it is missing.
    ///
    /// # Errors
    /// When the ledger belongs to another user, another process moves segments, a manifest cannot be read, or
    /// the disk refuses.
    pub fn begin(ledger: &Path, to: &Path, settings: ArchiveSettings) -> Result<Self, LogError> {
        refuse_others(ledger).map_err(|error| io_error("archive", ledger, error))?;
        let lock = lock(ledger).map_err(|error| io_error("lock the archive of", ledger, error))?;
        fs::create_dir_all(to).map_err(|error| io_error("create", to, error))?;
        let to = to.canonicalize().map_err(|error| io_error("look at", to, error))?;
        sync_directory(::files::parent(&to)).map_err(|error| io_error("sync", &to, error))?;
        let noted = Manifest::read(&ledger.join(ARCHIVED_FILE))?.unwrap_or_default();
        let in_directory = match Manifest::read(&to.join(MANIFEST_FILE))? {
            Some(manifest) => manifest,
            // A directory of archives is told from any other, also before there are any.
            None => Manifest::default().written(&to.join(MANIFEST_FILE))?,
        };
        let before = Box::new(|_| Ok(()));
        Ok(Self { ledger: ledger.to_owned(), to, settings, noted, in_directory, _lock: lock, before })
    }

    /// Moves one segment, the first one that is not archived. Shows how many bytes were read, of three times
    /// its length in all.
    ///
    /// # Errors
    /// When the segment is damaged, the archive does not give it back, or the disk refuses. The segment is
    /// then where it was, but for an error in the very last step.
    pub fn move_segment(
        &mut self,
        segment: &SealedSegment,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ArchiveRecord, LogError> {
        let before = self.tree_before(segment)?;
        let survey = Survey::of(&segment.path, before.clone(), &self.settings, progress)?;
        let record = match self.archived_before(&survey, &before, progress)? {
            Some(record) => record,
            None => self.write_archive(segment, &survey, before, progress)?,
        };
        self.in_directory.put(record.clone());
        let manifest = self.to.join(MANIFEST_FILE);
        self.step(Step::WriteManifest, &manifest)?;
        self.in_directory.write(&manifest)?;
        self.noted.put(record.clone());
        let noted = self.ledger.join(ARCHIVED_FILE);
        self.step(Step::NoteArchived, &noted)?;
        self.noted.write(&noted)?;
        self.step(Step::RemoveSegment, &segment.path)?;
        fs::remove_file(&segment.path).map_err(|error| io_error("remove", &segment.path, error))?;
        // Where its entries lay: derived, and of no use any more.
        fs::remove_file(offsets_file(&segment.path)).ok();
        self.step(Step::SyncLedger, &self.ledger.clone())?;
        sync_directory(&self.ledger).map_err(|error| io_error("sync", &self.ledger, error))?;
        Ok(record)
    }

    /// The tree of all entries before the segment: segments are moved in the order of their entries.
    fn tree_before(&self, segment: &SealedSegment) -> Result<Frontier, LogError> {
        if segment.first.0 == 1 {
            return Ok(Frontier::default());
        }
        let before = self.noted.archives().iter().find(|record| record.next() == segment.first.0);
        before.and_then(ArchiveRecord::tree_behind).ok_or_else(|| {
            let why = io::Error::other("the entries before it are not archived");
            io_error("archive", &segment.path, why)
        })
    }

    /// The record of an archive that an earlier run, which did not end, has written of the same segment.
    fn archived_before(
        &self,
        survey: &Survey,
        before: &Frontier,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<ArchiveRecord>, LogError> {
        let Some(record) = self.in_directory.archive_of(survey.first) else { return Ok(None) };
        if record.segment_sha256 != survey.sha256.hex() {
            let why = "it has an archive of other entries with these numbers; take an empty directory";
            return Err(io_error("archive to", &self.to, io::Error::new(io::ErrorKind::AlreadyExists, why)));
        }
        let path = self.to.join(&record.file);
        let whole = verify_one(&path, record, Some(before.clone()), &mut |_| {}, progress).is_ok();
        Ok(whole.then(|| ArchiveRecord { directory: self.to.clone(), ..record.clone() }))
    }

    /// Writes an archive, and reads it back from the disk.
    fn write_archive(
        &mut self,
        segment: &SealedSegment,
        survey: &Survey,
        before: Frontier,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ArchiveRecord, LogError> {
        let file = file_name(segment.first.0);
        let path = self.to.join(&file);
        self.step(Step::WriteArchive, &path)?;
        let (mut written, mut failed) = (None, None);
        let put = replace_with(&path, OWNER_ONLY, |to| {
            let mut to = Hashing::new(to);
            match write(survey, &segment.path, &self.settings, &mut to, progress) {
                Ok(()) => written = Some((to.bytes, to.sha256())),
                Err(error) => {
                    failed = Some(error);
                    return Err(io::Error::other("the archive was not written"));
                }
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        put.map_err(|error| io_error("write", &path, error))?;
        let (bytes, sha256) = written.ok_or_else(|| io_error("write", &path, io::ErrorKind::Other.into()))?;
        let name = segment.path.file_name().unwrap_or_default();
        let record = ArchiveRecord {
            file,
            directory: self.to.clone(),
            bytes,
            sha256: sha256.hex(),
            first_entry: segment.first.0,
            entries: survey.entries,
            first_at: survey.times.map(|(first, _)| text(first)),
            last_at: survey.times.map(|(_, last)| text(last)),
            segment: name.to_string_lossy().into_owned(),
            segment_bytes: survey.bytes,
            segment_sha256: survey.sha256.hex(),
            tree: survey.tree.peaks().iter().map(hex::encode).collect(),
        };
        verify_one(&path, &record, Some(before), &mut |_| {}, progress)?;
        Ok(record)
    }

    fn step(&mut self, step: Step, path: &Path) -> Result<(), LogError> {
        (self.before)(step).map_err(|error| io_error("write", path, error))
    }
}

/// The sealed segments of a ledger, in order, and when the last entry of each was recorded at the latest.
/// Also right while a CA appends: the last segment with an entry is not sealed.
///
/// # Errors
/// When the directory or a segment cannot be read.
pub fn sealed_segments(ledger: &Path) -> Result<Vec<(SealedSegment, SystemTime)>, LogError> {
    let list = || -> io::Result<Vec<SealedSegment>> {
        let mut found = Vec::new();
        for file in fs::read_dir(ledger)? {
            let path = file?.path();
            found.extend(first_of(&path).map(|first| SealedSegment { path, first: EntryNumber(first) }));
        }
        found.sort_unstable_by_key(|segment| segment.first);
        Ok(found)
    };
    let segments = list().map_err(|error| io_error("list", ledger, error))?;
    let mut sealed = Vec::new();
    for pair in segments.windows(2) {
        let [segment, following] = pair else { continue };
        // A segment without entries may be given up again, and the one before it then goes on.
        let Some(until) = first_recorded_at(following)? else { break };
        sealed.push((segment.clone(), until));
    }
    Ok(sealed)
}

/// When the first entry of a segment was recorded; `None`: it has none.
fn first_recorded_at(segment: &SealedSegment) -> Result<Option<SystemTime>, LogError> {
    let bytes = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&segment.path)?.take(FIRST_ENTRY_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = bytes().map_err(|error| io_error("read", &segment.path, error))?;
    let frame = bytes.get(SEGMENT_HEADER_BYTES..).and_then(frame::read);
    Ok(frame.and_then(|frame| format::recorded_at(frame.payload)))
}

/// Files that another user makes here, root for example, could not be read by the CA at its next start.
fn refuse_others(ledger: &Path) -> io::Result<()> {
    let (owner, we) = (ledger.metadata()?.uid(), geteuid().as_raw());
    if owner == we {
        return Ok(());
    }
    let why = format!("it belongs to user {owner}, and this is run by user {we}; run it as the CA's user");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn lock(ledger: &Path) -> io::Result<File> {
    let path = ledger.join(LOCK_FILE);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

const LOCK_FILE: &str = "archive.lock";

/// More than the longest entry; a longer one only keeps the segment before it where it is.
const FIRST_ENTRY_BYTES_MAX: u64 = 16 << 20;
