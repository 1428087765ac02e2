//! Runs `cargo deny`: dependencies, licences and sources (deny.toml).

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::shell::{cargo, root, run, say, succeeds, target_directory};

/// Checks bans, licences and sources, and advisories if their database can be fetched.
pub(crate) fn check() -> Result<()> {
    let program = program()?;
    let deny = || {
        let mut command = Command::new(&program);
        // The program `cargo-deny` is the same as `cargo deny`.
        command.current_dir(root()).stdin(Stdio::null());
        command
    };
    run(deny().args(["--log-level", "error", "check", "bans", "licenses", "sources"]))?;
    if succeeds(deny().args(["fetch", "db"])) {
        return run(deny().args(["--log-level", "error", "check", "advisories"]));
    }
    say("    advisories: NOT CHECKED, their database cannot be had from here");
    Ok(())
}

/// The machine's cargo-deny; otherwise one that is built once into the target directory.
fn program() -> Result<PathBuf> {
    if succeeds(cargo().args(["deny", "--version"])) {
        return Ok("cargo-deny".into());
    }
    let tools = target_directory()?.join("tools");
    let ours = tools.join("bin/cargo-deny");
    if !succeeds(Command::new(&ours).arg("--version")) {
        say(&format!("    building cargo-deny {VERSION} into {} (once, about 3 minutes)", tools.display()));
        let package = format!("cargo-deny@{VERSION}");
        run(cargo().args(["install", "--quiet", "--locked", &package, "--root"]).arg(&tools))?;
    }
    Ok(ours)
}

/// The version of cargo-deny that deny.toml is written for.
const VERSION: &str = "0.20.2";
