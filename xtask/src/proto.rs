//! The generated code of the wire, and the released wire; both are the work of the crate `protogen`.

use anyhow::Result;

use crate::shell::{cargo, run as run_command};

/// Writes the generated code; or runs `protogen` with `--check` or `--release` instead.
pub(crate) fn run(instead: Option<&str>) -> Result<()> {
    let mut generate = cargo();
    generate.args(["run", "--quiet", "--locked", "--package", "protogen", "--"]);
    run_command(generate.args(instead))
}
