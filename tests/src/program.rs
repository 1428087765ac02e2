//! Finds the programs under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// One of the shipped programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    CertificateAuthority,
    Station,
    Agent,
    Operator,
}

impl Program {
    /// Its file. `TOUCHMARK_BINARIES` names a directory with all of them; otherwise they are built once per
    /// process in the profile of this test.
    pub fn path(self) -> PathBuf {
        static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
        let path = DIRECTORY.get_or_init(directory).join(self.name());
        assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
        path
    }

    /// A command that runs it, without our `TOUCHMARK_` variables.
    pub fn command(self) -> Command {
        without_our_variables(Command::new(self.path()))
    }

    /// A command that runs it on one core.
    pub fn command_on(self, core: usize) -> Command {
        let mut command = without_our_variables(Command::new("taskset"));
        command.args(["-c", &core.to_string()]).arg(self.path());
        command
    }

    fn name(self) -> &'static str {
        match self {
            Self::CertificateAuthority => "touchmark-ca",
            Self::Station => "touchmark-station",
            Self::Agent => "touchmark-agent",
            Self::Operator => "touchmark",
        }
    }
}

fn without_our_variables(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOUCHMARK_"))
    {
        command.env_remove(name);
    }
    command
}

fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("TOUCHMARK_BINARIES") {
        return directory.into();
    }
    let directory = beside_this_executable();
    // An outdated program would prove nothing. `cargo test` has released its build lock when it runs us.
    if let Some(cargo) = std::env::var_os("CARGO").filter(|_| is_a_test()) {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if let Some(target) = directory.parent() {
            build.arg("--target-dir").arg(target);
        }
        if directory.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo starts").success(), "the programs do not build");
    }
    directory
}

/// `target/<profile>`: this executable is in its `deps/` (a test) or directly in it (a bench, whose caller
/// has built the rest).
fn beside_this_executable() -> PathBuf {
    let directory = own_directory();
    if is_a_test() { directory.parent().expect("deps/ is in it").to_path_buf() } else { directory }
}

fn is_a_test() -> bool {
    own_directory().ends_with("deps")
}

fn own_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("this executable has a path");
    executable.parent().expect("it is in a directory").to_path_buf()
}
