//! A disk that loses its power, and one that watches the order of things.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::state::{Disk, FileSystem};

/// Works `operations` times; then one operation fails, done or not done, and nothing works any more.
pub struct PowerCut {
    pub operations: usize,
    pub last_is_done: bool,
    pub count: AtomicUsize,
}

impl PowerCut {
    pub fn after(operations: usize, last_is_done: bool) -> Self {
        Self { operations, last_is_done, count: AtomicUsize::new(0) }
    }

    /// Whether the power was cut.
    pub fn happened(&self) -> bool {
        self.count.load(Ordering::SeqCst) > self.operations
    }

    fn pass(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if number < self.operations {
            return act();
        }
        if number == self.operations && self.last_is_done {
            act()?;
        }
        Err(io::Error::other("the power is cut"))
    }
}

impl Disk for PowerCut {
    fn create(&self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        // A write that is cut leaves half a file.
        let half = &content[..content.len() / 2];
        if self.count.load(Ordering::SeqCst) == self.operations && !self.last_is_done {
            FileSystem.create(path, mode, half)?;
        }
        self.pass(|| FileSystem.create(path, mode, content))
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.pass(|| FileSystem.sync_file(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(|| FileSystem.rename(from, to))
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.pass(|| FileSystem.sync_directory(path))
    }
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.pass(|| FileSystem.make_directory(path))
    }
    fn link(&self, target: &str, path: &Path) -> io::Result<()> {
        self.pass(|| FileSystem.link(target, path))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass(|| FileSystem.remove(path))
    }
    fn set_access(&self, path: &Path, group: Option<u32>, mode: u32) -> io::Result<()> {
        self.pass(|| FileSystem.set_access(path, group, mode))
    }
}

/// Writes down what is done.
#[derive(Default)]
pub struct Witness {
    seen: Mutex<Vec<Act>>,
}

impl Witness {
    /// Every file was synced before its name was given, and every name before the next step. Returns the
    /// number of names.
    pub fn each_name_follows_its_file(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        let mut renames = 0;
        for (n, act) in seen.iter().enumerate() {
            match act {
                Act::Create(path) => assert_eq!(seen[n + 1], Act::SyncFile(path.clone()), "{path:?}"),
                Act::Rename(_, to) => {
                    assert_eq!(seen[n + 1], Act::SyncDirectory(to.parent().unwrap().to_owned()), "{to:?}");
                    renames += 1;
                }
                _ => {}
            }
        }
        renames
    }

    fn see(&self, act: Act) {
        self.seen.lock().unwrap().push(act);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Create(PathBuf),
    SyncFile(PathBuf),
    Rename(PathBuf, PathBuf),
    SyncDirectory(PathBuf),
    Other,
}

impl Disk for Witness {
    fn create(&self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        self.see(Act::Create(path.to_owned()));
        FileSystem.create(path, mode, content)
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.see(Act::SyncFile(path.to_owned()));
        FileSystem.sync_file(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.see(Act::Rename(from.to_owned(), to.to_owned()));
        FileSystem.rename(from, to)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.see(Act::SyncDirectory(path.to_owned()));
        FileSystem.sync_directory(path)
    }
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.see(Act::Other);
        FileSystem.make_directory(path)
    }
    fn link(&self, target: &str, path: &Path) -> io::Result<()> {
        self.see(Act::Other);
        FileSystem.link(target, path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.see(Act::Other);
        FileSystem.remove(path)
    }
    fn set_access(&self, path: &Path, group: Option<u32>, mode: u32) -> io::Result<()> {
        self.see(Act::Other);
        FileSystem.set_access(path, group, mode)
    }
}

/// Has room for so many more files.
pub struct FullDisk {
    pub room: AtomicUsize,
}

impl FullDisk {
    pub fn with_room_for(files: usize) -> Self {
        Self { room: AtomicUsize::new(files) }
    }
}

impl Disk for FullDisk {
    fn create(&self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        match self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(1)) {
            Ok(_) => FileSystem.create(path, mode, content),
            Err(_) => {
                // What a full disk leaves: a name, and nothing in it.
                FileSystem.create(path, mode, b"")?;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        FileSystem.sync_file(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        FileSystem.sync_directory(path)
    }
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        FileSystem.make_directory(path)
    }
    fn link(&self, target: &str, path: &Path) -> io::Result<()> {
        FileSystem.link(target, path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
    fn set_access(&self, path: &Path, group: Option<u32>, mode: u32) -> io::Result<()> {
        FileSystem.set_access(path, group, mode)
    }
}
