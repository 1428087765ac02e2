//! Static checks.

use anyhow::Result;

use crate::shell::{self, cargo, step};
use crate::{comments, decisions, deny, pictures, proto, rules};

/// Runs every check; stops at the first failure.
pub(crate) fn run() -> Result<()> {
    step("format", || shell::run(cargo().args(["fmt", "--all", "--check"])))?;
    step("generated code is up to date; the wire breaks no released program", || {
        proto::run(Some("--check"))
    })?;
    step("pictures are up to date", || pictures::run(true))?;
    step("comments are wrapped", comments::check)?;
    step("cited rules are defined and proven", rules::check)?;
    step("decisions have a status", decisions::check)?;
    step("clippy", || {
        shell::run(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("documentation", || {
        let flags = "-D warnings";
        shell::run(cargo().args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", flags))
    })?;
    step("dependencies and licences", deny::check)?;
    step("architecture", || {
        shell::run(cargo().args(["test", "--workspace", "--locked", "--test", "architecture"]))
    })
}
