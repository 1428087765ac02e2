//! The programs of an installation, and how they are run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::failure::Failure;

/// The programs in the directory of this one.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) ca: PathBuf,
    pub(crate) station: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) touchmark: PathBuf,
}

impl Programs {
    pub(crate) fn beside_this_one() -> Result<Self, Failure> {
        let touchmark = std::env::current_exe().map_err(|source| Failure::file("this program", source))?;
        let beside = |name: &str| {
            let path = touchmark.with_file_name(name);
            if path.is_file() {
                return Ok(path);
            }
            Err(Failure::local(format!("{} is missing", path.display()))
                .next("`cargo xtask quickstart` builds all programs; installed, they lie in one directory"))
        };
        Ok(Self {
            ca: beside("touchmark-ca")?,
            station: beside("touchmark-station")?,
            agent: beside("touchmark-agent")?,
            touchmark,
        })
    }
}

/// A command that logs to a file, without the TOUCHMARK_ variables of this process.
pub(crate) fn command(program: &Path, log: &Path) -> Result<Command, Failure> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TOUCHMARK_") {
            command.env_remove(name);
        }
    }
    let file =
        File::options().create(true).append(true).open(log).map_err(|source| Failure::file(log, source))?;
    let errors = file.try_clone().map_err(|source| Failure::file(log, source))?;
    command.stdin(Stdio::null()).stdout(file).stderr(errors).kill_on_drop(true);
    Ok(command)
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
}

/// Runs a program to its end. An error if it cannot be started or takes too long.
pub(crate) async fn finish(command: &mut Command, log: &Path, within: Duration) -> Result<Ended, Failure> {
    let started = Instant::now();
    let name = name(command);
    let mut child =
        command.spawn().map_err(|source| Failure::local(format!("cannot start {name}: {source}")))?;
    match tokio::time::timeout(within, child.wait()).await {
        Ok(status) => {
            let status = status.map_err(|source| Failure::local(format!("{name}: {source}")))?;
            Ok(Ended { status, took: started.elapsed() })
        }
        Err(_) => {
            child.kill().await.ok();
            Err(with_tail(format!("{name} did not end within {} s", within.as_secs()), log))
        }
    }
}

/// Runs a program that must succeed. The error has the end of its log.
pub(crate) async fn succeed(command: &mut Command, log: &Path, within: Duration) -> Result<Ended, Failure> {
    let name = name(command);
    let ended = finish(command, log, within).await?;
    if ended.status.success() { Ok(ended) } else { Err(with_tail(format!("{name}: {}", ended.status), log)) }
}

/// A failure with the end of a log.
pub(crate) fn with_tail(what: String, log: &Path) -> Failure {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n  | ");
    Failure::local(format!("{what}; its last words:\n  | {tail}")).next(format!("read {}", log.display()))
}

fn name(command: &Command) -> String {
    let program = Path::new(command.as_std().get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    match command.as_std().get_args().next() {
        Some(verb) => format!("{name} {}", verb.to_string_lossy()),
        None => name,
    }
}

/// Enough to show an error with what led to it.
const TAIL_LINES: usize = 20;
