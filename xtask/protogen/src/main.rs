//! Generates the Rust code of the wire (`proto`) and of a ledger entry (`ca/log`) from their `.proto` files, and compares the wire with the
//! released one.
//! Run by `cargo xtask proto`: a crate of its own, so that the other chores build in seconds.

mod breaking;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost::Message;
use protox::prost_reflect::prost_types::FileDescriptorSet;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => generate(&room().join(GENERATED)).and_then(|()| generate_entry(&log_room().join(GENERATED))),
        ["--check"] => check_generated().and_then(|()| check_released()),
        ["--release"] => release(),
        _ => bail!("usage: cargo xtask proto [--check | --release]"),
    }
}

/// Fails if the committed code is not what the `.proto` files say.
fn check_generated() -> Result<()> {
    let fresh = std::env::temp_dir().join(format!("touchmark-proto-{}", std::process::id()));
    let (wire, entry) = (fresh.join("wire"), fresh.join("entry"));
    let outcome = generate(&wire)
        .and_then(|()| compare(&wire, &room().join(GENERATED)))
        .and_then(|()| generate_entry(&entry))
        .and_then(|()| compare(&entry, &log_room().join(GENERATED)));
    fs::remove_dir_all(&fresh)?;
    outcome
}

/// Fails if a program of the released version would not understand the wire of today.
fn check_released() -> Result<()> {
    let breaks = breaking::breaking_changes(&released()?, &compile()?);
    if !breaks.is_empty() {
        bail!("the wire breaks released programs (docs/upgrade.md):\n    {}", breaks.join("\n    "));
    }
    Ok(())
}

/// Makes the wire of today the released one. Numbers that it no longer uses must be reserved.
fn release() -> Result<()> {
    let file = room().join(RELEASED);
    let mut today = compile()?;
    if file.exists() {
        let missing = breaking::unreserved(&released()?, &today);
        if !missing.is_empty() {
            bail!("numbers that were released are never used again:\n    {}", missing.join("\n    "));
        }
    }
    for file in &mut today.file {
        // Comments are no part of the wire.
        file.source_code_info = None;
    }
    fs::write(&file, today.encode_to_vec()).with_context(|| file.display().to_string())
}

fn released() -> Result<FileDescriptorSet> {
    let bytes = fs::read(room().join(RELEASED)).context(RELEASED)?;
    FileDescriptorSet::decode(bytes.as_slice()).context(RELEASED)
}

fn compile() -> Result<FileDescriptorSet> {
    compile_package(&room(), "touchmark/v1")
}

fn compile_package(root: &Path, package: &str) -> Result<FileDescriptorSet> {
    let mut sources =
        fs::read_dir(root.join(package))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    sources.retain(|file| file.extension().is_some_and(|extension| extension == "proto"));
    sources.sort();
    protox::compile(sources, [root]).context("the .proto files do not compile")
}

fn generate(into: &Path) -> Result<()> {
    let descriptors = compile()?;
    fs::create_dir_all(into)?;
    fs::write(into.join("touchmark.v1.fds"), descriptors.encode_to_vec())?;
    write_code(descriptors, into)
}

/// The form of a ledger entry on disk.
fn generate_entry(into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    write_code(compile_package(&log_room().join("proto"), "touchmark/ledger/v1")?, into)
}

fn write_code(descriptors: FileDescriptorSet, into: &Path) -> Result<()> {
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(into)
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)
        .context("cannot generate Rust")
}

fn compare(fresh: &Path, committed: &Path) -> Result<()> {
    for entry in fs::read_dir(fresh)? {
        let entry = entry?;
        let name = entry.file_name();
        if fs::read(entry.path())? != fs::read(committed.join(&name)).unwrap_or_default() {
            bail!("{} is stale: run `cargo xtask proto`", committed.join(&name).display());
        }
    }
    Ok(())
}

fn log_room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ca/log")
}

fn room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

/// The committed code, in `proto` and in `ca/log`.
const GENERATED: &str = "src/generated";

/// The wire as released: a `FileDescriptorSet` without comments, in `proto`.
const RELEASED: &str = "released.fds";
