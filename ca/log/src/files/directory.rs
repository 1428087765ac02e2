//! The directory of a log: made and opened durably, locked, and closed to the writes of others.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ::files::{OWNER_ONLY, sync_directory};
use ledger::EntryNumber;
use rustix::fs::{FlockOperation, flock};

use super::segment::{self, io_error};
use crate::archive::ARCHIVED_FILE;
use crate::{LogError, OpenError};

/// Makes the directory, which must hold no log, and locks it.
pub(super) fn create(directory: &Path) -> Result<File, OpenError> {
    make(directory).map_err(|error| io_error("create", directory, error))?;
    let lock = lock(directory)?;
    match segment_paths(directory)?.is_empty() {
        true => Ok(lock),
        false => Err(OpenError::Exists(directory.display().to_string())),
    }
}

pub(super) fn open(directory: &Path) -> Result<File, OpenError> {
    let missing = || OpenError::Missing(directory.display().to_string());
    if !directory.is_dir() {
        return Err(missing());
    }
    let lock = lock(directory)?;
    let paths = segment_paths(directory)?;
    if paths.is_empty() {
        return Err(missing());
    }
    refuse_if_exposed(directory, OTHERS_WRITE)?;
    paths.iter().try_for_each(|(_, path)| refuse_if_exposed(path, GROUP_OR_OTHERS_WRITE))?;
    let archived = archived_file(directory);
    if archived.exists() {
        refuse_if_exposed(&archived, GROUP_OR_OTHERS_WRITE)?;
    }
    Ok(lock)
}

/// The segments and their first entries, in order.
pub(super) fn segment_paths(directory: &Path) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let list = || -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for file in fs::read_dir(directory)? {
            let path = file?.path();
            found.extend(segment::first_of(&path).map(|first| (first, path)));
        }
        found.sort_unstable();
        Ok(found)
    };
    list().map_err(|error| io_error("list", directory, error))
}

/// The manifest of what was archived of the log.
pub(super) fn archived_file(directory: &Path) -> PathBuf {
    directory.join(ARCHIVED_FILE)
}

/// Notes that the log holds all entries up to `head`: a later start that finds fewer knows that it is
/// damaged.
pub(super) fn note_end(directory: &Path, head: EntryNumber) -> Result<(), LogError> {
    let path = directory.join(END_FILE);
    let written = ::files::replace(&path, OWNER_ONLY, format!("{head}\n").as_bytes());
    written.map_err(|error| io_error("write", &path, error))
}

/// The last entry as it was noted at the last clean stop; `None`: it was never noted.
pub(super) fn noted_end(directory: &Path) -> Result<Option<EntryNumber>, LogError> {
    let path = directory.join(END_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(head) => Ok(Some(EntryNumber(head))),
            Err(_) => Err(segment::damaged(&path, 0, EntryNumber(0), "no number")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path, error)),
    }
}

/// Makes the directory and those above it that are missing, all durable: what is acknowledged in there must
/// be found after a power cut.
fn make(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|ancestor| !ancestor.exists()).count();
    fs::create_dir_all(directory)?;
    // The name of each lies in the one above it. One that was there may have been made a moment ago.
    for parent in directory.ancestors().skip(1).take(missing.max(1)) {
        let current = Path::new(".");
        sync_directory(if parent.as_os_str().is_empty() { current } else { parent })?;
    }
    Ok(())
}

/// Refuses a log that others can write to: it proves nothing. Nothing is repaired here, so that whoever sees
/// the message knows it was so.
fn refuse_if_exposed(path: &Path, forbidden: u32) -> Result<(), OpenError> {
    let metadata = fs::metadata(path).map_err(|error| io_error("look at", path, error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    let path = path.to_owned();
    if mode & forbidden == 0 { Ok(()) } else { Err(OpenError::Exposed { path, mode }) }
}

/// Two CAs on one directory would write over each other.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK_FILE);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| io_error("open", &path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(directory.display().to_string())),
        Err(error) => Err(io_error("lock", &path, error.into()).into()),
    }
}

/// Files are made with mode 0600.
pub(crate) const GROUP_OR_OTHERS_WRITE: u32 = 0o022;

/// A directory is made as the umask has it, which may let the group write.
const OTHERS_WRITE: u32 = 0o002;

const END_FILE: &str = "closed-at";

const LOCK_FILE: &str = "lock";
