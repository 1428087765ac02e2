//! Whether the disk that holds the log has space. It is looked at twice a second, so that `readyz` fails
//! before a commit is refused and recovers without one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::fs::statvfs;
use rustix::process::geteuid;

/// Shared by whoever appends, the thread that looks, and readiness.
#[derive(Default)]
pub(super) struct DiskSpace {
    /// A commit was refused, and nothing could be written since.
    refused: AtomicBool,
    /// The file system says that next to nothing is left.
    low: AtomicBool,
    end: Mutex<bool>,
    told: Condvar,
}

impl DiskSpace {
    /// Whether nothing, or next to nothing, can be appended for want of space.
    pub(super) fn is_full(&self) -> bool {
        self.refused.load(Ordering::Relaxed) || self.low.load(Ordering::Relaxed)
    }

    /// A commit found no space.
    pub(super) fn ran_out(&self) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "the disk that holds the ledger is full; commits are refused until there is room"
            );
        }
    }

    /// A commit, or a trial, found space.
    pub(super) fn was_found(&self) {
        if self.refused.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk that holds the ledger takes commits again");
        }
    }

    fn is_low(&self, low: bool) {
        match (self.low.swap(low, Ordering::Relaxed), low) {
            (false, true) => tracing::error!(
                bytes_min = BYTES_MIN,
                "the disk that holds the ledger is as good as full; make room"
            ),
            (true, false) => tracing::info!("the disk that holds the ledger has room again"),
            (false, false) | (true, true) => {}
        }
    }

    /// Looks until it is told to end, also after a panic.
    pub(super) fn watch(&self, directory: &Path) {
        while catch_unwind(AssertUnwindSafe(|| self.look(directory))).is_err() {
            tracing::error!("the thread that looks for disk space panicked and is started again");
            std::thread::sleep(RESTART_PAUSE);
        }
    }

    fn look(&self, directory: &Path) {
        fs::remove_file(directory.join(TRIAL_FILE)).ok();
        loop {
            let mut end = self.end.lock();
            self.told.wait_while_for(&mut end, |end| !*end, EVERY);
            if *end {
                return;
            }
            let low = !has_room(directory);
            self.is_low(low);
            // A quota, or a file system that counts in its own way, may refuse what `statvfs` promises.
            if !low && self.refused.load(Ordering::Relaxed) && try_out(directory).is_ok() {
                self.was_found();
            }
        }
    }

    pub(super) fn end(&self) {
        *self.end.lock() = true;
        self.told.notify_all();
    }
}

/// Whether the file system says that there is room; `true` where it does not say.
fn has_room(directory: &Path) -> bool {
    let Ok(system) = statvfs(directory) else { return true };
    let blocks = if geteuid().is_root() { system.f_bfree } else { system.f_bavail };
    system.f_blocks == 0 || blocks.saturating_mul(system.f_frsize) >= BYTES_MIN
}

/// Writes as much as there must be room for, durably, and removes it.
fn try_out(directory: &Path) -> io::Result<()> {
    let path = directory.join(TRIAL_FILE);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&vec![0x55; BYTES_MIN as usize])?;
        file.sync_all()
    };
    let written = write();
    fs::remove_file(&path)?;
    written
}

/// A thread that panics again and again must not fill the log.
const RESTART_PAUSE: Duration = Duration::from_secs(10);

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);

/// With less than this the disk counts as full: some tens of certificates.
const BYTES_MIN: u64 = 64 * 1024;

const TRIAL_FILE: &str = "room";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_room_is_found_again_without_a_commit() {
        let directory = tempfile::tempdir().unwrap();
        let space = DiskSpace::default();
        space.ran_out();
        assert!(space.is_full());
        std::thread::scope(|threads| {
            threads.spawn(|| space.watch(directory.path()));
            let end = std::time::Instant::now() + Duration::from_secs(20);
            while space.is_full() && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
            space.end();
        });
        assert!(!space.is_full());
        assert!(!directory.path().join(TRIAL_FILE).exists());
    }
}
