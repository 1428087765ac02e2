//! The short loop: finds most mistakes in one or two minutes once everything was built.

use anyhow::Result;

use crate::shell::{cargo, run, step};

/// Format, clippy, unit tests, architecture; stops at the first failure.
pub(crate) fn run_quick() -> Result<()> {
    step("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    // Cargo checks only changed crates and those that depend on them.
    step("clippy", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    })?;
    step("unit tests", || run(cargo().args(["test", "--workspace", "--locked", "--lib", "--quiet"])))?;
    step("architecture", || {
        run(cargo().args(["test", "--workspace", "--locked", "--quiet", "--test", "architecture"]))
    })
}
