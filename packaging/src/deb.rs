//! One Debian package: a tree of files and control files, built by `dpkg-deb`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::package::{Package, Unit};
use crate::program::run;
use crate::{Request, pages};

/// Makes a package and returns its path.
pub fn build(package: &Package, request: &Request) -> Result<PathBuf> {
    let version = request.version.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
    let staging = tempfile::tempdir()?;
    let root = staging.path().join("root");
    let program = place(&root, &format!("usr/bin/{}", package.name), 0o755, &[])?;
    strip(&request.binaries.join(package.name), &program, request.symbols.as_deref())?;
    add_pages(package, &root)?;
    add_documents(package, version, &root)?;
    place(&root, &format!("usr/lib/sysusers.d/{}.conf", package.user), 0o644, package.sysusers().as_bytes())?;
    if let Some(Unit { name, service, defaults }) = &package.unit {
        place(&root, &format!("lib/systemd/system/{name}.service"), 0o644, service.as_bytes())?;
        place(&root, &format!("etc/default/{name}"), 0o644, defaults.as_bytes())?;
    }
    add_control(package, version, &root, &program)?;
    // Whatever the umask of the caller is.
    run(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(&root))?;

    let architecture = run(Command::new("dpkg").arg("--print-architecture"))?;
    let file = request.out.join(format!("{}_{version}_{}.deb", package.name, architecture.trim()));
    let compression: &[&str] = if request.quick { &["-Zgzip", "-z1"] } else { &["-Zxz", "-z6"] };
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .args(compression)
        .arg(&root)
        .arg(&file)
        .env("SOURCE_DATE_EPOCH", source_date()))?;
    Ok(file)
}

/// Writes a file below `root` and creates its parent directories.
fn place(root: &Path, path: &str, mode: u32, content: &[u8]) -> Result<PathBuf> {
    let path = root.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    Ok(path)
}

