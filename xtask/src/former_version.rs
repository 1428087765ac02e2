//! The programs of the version before this one, which upgrades are tried from: built from the history of the repository.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root, run, say, step, succeeds, target_directory};

/// Builds them, unless they are there.
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
        // The whole workspace, as the suites build it: then the crates of others have the same features, and are not built again.
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

/// Lets the build begin with the crates of others as the suites have them: their files are linked, ours are left out. Where nothing was
/// built yet, or the crates differ, cargo builds them.
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

/// Whether a file of the build belongs to a crate of this workspace: `libNAME-HASH.rlib`, `NAME-HASH`.
fn is_ours(name: &str) -> bool {
    let stem = name.rsplit_once('-').map_or(name, |(stem, _)| stem);
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    OURS.contains(&stem) || stem.starts_with("touchmark")
}

/// Says in the place of the programs that they cannot be built here.
const NO_HISTORY: &str = "no-history";

/// The version that was packaged before this one.
const COMMIT: &str = "551a908";

const PROGRAMS: [&str; 4] = ["touchmark-ca", "touchmark-station", "touchmark-agent", "touchmark"];

/// The crates of the workspace, then.
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
