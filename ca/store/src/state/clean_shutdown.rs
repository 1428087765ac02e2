//! Whether a sled directory may be opened: only if it was closed cleanly, or if the process alone died (same
//! boot, same mount, so that the page cache kept what was written). sled 0.34 does not survive a power cut,
//! and a successful open of it proves nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use files::{OWNER_ONLY, sync_directory};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// Which generation of the projection is in use, and how far it can be trusted.
pub(super) struct CleanShutdownMark {
    directory: PathBuf,
    generation: u64,
}

impl CleanShutdownMark {
    /// Reads the mark; `true`: the generation may be opened.
    pub(super) fn read(directory: &Path) -> io::Result<(Self, bool)> {
        fs::create_dir_all(directory)?;
        let text = fs::read_to_string(directory.join(MARK_FILE)).unwrap_or_default();
        let mut words = text.split_whitespace();
        let mark = words.next();
        let generation = words.next().and_then(|number| number.parse().ok());
        let recorded = words.collect::<Vec<_>>().join(" ");
        let trusted = match mark {
            Some("closed") => true,
            Some("open") => identity(directory).is_some_and(|identity| identity == recorded),
            _ => false,
        };
        let clean_shutdown = Self { directory: directory.to_owned(), generation: generation.unwrap_or(0) };
        let there = generation.is_some() && clean_shutdown.path().is_dir();
        Ok((clean_shutdown, trusted && there))
    }

    /// Starts a generation that nothing was written to, and removes all others.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        fs::remove_file(self.directory.join(MARK_FILE)).or_else(absent)?;
        let mut newest = self.generation;
        for file in fs::read_dir(&self.directory)? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(generation) = name.strip_prefix(GENERATION_PREFIX) {
                newest = newest.max(generation.parse().unwrap_or(0));
                fs::remove_dir_all(&path).or_else(absent)?;
            }
        }
        self.generation = newest + 1;
        Ok(())
    }

    /// Marks the generation as being written. Before the first write.
    pub(super) fn mark_open(&self) -> io::Result<()> {
        // Without an identity of the mount, a dead process and a dead file system look the same.
        let identity = identity(&self.directory).unwrap_or_else(|| "unknown".to_owned());
        self.write(&format!("open {} {identity}\n", self.generation))
    }

    /// Makes all files of the generation durable and marks it as whole. After sled is closed.
    pub(super) fn mark_closed(&self) -> io::Result<()> {
        sync_tree(&self.path())?;
        sync_directory(&self.directory)?;
        self.write(&format!("closed {}\n", self.generation))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{GENERATION_PREFIX}{}", self.generation))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        files::replace(&self.directory.join(MARK_FILE), OWNER_ONLY, text.as_bytes())
    }
}

/// This boot and this mount; `None` where the kernel (before 6.8) cannot tell one mount from the next.
fn identity(directory: &Path) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let unique = StatxFlags::from_bits_retain(STATX_MNT_ID_UNIQUE);
    let found = statx(CWD, directory, AtFlags::empty(), unique).ok()?;
    (found.stx_mask & STATX_MNT_ID_UNIQUE != 0).then(|| format!("{} {}", boot.trim(), found.stx_mnt_id))
}

fn sync_tree(directory: &Path) -> io::Result<()> {
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        if path.is_dir() { sync_tree(&path)? } else { File::open(&path)?.sync_all()? }
    }
    sync_directory(directory)
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// `linux/stat.h`: an id that no later mount has; the ordinary mount id is used again.
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

const MARK_FILE: &str = "trust";

const GENERATION_PREFIX: &str = "generation-";
