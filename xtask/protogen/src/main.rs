//! Generates `proto/src/generated` from `proto/touchmark/v1`, or checks with `--check` that it is up to date. `cargo xtask proto` runs it: a
//! crate of its own, so that the chores themselves build in seconds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost::Message;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(false),
        ["--check"] => run(true),
        _ => bail!("usage: cargo xtask proto [--check]"),
    }
}

/// Writes the generated code, or with `check` fails if the committed code differs from it.
fn run(check: bool) -> Result<()> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let committed = room.join("src/generated");
    if !check {
        fs::create_dir_all(&committed)?;
        return generate(&room, &committed);
    }
    let fresh = std::env::temp_dir().join(format!("touchmark-proto-{}", std::process::id()));
    fs::create_dir_all(&fresh)?;
    let outcome = generate(&room, &fresh).and_then(|()| compare(&fresh, &committed));
    fs::remove_dir_all(&fresh)?;
    outcome
}

fn generate(room: &Path, into: &Path) -> Result<()> {
    let descriptors = protox::compile(sources(room)?, [room]).context("the .proto files do not compile")?;
    fs::write(into.join("touchmark.v1.fds"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(into)
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)
        .context("cannot generate Rust")
}

fn sources(room: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(room.join("touchmark/v1"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "proto"));
    files.sort();
    Ok(files)
}

fn compare(fresh: &Path, committed: &Path) -> Result<()> {
    for entry in fs::read_dir(fresh)? {
        let entry = entry?;
        let name = entry.file_name();
        if fs::read(entry.path())? != fs::read(committed.join(&name)).unwrap_or_default() {
            bail!("proto/src/generated/{} is stale: run `cargo xtask proto`", name.to_string_lossy());
        }
    }
    Ok(())
}
