//! A fresh Debian root: a directory to install packages in, and the same as a tar file, from which the
//! container is built.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{run, say, step, target_directory};

/// Makes the root unless it exists. It has this machine's release and comes from this machine's package
/// archive.
pub(crate) fn bring() -> Result<()> {
    let target = target_directory()?;
    let (tar, directory) = (target.join("base-root.tar"), target.join("base-root"));
    if tar.is_file() && directory.is_dir() {
        return Ok(());
    }
    step("a fresh Debian root (once, about two minutes)", || {
        let place = tar.with_extension("building");
        fs::remove_dir_all(&place).ok();
        fs::create_dir_all(&place)?;
        let (mirror, codename) = where_packages_come_from()?;
        let root = place.join("root");
        let include = format!("--include={}", INCLUDED.join(","));
        let log = fs::File::create(place.join("log"))?;
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", &include, &codename]).arg(&root).arg(mirror);
        debootstrap.stdout(log.try_clone()?).stderr(log);
        if let Err(error) = run(&mut debootstrap) {
            let said = fs::read_to_string(place.join("log")).unwrap_or_default();
            let last: Vec<_> = said.lines().rev().take(5).collect();
            say(&last.into_iter().rev().collect::<Vec<_>>().join("\n"));
            return Err(error);
        }
        // Removes downloaded packages.
        run(Command::new("chroot").arg(&root).args(["apt-get", "clean"]))?;
        pack(&root, &tar)?;
        fs::remove_dir_all(&directory).ok();
        fs::rename(&root, &directory)?;
        fs::remove_dir_all(&place).context("what is left of the root")
    })
}

fn pack(root: &Path, tar: &Path) -> Result<()> {
    let unfinished = tar.with_extension("unfinished");
    run(Command::new("tar")
        .arg("--directory")
        .arg(root)
        .arg("--create")
        .arg("--file")
        .arg(&unfinished)
        .arg("."))?;
    fs::rename(&unfinished, tar).with_context(|| format!("{} cannot be made", tar.display()))
}

/// The package archive that this machine is configured for, and the name of the release.
fn where_packages_come_from() -> Result<(String, String)> {
    let release = fs::read_to_string("/etc/os-release").context("this machine does not say what it runs")?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.unwrap_or_default().trim_matches('"').to_owned();
    let mut apt = Command::new("apt-get");
    apt.args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]);
    let targets = String::from_utf8_lossy(&apt.output().context("cannot run apt-get")?.stdout).into_owned();
    let wanted = format!("Debian {codename} main ");
    let Some(mirror) = targets.lines().find_map(|line| line.strip_prefix(wanted.as_str())) else {
        bail!("apt names no archive for Debian {codename:?}; run apt-get update, and run this on Debian");
    };
    Ok((mirror.to_owned(), codename))
}

/// Additional packages: the tool that creates users, and the tool for access control lists, as systemd uses
/// them.
const INCLUDED: [&str; 2] = ["systemd-standalone-sysusers", "acl"];
