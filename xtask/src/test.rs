//! Runs every suite.

use anyhow::Result;

use crate::shell::{cargo, run, step};
use crate::{check, former_version, requirements};

/// Prepares what the suites need, checks, builds the programs once, and runs every suite.
pub(crate) fn run_suites(with_check: bool, install: bool, arguments: &[String]) -> Result<()> {
    requirements::bring(install)?;
    if with_check {
        check::run()?;
    }
    step("build the programs and the suites", || {
        run(cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
        run(cargo().args(["test", "--workspace", "--locked", "--no-run"]))
    })?;
    // After the build, because it reuses the built dependencies.
    former_version::bring()?;
    step("every suite", || {
        run(cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(arguments))
    })
}
