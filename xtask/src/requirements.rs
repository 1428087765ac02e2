//! What the suites need beside Rust: Debian packages, the Python of the interop suite, and a fresh Debian
//! root.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::base_root;
use crate::shell::{root, run, say, step, succeeds};

/// Debian package, a command of the shell that succeeds if it is installed, the suites that need it.
const REQUIREMENTS: &[(&str, &str, &str)] = &[
    ("openssl", "openssl version", "interop: openssl verify"),
    ("gnutls-bin", "certtool --version", "interop: GnuTLS"),
    ("default-jdk-headless", "javac -version", "interop: Java PKIX"),
    ("python3-venv", "python3 -c 'import venv, ensurepip'", "interop: pyca, pkilint"),
    ("faketime", "faketime --version", "interop: the years 2060 and 2100"),
    ("chromium", "command -v chromium", "closing_report: the page is printed"),
    ("poppler-utils", "command -v pdftotext", "closing_report: and what was printed is read"),
    ("e2fsprogs", "mkfs.ext4 -V", "ca: cut the power under ext4"),
    ("mosquitto", "command -v mosquitto", "brokers: a revoked device is refused by a real MQTT broker"),
    ("nginx-light", "command -v nginx", "brokers: and by a real gateway"),
    ("debootstrap", "debootstrap --version", "packages: installed in a fresh root"),
    ("dpkg-dev", "dpkg-shlibdeps --version", "packages: which libraries a program needs"),
    ("binutils", "objcopy --version", "packages: stripped programs"),
    ("lintian", "lintian --version", "packages: judged by Debian's own rules"),
    ("man-db", "man --version", "packages: the man pages are read as a person does"),
    ("systemd", "systemd-analyze --version", "packages: units are verified and their exposure is measured"),
    ("buildah", "buildah --version", "container: built and run"),
    ("iproute2", "ip -V", "two_addresses: a network of the test's own"),
    ("iptables", "iptables --version", "two_addresses: an address that answers nothing"),
    ("zbar-tools", "zbarimg --version", "labels: a code is read as a scanner does"),
    ("librsvg2-bin", "rsvg-convert --version", "labels: and its SVG as a browser does"),
    ("xfsprogs", "mkfs.xfs -V", "ca: cut the power under XFS"),
];

/// Lists missing Debian packages, installs them if asked to or in CI, then prepares the interop suite.
pub(crate) fn bring(may_install: bool) -> Result<()> {
    step("what the suites need", || {
        let missing = || REQUIREMENTS.iter().filter(|(_, probe, _)| !succeeds_in_shell(probe));
        let mut packages = Vec::new();
        for (package, _, why) in missing() {
            say(&format!("    missing: {package} ({why})"));
            packages.push(*package);
        }
        if packages.is_empty() {
            return Ok(());
        }
        install(&packages, may_install || is_ci())?;
        match missing().next() {
            Some((package, probe, _)) => bail!("{package} is installed and `{probe}` fails"),
            None => Ok(()),
        }
    })?;
    let setup = root().join("tests/interop/setup.sh");
    if !setup.is_file() {
        bail!("{} is missing", setup.display());
    }
    step("the Python of the interop suite", || run(Command::new("bash").arg(&setup).current_dir(root())))?;
    base_root::bring()
}

fn succeeds_in_shell(probe: &str) -> bool {
    // File system tools are only on root's PATH.
    let path = std::env::var("PATH").unwrap_or_default();
    succeeds(Command::new("sh").args(["-c", probe]).env("PATH", format!("{path}:/usr/sbin:/sbin")))
}

fn install(packages: &[&str], may_install: bool) -> Result<()> {
    let command = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("install these first, for example: sudo {command}");
    }
    if !may_install {
        bail!("nothing was installed: say --install, or install these first: {command}");
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
        apt
    };
    run(apt().args(["update", "--quiet"]))?;
    run(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages))
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
