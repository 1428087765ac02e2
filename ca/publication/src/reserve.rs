//! Reserved disk space for files that must be written even when the disk is full: a recorded revocation must
//! reach its CRL.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use files::no_space;

/// A file whose blocks are freed when the disk has no others. Its content is never read.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Grows the reserve to `bytes`, or as far as the disk allows. Best effort.
    pub(super) fn keep(&self, bytes: u64) {
        if let Err(why) = self.take(bytes.min(BYTES_MAX))
            && !no_space(&why)
        {
            let (why, path): (&dyn std::error::Error, _) = (&why, self.path.display());
            tracing::debug!(why, %path, "no room is kept");
        }
    }

    /// Runs `write`; while it finds no space, frees a part of the reserve and runs it again. Only a part,
    /// because the ledger would take all that is free. Then grows the reserve to `bytes` again.
    pub(super) fn spent_on<T>(&self, bytes: u64, write: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let mut part = PART_BYTES_MIN;
        loop {
            let written = write();
            if written.as_ref().is_err_and(no_space) && self.give_back(part) {
                part = part.saturating_mul(2);
                continue;
            }
            self.keep(bytes);
            return written;
        }
    }

    /// Frees `bytes`; whether there were any.
    fn give_back(&self, bytes: u64) -> bool {
        let give = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            let kept = file.metadata()?.len();
            file.set_len(kept.saturating_sub(bytes))?;
            Ok::<_, io::Error>(kept > 0)
        };
        give().unwrap_or(false)
    }

    fn take(&self, bytes: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let kept = file.metadata()?.len();
        if kept >= bytes {
            return Ok(());
        }
        let zeros = vec![0; PIECE_BYTES];
        let mut missing = bytes - kept;
        while missing > 0 {
            let piece = missing.min(PIECE_BYTES as u64);
            file.write_all(zeros.get(..usize::try_from(piece).unwrap_or(PIECE_BYTES)).unwrap_or(&zeros))?;
            missing -= piece;
        }
        File::sync_data(&file)
    }
}

/// What is freed first: the blocks of a small file and of its directory.
const PART_BYTES_MIN: u64 = 8 * 1024;

/// The size of a write: a block of most file systems.
const PIECE_BYTES: usize = 4 * 1024;

/// The largest reserve: two full CRLs of 800,000 certificates each.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    #[test]
    fn what_finds_no_space_is_written_with_the_room_that_was_kept_and_room_is_kept_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reserve");
        let reserve = Reserve::new(path.clone());
        reserve.keep(10_000);
        assert_eq!(fs::metadata(&path).unwrap().len(), 10_000);
        let tries = Cell::new(0);
        let written = reserve.spent_on(20_000, || {
            tries.set(tries.get() + 1);
            match fs::metadata(&path).unwrap().len() {
                10_000 => Err(io::ErrorKind::StorageFull.into()),
                kept => Ok(kept),
            }
        });
        assert_eq!((written.unwrap(), tries.get()), (10_000 - PART_BYTES_MIN, 2));
        assert_eq!(fs::metadata(&path).unwrap().len(), 20_000);
        // All of it, if it must be, and no further try when there is none.
        let failed = reserve.spent_on(0, || Err::<(), _>(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        // What fails for another reason spends nothing.
        reserve.keep(20_000);
        let failed = reserve.spent_on(20_000, || Err::<(), _>(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::metadata(&path).unwrap().len(), 20_000);
    }
}
