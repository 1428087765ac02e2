//! A small file system that can be filled.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A mounted file system; dropping it unmounts it. Needs root.
#[derive(Debug)]
pub struct FileSystem {
    directory: tempfile::TempDir,
}

impl FileSystem {
    /// A tmpfs. `None`, with a message, where mounting is not possible; in CI that fails the test.
    pub fn in_memory(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let target = directory.path().join(MOUNT);
        std::fs::create_dir(&target).expect("a new directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "touchmark-test"]).arg(target);
        Self::mounted(directory, &mut mount)
    }

    /// ext4 on a loop device.
    pub fn on_a_loop_device(mebibytes: u64) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let image = directory.path().join("image");
        File::create(&image).and_then(|file| file.set_len(mebibytes << 20)).expect("a sparse file");
        let target = directory.path().join(MOUNT);
        std::fs::create_dir(&target).expect("a new directory");
        let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image).status();
        if !made.is_ok_and(|status| status.success()) {
            return cannot("mkfs.ext4 does not run");
        }
        Self::mounted(directory, Command::new("mount").args(["-o", "loop"]).arg(image).arg(target))
    }

    /// The mount point.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(MOUNT)
    }

    /// A directory beside it, on another file system.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Fills it up to this many free bytes, until [`Self::free`].
    pub fn fill_but(&self, bytes: usize) {
        let mut ballast = File::create(self.ballast()).expect("a new file");
        let mut size = 1 << 20;
        while size > 0 {
            if ballast.write_all(&vec![0x55; size]).and_then(|()| ballast.sync_data()).is_err() {
                size /= 2;
            }
        }
        let length = ballast.metadata().expect("its length").len();
        ballast.set_len(length.saturating_sub(bytes as u64)).expect("it can be cut");
        ballast.sync_all().expect("it can be synced");
    }

    /// Frees the space.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    fn mounted(directory: tempfile::TempDir, mount: &mut Command) -> Option<Self> {
        if mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success()) {
            Some(Self { directory })
        } else {
            cannot("mounting needs root and loop devices")
        }
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path().display());
        }
    }
}

fn cannot<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "this test must run in CI: {why}");
    eprintln!("NOT TESTED: {why}");
    None
}

/// Below the temporary directory.
const MOUNT: &str = "mount";
