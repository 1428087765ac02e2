//! The container: buildah builds it from a Debian root and the package, without an image registry, and runs
//! it as an unprivileged user with its state in a volume.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Process, Program, base_root, packages};

#[test]
fn a_ca_in_a_container_is_not_root_and_keeps_its_state_in_the_volume() {
    let Some(container) = Container::built() else { return };
    let user = container.says(&["id", "-u"]).trim().to_owned();
    assert_ne!(user, "0", "it does not run as root");
    let user: u32 = user.parse().unwrap();
    let volume = container.volume();
    fs::create_dir(&volume).unwrap();
    chown(&volume, Some(user), Some(user)).unwrap();

    let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [grpc, http, public] = ports.map(|port| port.local_addr().unwrap().to_string());
    let init =
        ["touchmark-ca", "init", "--dir", "/var/lib/touchmark-ca/ca", "--organization", "Example Devices"];
    let rest = ["--listen", &grpc, "--metrics-listen", &http, "--http-listen", &public];
    container.says(&[&init[..], &rest].concat());
    assert_eq!(volume.join("ca/store").metadata().unwrap().uid(), user, "the state is in the volume");

    // Twice: the second container finds the state of the first.
    for orders in 0..2 {
        let serving = container.serve();
        let operator = volume.join("ca/operators/admin");
        let touchmark = |words: &[&str]| {
            let mut command = Program::Operator.command();
            command.arg("--json").arg("--credentials").arg(&operator).args(words);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(touchmark(&["work-order", "list"]).lines().count(), orders);
        if orders == 0 {
            touchmark(&[
                "principal",
                "issue",
                "station",
                "line-1",
                "--out",
                container.place("line-1").to_str().unwrap(),
            ]);
            let order =
                ["work-order", "create", "--product", "cam-2", "--quantity", "1", "--station", "line-1"];
            touchmark(&[&order[..], &["--serials", "SN{1..1}"]].concat());
        }
        container.stop(serving);
    }
}

/// A container of its own, with the storage that buildah keeps it in; gone when dropped.
struct Container {
    directory: tempfile::TempDir,
    name: String,
}

impl Container {
    /// `None`: this machine does not allow containers, for a known reason that is printed.
    fn built() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let context = directory.path().join("context");
        fs::create_dir(&context).unwrap();
        packages(&context.join("packages"));
        // The container's own user reads nothing of it: it is unpacked by root.
        if fs::hard_link(base_root(), context.join("base-root.tar")).is_err() {
            fs::copy(base_root(), context.join("base-root.tar")).unwrap();
        }
        let mut container = Self { directory, name: String::new() };
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/container/Containerfile");
        let mut build = container.buildah("build");
        build.args(["--isolation", "chroot", "--layers=false", "--tag", "touchmark-ca", "--file"]).arg(file);
        allowed(build.arg(context).output().unwrap())?;
        container.name =
            allowed(container.buildah("from").arg("touchmark-ca").output().unwrap())?.trim().to_owned();
        allowed(container.run(&["true"]).output().unwrap())?;
        Some(container)
    }

    fn buildah(&self, verb: &str) -> Command {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.place("storage"));
        command.arg("--runroot").arg(self.place("run")).arg(verb).stdin(Stdio::null());
        command
    }

    /// A command in the container, as its own user, with the volume.
    fn run(&self, words: &[&str]) -> Command {
        let volume = self.volume();
        let mut command = self.buildah("run");
        command.args(["--isolation", "chroot"]);
        if volume.exists() {
            command.arg("--volume").arg(format!("{}:/var/lib/touchmark-ca", volume.display()));
        }
        command.arg(&self.name).arg("--").args(words);
        command
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.run(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The CA, when it is ready.
    fn serve(&self) -> (Process, Pid) {
        let config = "/var/lib/touchmark-ca/ca/ca.toml";
        // With chroot isolation a process of the container is one of the machine: its number is that of both.
        let script =
            format!("echo $$ > /var/lib/touchmark-ca/pid; exec touchmark-ca serve --config {config}");
        let log = fs::File::create(self.place("log")).unwrap();
        let mut process = Process::start(self.run(&["sh", "-c", &script]).stdout(Stdio::piped()).stderr(log));
        let mut line = String::new();
        BufReader::new(process.child_mut().stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("\"ready\":true"), "{line}{}", fs::read_to_string(self.place("log")).unwrap());
        let pid = fs::read_to_string(self.volume().join("pid")).unwrap().trim().parse().unwrap();
        (process, Pid::from_raw(pid).unwrap())
    }

    fn stop(&self, (mut process, pid): (Process, Pid)) {
        kill_process(pid, Signal::TERM).unwrap();
        let status = process.wait(SOON).expect("it ends");
        assert!(status.success(), "{status}: {}", fs::read_to_string(self.place("log")).unwrap());
    }

    fn volume(&self) -> PathBuf {
        self.place("volume")
    }

    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It unmounts what it mounted.
        for words in [["rm", "--all"], ["rmi", "--all"]] {
            self.buildah(words[0]).arg(words[1]).output().ok();
        }
    }
}

/// The output. `None`: this machine does not allow containers, for a known reason; another failure fails the
/// test, and in CI all do.
fn allowed(output: Output) -> Option<String> {
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let known = NOT_ALLOWED.iter().find(|(words, _)| said.contains(words));
    let Some((_, why)) = known.filter(|_| std::env::var_os("CI").is_none()) else {
        panic!("{}\n{}\n{said}", output.status, String::from_utf8_lossy(&output.stdout));
    };
    eprintln!("NOT TESTED: no container can be built or run here: {why}\n{said}");
    None
}

/// buildah's messages where a machine does not allow containers, and their meaning.
const NOT_ALLOWED: [(&str, &str); 3] = [
    ("cannot clone: Operation not permitted", "this machine lets this user make no user namespace"),
    ("unshare(CLONE_NEWNS): operation not permitted", "this machine lets this user make no mount namespace"),
    ("error bind mounting", "this machine lets this user mount nothing"),
];

/// On a busy machine.
const SOON: Duration = Duration::from_secs(60);
