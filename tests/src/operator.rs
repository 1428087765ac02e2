//! The operator's program, as people and scripts run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{CertificateAuthority, Program};

/// `touchmark` with a credential and a server.
#[derive(Debug, Clone)]
pub struct Operator {
    credentials: PathBuf,
    server: String,
}

impl Operator {
    /// With the first operator's credential.
    pub fn of(authority: &CertificateAuthority) -> Self {
        Self::with(authority, &authority.operator_directory())
    }

    /// With this credential.
    pub fn with(authority: &CertificateAuthority, credentials: &Path) -> Self {
        let server = format!("https://localhost:{}", authority.grpc().port());
        Self { credentials: credentials.to_path_buf(), server }
    }

    /// A command without a terminal.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Program::Operator.command();
        command.arg("--credentials").arg(&self.credentials).args(["--server", &self.server]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("touchmark starts")
    }

    /// Its text output; it must succeed.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Its JSON output; it must succeed.
    pub fn json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        json_lines(&self.says(&[&["--json"], arguments].concat()))
    }

    /// Its exit status and error; it must fail.
    pub fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} must fail");
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.code().expect("it was not killed"), said)
    }
}

/// JSON objects, one a line.
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}
