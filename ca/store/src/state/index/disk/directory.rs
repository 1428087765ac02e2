//! The directory of the index: names of its files, and what is known of damage to them.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::StoreError;

/// Where the files of one index lie.
#[derive(Debug)]
pub(in crate::state) struct IndexDirectory {
    path: PathBuf,
    /// The number of the next file. No number is used twice while files are there.
    next: AtomicU64,
    damaged: AtomicBool,
}

/// What a file of the index holds. Its name begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::state) enum Kind {
    /// Rows of one table, sorted by their keyed hashes.
    Run,
    /// Records of one column, by their numbers.
    Column,
    /// Certificates by their last second.
    Expiries,
    /// What a checkpoint keeps of what changes.
    State,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Run, Self::Column, Self::Expiries, Self::State];

    fn prefix(self) -> &'static str {
        match self {
            Self::Run => "run-",
            Self::Column => "column-",
            Self::Expiries => "expiries-",
            Self::State => "state-",
        }
    }
}

impl IndexDirectory {
    /// Makes the directory if it is not there.
    pub(in crate::state) fn open(path: &Path) -> io::Result<Arc<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let newest = numbers(path)?.into_iter().map(|(_, number, _)| number).max().unwrap_or(0);
        Ok(Arc::new(Self {
            path: path.to_owned(),
            next: AtomicU64::new(newest + 1),
            damaged: AtomicBool::new(false),
        }))
    }

    /// A number that no file has.
    pub(in crate::state) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(in crate::state) fn file(&self, kind: Kind, number: u64) -> PathBuf {
        self.path.join(format!("{}{number:010}", kind.prefix()))
    }

    /// The file that says which files make up the index, and as of which entry.
    pub(in crate::state) fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Makes the names of new files durable.
    pub(in crate::state) fn sync(&self) -> io::Result<()> {
        files::sync_directory(&self.path)
    }

    /// Removes all files that are not among these. What cannot be removed stays until the next time.
    pub(in crate::state) fn keep(&self, wanted: &BTreeSet<(Kind, u64)>) {
        for (kind, number, path) in numbers(&self.path).unwrap_or_default() {
            if !wanted.contains(&(kind, number)) {
                fs::remove_file(path).ok();
            }
        }
    }

    /// The checkpoint is good for nothing: the next start builds the index again.
    pub(in crate::state) fn discard_checkpoint(&self) {
        fs::remove_file(self.checkpoint()).ok();
        files::sync_directory(&self.path).ok();
    }

    /// The error for a file that is not as it was written. The index answers nothing any more, and the next
    /// start builds it again.
    pub(in crate::state) fn damage(&self, path: &Path, what: &str) -> StoreError {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            tracing::error!(
                file = %path.display(),
                what,
                "the index is damaged; the next start builds it again from the ledger"
            );
            self.discard_checkpoint();
        }
        StoreError::IndexDamaged { file: path.to_owned(), what: what.to_owned() }
    }

    /// Whether a file was found damaged.
    pub(in crate::state) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

fn numbers(directory: &Path) -> io::Result<Vec<(Kind, u64, PathBuf)>> {
    let mut found = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of = |kind: Kind| Some((kind, name.strip_prefix(kind.prefix())?.parse::<u64>().ok()?));
        if let Some((kind, number)) = Kind::ALL.into_iter().find_map(of) {
            found.push((kind, number, path));
        }
    }
    Ok(found)
}
