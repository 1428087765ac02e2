//! What the suites need beside Rust: Debian packages, the Python of the interop suite, and a fresh Debian
//! root.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::base_root;
use crate::shell::{root, run, say, step, succeeds};

/// A program that a suite runs.
struct Requirement {
    /// The Debian package that contains it.
    package: &'static str,
    /// A command that succeeds if it is installed.
    probe: &'static [&'static str],
    /// The suites that need it.
    why: &'static str,
}

const REQUIREMENTS: &[Requirement] = &[
    Requirement { package: "openssl", probe: &["openssl", "version"], why: "interop: openssl verify" },
    Requirement { package: "gnutls-bin", probe: &["certtool", "--version"], why: "interop: GnuTLS" },
    Requirement { package: "default-jdk-headless", probe: &["javac", "-version"], why: "interop: Java PKIX" },
    Requirement {
        package: "python3-venv",
        probe: &["python3", "-c", "import venv, ensurepip"],
        why: "interop: pyca, pkilint",
    },
    Requirement {
        package: "faketime",
        probe: &["faketime", "--version"],
        why: "interop: the years 2060 and 2100",
    },
    Requirement { package: "e2fsprogs", probe: &["mkfs.ext4", "-V"], why: "ca: cut the power under ext4" },
    Requirement {
        package: "mosquitto",
        probe: &["sh", "-c", "command -v mosquitto"],
        why: "brokers: a revoked device is refused by a real MQTT broker",
    },
    Requirement {
        package: "nginx-light",
        probe: &["sh", "-c", "command -v nginx"],
        why: "brokers: and by a real gateway",
    },
    Requirement {
        package: "debootstrap",
        probe: &["debootstrap", "--version"],
        why: "packages: installed in a fresh root",
    },
    Requirement {
        package: "dpkg-dev",
        probe: &["dpkg-shlibdeps", "--version"],
        why: "packages: which libraries a program needs",
    },
    Requirement { package: "binutils", probe: &["objcopy", "--version"], why: "packages: stripped programs" },
    Requirement {
        package: "lintian",
        probe: &["lintian", "--version"],
        why: "packages: judged by Debian's own rules",
    },
    Requirement {
        package: "man-db",
        probe: &["man", "--version"],
        why: "packages: the man pages are read as a person does",
    },
    Requirement {
        package: "systemd",
        probe: &["systemd-analyze", "--version"],
        why: "packages: units are verified and their exposure is measured",
    },
    Requirement { package: "buildah", probe: &["buildah", "--version"], why: "container: built and run" },
    Requirement {
        package: "iproute2",
        probe: &["ip", "-V"],
        why: "two_addresses: a network of the test's own",
    },
    Requirement {
        package: "iptables",
        probe: &["iptables", "--version"],
        why: "two_addresses: an address that answers nothing",
    },
    Requirement { package: "xfsprogs", probe: &["mkfs.xfs", "-V"], why: "ca: cut the power under XFS" },
];

/// Lists missing Debian packages, installs them if asked to or in CI, then prepares the interop suite.
pub(crate) fn bring(may_install: bool) -> Result<()> {
    step("what the suites need", || {
        let missing: Vec<&Requirement> = REQUIREMENTS.iter().filter(|it| !it.is_there()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for requirement in &missing {
            say(&format!("    missing: {} ({})", requirement.package, requirement.why));
        }
        let packages: Vec<&str> = missing.iter().map(|requirement| requirement.package).collect();
        install(&packages, may_install || is_ci())?;
        match missing.iter().find(|requirement| !requirement.is_there()) {
            Some(requirement) => {
                bail!("{} is installed and `{}` fails", requirement.package, requirement.probe.join(" "))
            }
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

impl Requirement {
    fn is_there(&self) -> bool {
        let Some((program, arguments)) = self.probe.split_first() else { return false };
        // File system tools are only on root's PATH.
        let path = std::env::var("PATH").unwrap_or_default();
        succeeds(Command::new(program).args(arguments).env("PATH", format!("{path}:/usr/sbin:/sbin")))
    }
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
