//! SHIPPING: Debian packages of the four programs, with what surrounds them: man pages, completions, systemd units, users, examples.
//!
//! Start at [`build`]. What is in a package says [`package`](mod@package); man pages and completions are made from the same clap definitions
//! that the programs parse with ([`pages`]). The packages are put together by `dpkg-deb` (ADR 0046).

pub mod deb;
pub mod package;
pub mod pages;
pub mod program;

use std::path::PathBuf;

use anyhow::Result;

use package::PACKAGES;

/// What is to be packaged, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the four programs lie.
    pub binaries: PathBuf,
    /// Where the packages are put.
    pub out: PathBuf,
    /// The version of the packages; `None`: that of the programs.
    pub version: Option<String>,
    /// Where debug information is put, in files apart; `None`: it is thrown away.
    pub symbols: Option<PathBuf>,
    /// Compress little, for a package that is installed once and thrown away.
    pub quick: bool,
}

/// Makes the packages; where each one is.
///
/// # Errors
/// When a program is missing, or a tool (dpkg-deb, dpkg-shlibdeps, strip, objcopy, gzip) is missing or fails.
pub fn build(request: &Request) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(&request.out)?;
    PACKAGES.iter().map(|package| deb::build(package, request)).collect()
}
