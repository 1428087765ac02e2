//! What needs no running of the product: the rules run by themselves.

use anyhow::Result;

use crate::shell::{self, cargo, step};
use crate::{decisions, deny, pictures, proto, rules};

/// Runs every check; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    step("format", || shell::run(cargo().args(["fmt", "--all", "--check"])))?;
    step("generated code is what the .proto files say", || proto::run(true))?;
    step("pictures are drawn from their text", || pictures::run(true))?;
    step("cited rules are defined and proven", rules::check)?;
    step("decisions say what became of them", decisions::check)?;
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
    step("the house plan", || {
        shell::run(cargo().args(["test", "--workspace", "--locked", "--test", "architecture"]))
    })
}
