//! Durable replacement: write beside, sync, rename, sync the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{Disk, FileSystem, parent};

/// Puts a file with this mode and content in place. A reader sees the whole old content or the whole new one,
/// also after a power cut; when this returns `Ok`, the new one survives it.
///
/// # Errors
/// As the system says. The old content may then be in place, or the new.
pub fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    replace_on(&FileSystem, path, mode, content)
}

/// As [`replace()`], on a disk that may be a test's.
pub fn replace_on(disk: &dyn Disk, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    remove_if_there(disk, &unfinished)?;
    disk.create(&unfinished, mode, content)?;
    put_in_place(disk, &unfinished, path)
}

/// As [`replace()`], for content that is too long to hold in memory. Leaves nothing beside the file when it
/// fails.
///
/// # Errors
/// As [`replace()`], and as `write` says.
pub fn replace_with(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let unfinished = unfinished(path);
    remove_if_there(&FileSystem, &unfinished)?;
    let written = || {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush()?;
        put_in_place(&FileSystem, &unfinished, path)
    };
    written().inspect_err(|_| {
        fs::remove_file(&unfinished).ok();
    })
}

/// Makes `path` a symbolic link to `target`, atomically, whether or not it was one before.
///
/// # Errors
/// As the disk says. The old link may then be in place, or the new.
pub fn replace_link(disk: &dyn Disk, path: &Path, target: &str) -> io::Result<()> {
    let unfinished = unfinished(path);
    remove_if_there(disk, &unfinished)?;
    disk.link(target, &unfinished)?;
    disk.rename(&unfinished, path)?;
    disk.sync_directory(parent(path))
}

/// Removes a file; a missing one is no error.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file of this name is what a power cut left of a replacement.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(UNFINISHED)
}

fn put_in_place(disk: &dyn Disk, unfinished: &Path, path: &Path) -> io::Result<()> {
    disk.sync_file(unfinished)?;
    disk.rename(unfinished, path)?;
    disk.sync_directory(parent(path))
}

/// Where a file is written before it is put in place: in the same directory, `.NAME.unfinished`.
fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}{UNFINISHED}"))
}

const UNFINISHED: &str = ".unfinished";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_replaced_file_has_the_new_content_and_mode_and_nothing_lies_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "old").unwrap();
        // What a power cut left of an earlier replacement is no obstacle.
        fs::write(unfinished(&path), "half").unwrap();
        replace(&path, 0o600, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn content_that_cannot_be_written_leaves_the_old_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "old").unwrap();
        replace_with(&path, 0o644, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn an_unfinished_file_is_known_by_its_name() {
        let beside = unfinished(Path::new("/var/lib/touchmark/state.json"));
        assert!(is_unfinished(&beside.file_name().unwrap().to_string_lossy()));
        assert!(!is_unfinished("state.json") && !is_unfinished("state.unfinished"));
    }
}
