//! Generates the Rust code of the wire (`proto`) and of ledger entries (`ca/log`), and compares both schemas
//! with the released ones. Run by `cargo xtask proto`: a crate of its own, so that the other chores build in
//! seconds.

mod breaking;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost::Message;
use protox::prost_reflect::prost_types::FileDescriptorSet;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let chore = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => |schema: &Schema| schema.generate(&schema.generated()),
        ["--check"] => |schema: &Schema| schema.check_generated().and_then(|()| schema.check_released()),
        ["--release"] => Schema::release,
        _ => bail!("usage: cargo xtask proto [--check | --release]"),
    };
    SCHEMAS.iter().try_for_each(chore)
}

/// A set of `.proto` files, the code that is generated from them, and their released form.
struct Schema {
    /// The crate, from the root of the repository; its code is in `src/generated`.
    room: &'static str,
    /// The directory that imports start from, in the room. It has `released.fds`: a `FileDescriptorSet`
    /// without comments.
    root: &'static str,
    /// The directory of the `.proto` files, in the root.
    package: &'static str,
    /// The file for the encoded descriptors, in `src/generated`.
    descriptors: Option<&'static str>,
}

impl Schema {
    /// Fails if the committed code is not what the `.proto` files say.
    fn check_generated(&self) -> Result<()> {
        let fresh = std::env::temp_dir().join(format!("touchmark-proto-{}", std::process::id()));
        let outcome = self.generate(&fresh).and_then(|()| compare(&fresh, &self.generated()));
        fs::remove_dir_all(&fresh)?;
        outcome
    }

    /// Fails if the released version could not read what today's writes, or the other way round.
    fn check_released(&self) -> Result<()> {
        let breaks = breaking::breaking_changes(&self.released()?, &self.compile()?);
        if !breaks.is_empty() {
            let room = self.room;
            bail!("{room} breaks what was released (docs/upgrade.md):\n    {}", breaks.join("\n    "));
        }
        Ok(())
    }

    /// Makes the schema of today the released one. Numbers that it no longer uses must be reserved.
    fn release(&self) -> Result<()> {
        let mut today = self.compile()?;
        if self.released_file().exists() {
            let missing = breaking::unreserved(&self.released()?, &today);
            if !missing.is_empty() {
                bail!("numbers that were released are never used again:\n    {}", missing.join("\n    "));
            }
        }
        for file in &mut today.file {
            // Comments are not compared.
            file.source_code_info = None;
        }
        let file = self.released_file();
        fs::write(&file, today.encode_to_vec()).with_context(|| file.display().to_string())
    }

    fn generate(&self, into: &Path) -> Result<()> {
        let descriptors = self.compile()?;
        fs::create_dir_all(into)?;
        if let Some(name) = self.descriptors {
            fs::write(into.join(name), descriptors.encode_to_vec())?;
        }
        tonic_prost_build::configure()
            .bytes(".")
            .out_dir(into)
            .emit_rerun_if_changed(false)
            .compile_fds(descriptors)
            .context("cannot generate Rust")
    }

    fn compile(&self) -> Result<FileDescriptorSet> {
        let root = self.root();
        let mut sources = fs::read_dir(root.join(self.package))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        sources.retain(|file| file.extension().is_some_and(|extension| extension == "proto"));
        sources.sort();
        protox::compile(sources, [root]).context("the .proto files do not compile")
    }

    fn released(&self) -> Result<FileDescriptorSet> {
        let file = self.released_file();
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        FileDescriptorSet::decode(bytes.as_slice()).with_context(|| file.display().to_string())
    }

    fn released_file(&self) -> PathBuf {
        self.root().join("released.fds")
    }

    fn root(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(self.room).join(self.root)
    }

    fn generated(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(self.room).join("src/generated")
    }
}

fn compare(fresh: &Path, committed: &Path) -> Result<()> {
    for entry in fs::read_dir(fresh)? {
        let entry = entry?;
        let file = committed.join(entry.file_name());
        if fs::read(entry.path())? != fs::read(&file).unwrap_or_default() {
            bail!("{} is stale: run `cargo xtask proto`", file.display());
        }
    }
    Ok(())
}

/// The wire with the factory link, and the ledger entry on disk.
const SCHEMAS: [Schema; 2] = [
    Schema { room: "proto", root: "", package: "touchmark/v1", descriptors: Some("touchmark.v1.fds") },
    Schema { room: "ca/log", root: "proto", package: "touchmark/ledger/v1", descriptors: None },
];
