//! The Rust code of the wire, by the crate `protogen`.

use anyhow::Result;

use crate::shell::{cargo, run as run_command};

/// Writes the generated code, or with `check` fails if the committed code differs from it.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut generate = cargo();
    generate.args(["run", "--quiet", "--locked", "--package", "protogen", "--"]);
    run_command(generate.args(check.then_some("--check")))
}
