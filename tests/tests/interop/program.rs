//! Runs the other programs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The output of a program and whether it succeeded.
pub(crate) struct Answer {
    pub(crate) content: bool,
    pub(crate) text: String,
    pub(crate) stdout: String,
}

/// Runs it. A missing program fails the test and names `setup.sh`.
pub(crate) fn run(command: &mut Command) -> Answer {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        if error.kind() == ErrorKind::NotFound {
            panic!("{program} is missing: run tests/interop/setup.sh (Debian packages openssl, gnutls-bin, default-jdk-headless, python3-venv, faketime; PyPI cryptography, pkilint)");
        }
        panic!("{program}: {error}")
    });
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let text = format!("{stdout}{}", String::from_utf8_lossy(&stderr));
    Answer { content: status.success(), text, stdout }
}

/// A file beside `setup.sh`.
pub(crate) fn stranger(name: &str) -> PathBuf {
    root().join("tests/interop").join(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
