//! The short loop of who makes a change: what finds most mistakes in a minute or two, when everything was built before.

use anyhow::Result;

use crate::shell::{cargo, run, step};

/// Format, clippy of what changed, unit tests, the house plan; stops at the first that fails.
pub(crate) fn run_quick() -> Result<()> {
    step("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    // Cargo looks again at what changed, and at what depends on that.
    step("clippy", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    })?;
    step("unit tests", || run(cargo().args(["test", "--workspace", "--locked", "--lib", "--quiet"])))?;
    step("the house plan", || {
        run(cargo().args(["test", "--workspace", "--locked", "--quiet", "--test", "architecture"]))
    })
}
