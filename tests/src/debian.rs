//! A fresh Debian root, in which packages are installed and their programs run as the packages' users.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use packaging::Request;

use crate::{NotifySocket, Program};

/// A Debian root, removed when dropped. Needs root.
#[derive(Debug)]
pub struct DebianRoot {
    directory: tempfile::TempDir,
    is_overlay: bool,
}

impl DebianRoot {
    /// Makes a fresh one.
    pub fn fresh() -> Self {
        let tar = base_root();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut root = Self { directory, is_overlay: false };
        for name in ["root", "changed", "work"] {
            fs::create_dir(root.directory.path().join(name)).expect("a new directory");
        }
        root.is_overlay = root.lay_over(&tar.with_extension(""));
        if !root.is_overlay {
            // Where overlays cannot be mounted: a copy, which takes seconds longer.
            let mut unpack = Command::new("tar");
            succeed(unpack.arg("--directory").arg(root.path()).arg("--extract").arg("--file").arg(tar));
        }
        // Programs find themselves by /proc/self/exe.
        succeed(Command::new("mount").args(["--bind", "/proc"]).arg(root.inside("/proc")));
        root
    }

    /// Mounts an overlay over the base root. Returns whether that is possible.
    fn lay_over(&self, base: &Path) -> bool {
        let place = |name: &str| self.directory.path().join(name).display().to_string();
        let options =
            format!("lowerdir={},upperdir={},workdir={}", base.display(), place("changed"), place("work"));
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &options]).arg(self.path());
        mount.output().is_ok_and(|output| output.status.success())
    }

    /// Its directory, seen from outside.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// A path in it, seen from outside.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Installs packages, as an administrator does with dpkg.
    pub fn install(&self, packages: &[PathBuf]) -> String {
        let place = self.inside("/tmp/packages");
        fs::create_dir_all(&place).expect("a new directory");
        let names: Vec<_> = packages
            .iter()
            .map(|package| {
                let name = package.file_name().expect("a file").to_owned();
                fs::copy(package, place.join(&name)).expect("it can be copied");
                Path::new("/tmp/packages").join(name)
            })
            .collect();
        let mut dpkg = self.command("root", &["dpkg", "--install"]);
        let said = told(succeed(dpkg.args(names).env("DEBIAN_FRONTEND", "noninteractive")));
        fs::remove_dir_all(place).expect("it was made");
        said
    }

    /// A command in it, as this user with all the user's groups.
    pub fn command(&self, user: &str, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}:{user}")).arg(self.path()).args(words);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command
    }

    /// Runs it, and returns its output; it must succeed.
    pub fn says(&self, user: &str, words: &[&str]) -> String {
        told(succeed(&mut self.command(user, words)))
    }

    /// Runs it to its end.
    pub fn run(&self, user: &str, words: &[&str]) -> Output {
        self.command(user, words).output().expect("chroot starts")
    }

    /// The systemd unit of an installed package.
    pub fn unit(&self, name: &str) -> ServiceUnit {
        ServiceUnit::read(&self.inside(&format!("/lib/systemd/system/{name}.service")))
    }

    /// The command of the unit, as systemd would run it: as its user, with its variables and its credentials
    /// (owned by root, readable by an access control list), and a notification socket.
    pub fn service(&self, unit: &ServiceUnit, variables: &[(&str, &str)]) -> (Command, NotifySocket) {
        let user = unit.one("User");
        let name = unit.path.file_name().expect("a unit").to_string_lossy().into_owned();
        let credentials = format!("/run/credentials/{name}");
        self.load_credentials(unit, &user, &credentials);
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        for line in unit.all("Environment") {
            environment.extend(assignment(&line.replace("%d", &credentials)));
        }
        for file in unit.all("EnvironmentFile") {
            let text = fs::read_to_string(self.inside(file.trim_start_matches('-'))).unwrap_or_default();
            environment.extend(text.lines().filter(|line| !line.starts_with('#')).filter_map(assignment));
        }
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let words: Vec<String> = unit
            .one("ExecStart")
            .split_whitespace()
            .flat_map(|word| {
                match word.strip_prefix('$') {
                    Some(name) => environment.get(name).cloned().unwrap_or_default(),
                    None => word.to_owned(),
                }
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
            })
            .collect();
        let notify = format!("/run/notify-{name}");
        fs::remove_file(self.inside(&notify)).ok();
        let manager = NotifySocket::at(&self.inside(&notify));
        fs::set_permissions(manager.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.command(&user, &words);
        command.envs(&environment).env("CREDENTIALS_DIRECTORY", &credentials);
        command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "3000000").stdin(Stdio::null());
        (command, manager)
    }

    fn load_credentials(&self, unit: &ServiceUnit, user: &str, directory: &str) {
        fs::create_dir_all(self.inside(directory)).expect("a new directory");
        for line in unit.all("LoadCredential") {
            let (name, from) = line.split_once(':').expect("NAME:PATH");
            let to = format!("{directory}/{name}");
            fs::copy(self.inside(from), self.inside(&to)).expect("it can be read");
            fs::set_permissions(self.inside(&to), fs::Permissions::from_mode(0o400)).expect("it is ours");
            self.says("root", &["chown", "root:root", &to]);
            self.says("root", &["setfacl", "-m", &format!("u:{user}:r"), &to]);
        }
        fs::set_permissions(self.inside(directory), fs::Permissions::from_mode(0o500)).expect("it is ours");
        self.says("root", &["setfacl", "-m", &format!("u:{user}:rx"), directory]);
    }
}

