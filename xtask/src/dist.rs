//! Makes the packages to ship.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::shell::{cargo, run, say, step, target_directory};

/// Builds the programs and packages them.
pub(crate) fn make(quick: bool) -> Result<()> {
    let target = target_directory()?;
    let profile = if quick { "release" } else { "dist" };
    let programs = ["-p", "ca", "-p", "provisioner", "-p", "agent", "-p", "ops"];
    let how_long = if quick { "minutes" } else { "about eleven minutes on two cores" };
    step(&format!("build the programs (the first time takes {how_long})"), || {
        run(cargo().args(["build", "--profile", profile, "--locked", "--bins"]).args(programs))
    })?;
    let out = target.join("packages");
    // Packages of an earlier run must not be taken for these.
    fs::remove_dir_all(&out).ok();
    step("package them", || {
        // Builds the whole workspace like the suites do, so that nothing is built twice; the tool need not be
        // fast.
        run(cargo().args(["build", "--quiet", "--locked", "--workspace", "--bins"]))?;
        run(Command::new(target.join("debug/packaging"))
            .arg("--binaries")
            .arg(target.join(profile))
            .arg("--out")
            .arg(&out)
            .arg("--symbols")
            .arg(out.join("symbols")))
    })?;
    say("");
    for entry in fs::read_dir(&out)?.chain(fs::read_dir(out.join("symbols"))?) {
        let path = entry?.path();
        if path.is_file() {
            say(&format!("{:>8.1} MB  {}", path.metadata()?.len() as f64 / 1e6, path.display()));
        }
    }
    say("\nNext: docs/operations/install.md");
    Ok(())
}
