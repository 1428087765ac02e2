//! `packaging`: makes the Debian packages, for `cargo xtask dist` and for test suites.
#![allow(clippy::print_stdout, reason = "a program talks to its caller")]

use std::process::ExitCode;

use clap::Parser;
use packaging::{Request, build};

fn main() -> ExitCode {
    match build(&Request::parse()) {
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