impl Drop for DebianRoot {
    fn drop(&mut self) {
        let unmount = |path: PathBuf| {
            let unmounted = Command::new("umount").arg("--lazy").arg(&path).status();
            // Mounts must not be deleted.
            let done = unmounted.is_ok_and(|status| status.success());
            assert!(done || std::thread::panicking(), "{} is still mounted", path.display());
        };
        unmount(self.inside("/proc"));
        if self.is_overlay {
            unmount(self.path());
        }
    }
}

/// A parsed systemd unit.
#[derive(Debug)]
pub struct ServiceUnit {
    path: PathBuf,
    lines: Vec<(String, String)>,
}

impl ServiceUnit {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let lines = text.lines().filter(|line| !line.starts_with(['#', '[', ';']));
        let lines = lines.filter_map(|line| line.split_once('='));
        let lines = lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { path: path.to_path_buf(), lines }
    }

    /// All values of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |(one, _)| one == key).map(|(_, value)| value.as_str())
    }

    /// The only value of a key.
    pub fn one(&self, key: &str) -> String {
        let mut all = self.all(key);
        let (first, second) = (all.next(), all.next());
        assert!(second.is_none(), "{key} is said once in {}", self.path.display());
        first.unwrap_or_else(|| panic!("{key} is not in {}", self.path.display())).to_owned()
    }
}

/// Packages of the programs under test, in their own version.
pub fn packages(out: &Path) -> Vec<PathBuf> {
    let program = Program::Operator.path();
    packages_of(program.parent().expect("it is in a directory"), None, out)
}

/// Packages of these programs, in this version.
pub fn packages_of(binaries: &Path, version: Option<&str>, out: &Path) -> Vec<PathBuf> {
    let request = Request {
        binaries: binaries.to_path_buf(),
        out: out.to_path_buf(),
        version: version.map(str::to_owned),
        symbols: None,
        quick: true,
    };
    packaging::build(&request).unwrap_or_else(|why| panic!("the packages cannot be made: {why:#}"))
}

/// The directory of the former version's programs; `None`, with a message, where the repository's history
/// lacks it.
pub fn former_programs() -> Option<PathBuf> {
    let place = target().join("former-version");
    let directory = place.join(FORMER_VERSION);
    if place.join("no-history").is_file() {
        eprintln!(
            "NOT TRIED: an upgrade from {FORMER_VERSION}, which the history of this repository does not have"
        );
        return None;
    }
    assert!(
        directory.join("touchmark-ca").is_file(),
        "{} is missing, and with it the version to upgrade from: cargo xtask requirements builds it from the history of the repository",
        directory.display()
    );
    Some(directory)
}

/// The root that every fresh one is a copy of.
pub fn base_root() -> PathBuf {
    let tar = target().join("base-root.tar");
    assert!(tar.is_file(), "{} is missing: cargo xtask requirements makes it", tar.display());
    tar
}

/// The target directory of cargo.
fn target() -> PathBuf {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    metadata.target_directory.into_std_path_buf()
}

/// `NAME=VALUE`, with or without quotes around the value.
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.to_owned(), value.trim_matches('"').to_owned()))
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|why| panic!("cannot run {command:?}: {why}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn told(output: Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The commit of the former version; `xtask/src/former_version.rs` builds it.
const FORMER_VERSION: &str = "551a908";
