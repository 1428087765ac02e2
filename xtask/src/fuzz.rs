//! Fuzzes every parser of outside bytes for a few seconds, with libFuzzer.
//!
//! `cargo fuzz` needs a nightly compiler for its sanitizers. Without `unsafe` code they have nothing to find;
//! the stable compiler provides coverage, which finds panics, overflows and endless loops.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, cargo, root, say, step, succeeds, target_directory};

/// Builds the targets, then runs the named ones, or all, for `seconds` each.
pub(crate) fn smoke(seconds: u32, wanted: &[String]) -> Result<()> {
    let room = root().join("fuzz");
    let targets = targets(&room)?;
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
        bail!("there is no target {unknown}; there are {}", targets.join(", "));
    }
    if !succeeds(Command::new("c++").arg("--version")) {
        bail!("libFuzzer is C++: install a compiler for it, for example: sudo apt-get install g++");
    }
    let place = target_directory()?.join("fuzz");
    let host = host()?;
    step("build the fuzz targets (the first time takes minutes)", || {
        let mut build = cargo();
        build
            .args(["build", "--release", "--locked", "--bins", "--manifest-path"])
            .arg(room.join("Cargo.toml"));
        // With a target named, build scripts and macros are built without coverage.
        build.args(["--target", &host, "--target-dir"]).arg(&place);
        shell::run(build.env("RUSTFLAGS", COVERAGE.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS"))
    })?;
    let programs = place.join(&host).join("release");
    let chosen = targets.iter().filter(|name| wanted.is_empty() || wanted.contains(name));
    for name in chosen {
        let tried = run(&programs.join(name), name, &place, seconds)?;
        say(&format!("    {name}: nothing found in {tried} inputs"));
    }
    Ok(())
}

/// Runs one target; returns the number of inputs.
fn run(program: &Path, name: &str, place: &Path, seconds: u32) -> Result<String> {
    let corpus = place.join("corpus").join(name);
    fs::create_dir_all(&corpus)?;
    let mut fuzz = Command::new(program);
    fuzz.arg(format!("-max_total_time={seconds}")).args(LIMITS).arg("-print_final_stats=1");
    fuzz.arg(format!("-artifact_prefix={}/{name}-", place.display())).arg(&corpus);
    fuzz.args(seeds(name).into_iter().filter(|seeds| seeds.is_dir()));
    let output = fuzz.output().with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{name}: {}\n{said}", output.status);
    }
    let tried = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(tried.unwrap_or("?").trim().to_owned())
}

/// The valid inputs to start from.
fn seeds(name: &str) -> Vec<PathBuf> {
    let own = root().join("fuzz/seeds").join(name);
    match name {
        "csr" | "spki" | "compromise_proof" => vec![own, root().join("tests/fixtures/csr")],
        _ => vec![own],
    }
}

fn targets(room: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(room.join("fuzz_targets"))? {
        names.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// The machine's own target platform.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root()).output().context("cannot run rustc")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it runs on")
}

/// The flags of `cargo fuzz`, without sanitizers.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Limits of one input: seconds, megabytes, bytes. The largest request is 8 KiB.
const LIMITS: &[&str] = &["-timeout=5", "-rss_limit_mb=1024", "-max_len=16384"];
