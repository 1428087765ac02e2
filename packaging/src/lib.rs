//! Builds Debian packages of the four programs, with man pages, completions, systemd units, users and
//! examples, by `dpkg-deb` (ADR 0046).

pub mod deb;
pub mod package;
pub mod pages;
pub mod program;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use package::PACKAGES;

/// Make the Debian packages of the four programs.
#[derive(Debug, Clone, Parser)]
pub struct Request {
    /// Directory with touchmark-ca, touchmark-station, touchmark-agent and touchmark
    #[arg(long, value_name = "DIR")]
    pub binaries: PathBuf,
    /// Directory for the packages
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The version of the packages [default: that of the programs]
    #[arg(long = "package-version")]
    pub version: Option<String>,
    /// Directory for debug information [default: it is discarded]
    #[arg(long, value_name = "DIR")]
    pub symbols: Option<PathBuf>,
    /// Compress little
    #[arg(long)]
    pub quick: bool,
}

/// Makes the packages and returns their paths. Needs dpkg-deb, dpkg-shlibdeps, strip, objcopy and gzip.
pub fn build(request: &Request) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(&request.out)?;
    PACKAGES.iter().map(|package| deb::build(package, request)).collect()
}
