//! Wrong clocks: the wall clock of a process, faked by the Debian package `faketime` and changed while the
//! process runs. The monotonic clock is not changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::CertificateAuthority;

/// The faked wall clock of processes.
#[derive(Debug)]
pub struct WallClock {
    file: PathBuf,
}

impl WallClock {
    /// A clock that is right, kept in this file.
    pub fn right(file: &Path) -> Self {
        let clock = Self { file: file.to_path_buf() };
        clock.set("+0");
        clock
    }

    /// Sets it: `+60d`, `-1m`, `+10y`, from the real time.
    pub fn set(&self, offset: &str) {
        // Replaced atomically: processes read it all the time.
        let written = self.file.with_extension("new");
        std::fs::write(&written, format!("{offset}\n")).expect("it can be written");
        std::fs::rename(written, &self.file).expect("it can be renamed");
    }

    /// The variables that make a process use it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let file = self.file.to_str().expect("a path of text").to_owned();
        vec![
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Makes the next start of a CA use it.
    pub fn of(&self, authority: &mut CertificateAuthority) {
        for (name, value) in self.environment() {
            authority.set_environment(name, &value);
        }
    }
}

/// Gives a process a wall clock that is off by this much.
pub fn fake(command: &mut Command, offset: &str) {
    command.env("LD_PRELOAD", library()).env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

fn library() -> String {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    assert!(Path::new(library).exists(), "this test needs the Debian package `faketime`");
    library.to_owned()
}
