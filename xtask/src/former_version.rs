//! Builds the programs of the former version from the repository's history, for the tests of upgrades.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root, run, say, step, succeeds, target_directory};

/// Builds them unless they exist.
pub(crate) fn bring() -> Result<()> {
    let target = target_directory()?;
    let place = target.join("former-version");
    let programs = place.join(COMMIT);
    if PROGRAMS.iter().all(|name| programs.join(name).is_file()) {
        return Ok(());
    }
    step("the programs of the former version (once, some minutes)", || {
        let known = Command::new("git")
            .current_dir(root())
            .args(["cat-file", "-e", &format!("{COMMIT}^{{commit}}")])
            .stdin(Stdio::null())
            .status();
        if !known.is_ok_and(|status| status.success()) {
            say(&format!(
                "    NOT BUILT: the history of this repository does not have {COMMIT}, from which upgrades are tried; \
                 a shallow clone gets it with: git fetch --unshallow"
            ));
            fs::create_dir_all(&place)?;
            fs::write(place.join(NO_HISTORY), COMMIT)?;
            return Ok(());
        }
        fs::remove_dir_all(&place).ok();
        let source = place.join("source");
        fs::create_dir_all(&source)?;
        unpack(&source)?;
        let build = place.join("build");
        seed(&target.join("debug"), &build.join("debug"))?;
        // Builds the whole workspace, as the suites do: dependencies then have the same features and are
        // reused.
        run(cargo()
            .current_dir(&source)
            .args(["build", "--quiet", "--locked", "--workspace", "--bins", "--target-dir"])
            .arg(&build))?;
        fs::create_dir_all(&programs)?;
        for name in PROGRAMS {
            fs::copy(build.join("debug").join(name), programs.join(name))
                .with_context(|| format!("{name} was not built"))?;
        }
        fs::remove_dir_all(&source)?;
        fs::remove_dir_all(&build).context("what is left of the build")
    })
}

/// Writes the files of the commit.
fn unpack(source: &Path) -> Result<()> {
    let mut archive = Command::new("git")
        .current_dir(root())
        .args(["archive", COMMIT])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run git")?;
    let stdout = archive.stdout.take().context("git has no output")?;
    run(Command::new("tar").arg("--directory").arg(source).arg("--extract").stdin(stdout))?;
    if !archive.wait()?.success() {
        bail!("git archive {COMMIT} failed");
    }
    Ok(())
}

/// Reuses the dependencies that the suites have built: hard-links their files without those of the workspace.
/// Where nothing was built or the versions differ, cargo builds them.
fn seed(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for part in ["deps", "build", ".fingerprint"] {
        if !from.join(part).is_dir() {
            continue;
        }
        run(Command::new("cp").args(["--archive", "--link"]).arg(from.join(part)).arg(to))?;
        for entry in fs::read_dir(to.join(part))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !is_ours(&name) {
                continue;
            }
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
    }
    // cargo opens it for writing.
    succeeds(Command::new("rm").arg("--force").arg(to.join(".cargo-lock")));
    Ok(())
}

/// Whether a build file belongs to a crate of this workspace: `libNAME-HASH.rlib`, `NAME-HASH`.
fn is_ours(name: &str) -> bool {
    let stem = name.rsplit_once('-').map_or(name, |(stem, _)| stem);
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    OURS.contains(&stem) || stem.starts_with("touchmark")
}

/// Records in place of the programs that they cannot be built here.
const NO_HISTORY: &str = "no-history";

/// The former version that was packaged.
const COMMIT: &str = "551a908";

const PROGRAMS: [&str; 4] = ["touchmark-ca", "touchmark-station", "touchmark-agent", "touchmark"];

/// The workspace's crates at that commit.
const OURS: [&str; 12] = [
    "identity",
    "proto",
    "link",
    "caller",
    "issuance",
    "ca",
    "provisioner",
    "agent",
    "ops",
    "tests",
    "bench",
    "xtask",
];
