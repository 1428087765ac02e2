//! The Python of the interop suite.

use std::path::{Path, PathBuf};

/// A program in the virtual environment that `tests/interop/setup.sh` makes in the target directory.
pub fn python_program(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("interop-venv/bin").join(name)
}
