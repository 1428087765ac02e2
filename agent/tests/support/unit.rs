//! Units that left the factory.

use std::path::Path;
use std::process::Output;

use proto::v1::device_message::Response;

use super::issuers::{CertificateSpec, Issuers};
use super::station::{Bench, agent};

/// Takes a unit through the factory.
pub fn born(state: &Path, issuers: &Issuers, serial: &str, url: &str) {
    let mut bench = Bench::start(state);
    bench.hello("cam-2", serial);
    let csr = bench.csr();
    let credential = issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-2", serial));
    assert!(matches!(bench.install(&credential, url), Response::Install(_)));
    assert!(matches!(bench.lock(), Response::Lock(_)));
    assert_eq!(bench.close(), Some(0));
}

/// Runs `touchmark-agent enroll --json`.
pub fn enroll(state: &Path, more: &[&str]) -> Output {
    agent().args(["enroll", "--json", "--state"]).arg(state).args(more).output().unwrap()
}

/// Runs `touchmark-agent renew --json`.
pub fn renew(state: &Path, more: &[&str]) -> Output {
    agent().args(["renew", "--json", "--state"]).arg(state).args(more).output().unwrap()
}

/// A unit that left the factory and has enrolled.
pub fn enrolled(state: &Path, issuers: &Issuers, serial: &str, url: &str) {
    born(state, issuers, serial, url);
    let output = enroll(state, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Runs `touchmark-agent status --json`.
pub fn status(state: &Path) -> Output {
    agent().args(["status", "--json", "--state"]).arg(state).output().unwrap()
}

pub fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A copy of a state directory: flash is cheap to read.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_symlink() {
            std::os::unix::fs::symlink(source.read_link().unwrap(), target).unwrap();
        } else if entry.file_type().unwrap().is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}