/// Copies a program; its debug information goes to a separate file if wanted.
fn strip(from: &Path, to: &Path, symbols: Option<&Path>) -> Result<()> {
    ensure!(from.is_file(), "{} is missing: build the programs first", from.display());
    run(Command::new("strip").args(["--strip-all", "-o"]).arg(to).arg(from))?;
    if let Some(symbols) = symbols {
        fs::create_dir_all(symbols)?;
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let debug = symbols.join(format!("{name}.debug"));
        run(Command::new("objcopy")
            .args(["--only-keep-debug", "--compress-debug-sections"])
            .arg(from)
            .arg(&debug))?;
        // Debuggers find the file by this name and checksum.
        run(Command::new("objcopy").arg(format!("--add-gnu-debuglink={}", debug.display())).arg(to))?;
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn add_pages(package: &Package, root: &Path) -> Result<()> {
    let man = root.join("usr/share/man/man1");
    pages::write_man_pages((package.command)(), &man)?;
    for entry in fs::read_dir(&man)? {
        compress(&entry?.path())?;
    }
    pages::write_completions((package.command)(), package.name, root)
}

fn add_documents(package: &Package, version: &str, root: &Path) -> Result<()> {
    let directory = format!("usr/share/doc/{}", package.name);
    place(root, &format!("{directory}/copyright"), 0o644, COPYRIGHT.as_bytes())?;
    let changelog = CHANGELOG.replace("touchmark (0.1.0)", &format!("{} ({version})", package.name));
    compress(&place(root, &format!("{directory}/changelog"), 0o644, changelog.as_bytes())?)?;
    compress(&place(root, &format!("{directory}/NEWS"), 0o644, NEWS.as_bytes())?)?;
    for (name, content) in package.examples {
        place(root, &format!("{directory}/examples/{name}"), 0o644, content.as_bytes())?;
    }
    Ok(())
}

fn add_control(package: &Package, version: &str, root: &Path, program: &Path) -> Result<()> {
    let architecture = run(Command::new("dpkg").arg("--print-architecture"))?;
    let libraries = libraries(program)?;
    let size = run(Command::new("du").args(["-k", "-s", "--apparent-size"]).arg(root))?;
    let size = size.split_whitespace().next().unwrap_or_default();
    let sums = run(Command::new("sh")
        .args(["-c", "find * -type f -printf '%p\\0' | LC_ALL=C sort -z | xargs -0 md5sum"])
        .current_dir(root))?;
    let recommends = match package.recommends {
        "" => String::new(),
        names => format!("Recommends: {names}\n"),
    };
    let control = format!(
        "Package: {}\nVersion: {version}\nArchitecture: {}\nMaintainer: {MAINTAINER}\nInstalled-Size: {size}\n\
         Depends: {libraries}, {SYSUSERS}\n{recommends}Section: net\nPriority: optional\nDescription: {}\n{}",
        package.name,
        architecture.trim(),
        package.summary,
        package.description,
    );
    place(root, "DEBIAN/control", 0o644, control.as_bytes())?;
    place(root, "DEBIAN/md5sums", 0o644, sums.as_bytes())?;
    place(root, "DEBIAN/postinst", 0o755, script(POSTINST, package).as_bytes())?;
    place(root, "DEBIAN/postrm", 0o755, script(POSTRM, package).as_bytes())?;
    if let Some(unit) = &package.unit {
        place(root, "DEBIAN/prerm", 0o755, script(PRERM, package).as_bytes())?;
        place(root, "DEBIAN/conffiles", 0o644, format!("/etc/default/{}\n", unit.name).as_bytes())?;
    }
    Ok(())
}

/// The libraries that the program is linked to, as a list of packages with versions.
fn libraries(program: &Path) -> Result<String> {
    // dpkg-shlibdeps requires a source package.
    let place = tempfile::tempdir()?;
    fs::create_dir(place.path().join("debian"))?;
    fs::write(
        place.path().join("debian/control"),
        "Source: touchmark\n\nPackage: touchmark\nArchitecture: any\n",
    )?;
    let said = run(Command::new("dpkg-shlibdeps")
        .arg("-O")
        .arg(format!("-e{}", program.display()))
        .current_dir(&place))?;
    let list = said.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(list.with_context(|| format!("dpkg-shlibdeps says {said:?}"))?.to_owned())
}

/// A maintainer script with the names of this package filled in.
fn script(template: &str, package: &Package) -> String {
    let mut text = template
        .replace("#PACKAGE#", package.name)
        .replace("#USER#", package.user)
        .replace("#MODE#", package.home_mode)
        .replace("#EXTRA#", package.after_installation);
    match &package.unit {
        Some(unit) => {
            text = text.replace("#UNIT#", &format!("{}.service", unit.name));
            text.replace("#UNIT-BEGIN#\n", "").replace("#UNIT-END#\n", "")
        }
        None => match (text.split_once("#UNIT-BEGIN#\n"), text.split_once("#UNIT-END#\n")) {
            (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
            _ => text,
        },
    }
}

/// Compresses a file in place, reproducibly.
fn compress(path: &Path) -> Result<()> {
    run(Command::new("gzip").args(["-9", "-n", "--force"]).arg(path)).map(drop)
}

/// Sets the time of all files, so that the same source gives the same package.
fn source_date() -> String {
    std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| RELEASED.to_owned())
}

/// The maintainer of the packages.
const MAINTAINER: &str = "The Touchmark maintainers <touchmark@packages.invalid>";

/// Creates the users: systemd, or its tool alone in a container.
const SYSUSERS: &str = "systemd | systemd-standalone-sysusers | systemd-sysusers";

/// 2026-11-02, the date of `debian/changelog`.
const RELEASED: &str = "1793620800";

const POSTINST: &str = include_str!("../debian/postinst");
const PRERM: &str = include_str!("../debian/prerm");
const POSTRM: &str = include_str!("../debian/postrm");
const COPYRIGHT: &str = include_str!("../debian/copyright");
const CHANGELOG: &str = include_str!("../debian/changelog");
const NEWS: &str = include_str!("../../CHANGELOG.md");
