//! Runs the tools that make packages.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a tool and returns what it printed; the error has its output.
pub fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| {
        format!("cannot run {name}: is its package installed (dpkg-dev, binutils, gzip)?")
    })?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{name} {}` ended with {}:\n{said}", arguments.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
