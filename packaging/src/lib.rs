//! Builds Debian packages of the four programs, with man pages, completions, systemd units, users and
//! examples.
//!
//! Start at [`build`]. [`package`](mod@package) lists the content of each package; [`pages`] makes man pages
//! and completions from the clap definitions of the programs. `dpkg-deb` builds the packages (ADR 0046).

pub mod deb;
pub mod package;
pub mod pages;
pub mod program;

use std::path::PathBuf;

use anyhow::Result;

use package::PACKAGES;

/// What to package, and where.
#[derive(Debug, Clone)]
pub struct Request {
    /// The directory of the four programs.
    pub binaries: PathBuf,
    /// The directory for the packages.
    pub out: PathBuf,
    /// The version of the packages; `None`: that of the programs.
    pub version: Option<String>,
    /// The directory for debug information; `None`: it is discarded.
    pub symbols: Option<PathBuf>,
    /// Whether to compress little, for packages that tests install once.
    pub quick: bool,
}

/// Makes the packages and returns their paths.
///
/// # Errors
/// When a program is missing, or a tool (dpkg-deb, dpkg-shlibdeps, strip, objcopy, gzip) is missing or fails.
pub fn build(request: &Request) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(&request.out)?;
    PACKAGES.iter().map(|package| deb::build(package, request)).collect()
}
