//! `packaging`: makes the Debian packages. Run by `cargo xtask dist`, and by test suites with other programs
//! and versions.
#![allow(clippy::print_stdout, reason = "a program talks to its caller")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use packaging::{Request, build};

/// Make the Debian packages of the four programs.
#[derive(Parser)]
struct Arguments {
    /// Directory with touchmark-ca, touchmark-station, touchmark-agent and touchmark
    #[arg(long, value_name = "DIR")]
    binaries: PathBuf,
    /// Directory for the packages
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The version of the packages [default: that of the programs]
    #[arg(long)]
    package_version: Option<String>,
    /// Directory for debug information [default: it is discarded]
    #[arg(long, value_name = "DIR")]
    symbols: Option<PathBuf>,
    /// Compress little
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let Arguments { binaries, out, package_version, symbols, quick } = Arguments::parse();
    match build(&Request { binaries, out, version: package_version, symbols, quick }) {
        Ok(packages) => {
            packages.iter().for_each(|package| println!("{}", package.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "errors go to stderr")]
            {
                eprintln!("packaging: error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
