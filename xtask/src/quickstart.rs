//! Builds release programs and runs `touchmark quickstart`.

use std::process::Command;

use anyhow::Result;

use crate::shell::{cargo, run, step, target_directory};

/// Builds and runs.
pub(crate) fn build_and_show(arguments: &[String]) -> Result<()> {
    step(
        "build the four programs (the first time about 10 minutes on two cores; cargo shows each crate)",
        || {
            let packages = ["-p", "ca", "-p", "provisioner", "-p", "agent", "-p", "ops"];
            run(cargo().args(["build", "--release", "--locked", "--bins"]).args(packages))
        },
    )?;
    let program = target_directory()?.join("release/touchmark");
    run(Command::new(program).arg("quickstart").args(arguments))
}
