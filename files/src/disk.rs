//! The operations on a disk, one at a time, so that a test can stop between any two.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::Path;

/// Where files are kept. Every operation fails as the system says; none is durable before the `sync_…` that
/// follows it.
pub trait Disk: Send + Sync {
    /// Makes a file that did not exist.
    fn create(&self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()>;

    /// When this returns `Ok`, the content of the file survives a power cut.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Puts `from` in the place of `to`, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// When this returns `Ok`, the names in the directory survive a power cut.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory, and those above it that are missing.
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a symbolic link that did not exist.
    fn link(&self, target: &str, path: &Path) -> io::Result<()>;

    /// Removes a file or a link.
    ///
    /// # Errors
    /// As the system says; a missing file is an error.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file to a group, if one is named (its number), and then sets the file's mode. A symbolic link
    /// is refused.
    ///
    /// # Errors
    /// As the system says: only the owner of a file may do this, and only with a group that it is in; root
    /// always.
    fn set_access(&self, path: &Path, group: Option<u32>, mode: u32) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn create(&self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(content)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o755).create(path)
    }

    fn link(&self, target: &str, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn set_access(&self, path: &Path, group: Option<u32>, mode: u32) -> io::Result<()> {
        if !path.symlink_metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        if group.is_some() {
            lchown(path, None, group)?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    }
}
