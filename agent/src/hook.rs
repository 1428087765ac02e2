//! Notifies applications of a new certificate: by a command, or by a signal to a process.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use identity::DeviceId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tracing::info;

use crate::state::{CredentialLocation, State, StateError, Storage, View};

/// How applications are notified of a new certificate. Without a hook and a file, none is.
#[derive(Debug, Clone, Args)]
pub struct Notifier {
    /// Run this after each new certificate, without a shell. TOUCHMARK_STATE, TOUCHMARK_CURRENT,
    /// TOUCHMARK_DEVICE and TOUCHMARK_SERIAL_NUMBER are in its environment. One that fails is run again. The
    /// log has the first and last two kilobytes of what it says; what it leaves running must not write to its
    /// output.
    #[arg(long, value_name = "COMMAND")]
    pub hook: Option<Hook>,

    /// End the hook, with its process group, when it takes longer.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    pub hook_time: Duration,

    /// Send SIGHUP to the process whose number is in this file after each new certificate.
    #[arg(long = "notify-pid-file", value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
}

impl Notifier {
    /// Whether there is a hook or a file.
    pub fn is_wanted(&self) -> bool {
        self.hook.is_some() || self.pid_file.is_some()
    }

    /// Notifies applications if that is pending, and records that it was done. After an error they are
    /// notified again, which is harmless.
    pub async fn notify_if_pending(&self, directory: &Path, storage: &Storage) -> Result<(), NotifyError> {
        let view = View::read(directory, storage)?;
        let record = view.record();
        let (true, true, Some(device), Some(enrolment)) =
            (self.is_wanted(), record.notification_pending, &record.device, &record.enrolment)
        else {
            return Ok(());
        };
        let serial_number = view.certificate(CredentialLocation::Slot(enrolment.slot))?.serial_number;
        self.notify(directory, device, &serial_number).await?;
        info!(serial = hex::encode(&serial_number), "told applications of their new certificate");
        // The state was not locked, so that a hook can run the agent: there may be a newer certificate by
        // now.
        let mut state = State::open(directory, storage.clone())?;
        if state.record().enrolment.as_ref().map(|it| it.request_id) == Some(enrolment.request_id) {
            state.update(|record| record.notification_pending = false)?;
        }
        Ok(())
    }

    /// Runs the hook, then sends the signal.
    async fn notify(&self, state: &Path, device: &DeviceId, serial: &[u8]) -> Result<(), HookError> {
        if let Some(hook) = &self.hook {
            let mut command = hook.command();
            command
                .env("TOUCHMARK_STATE", state)
                .env("TOUCHMARK_CURRENT", state.join("current"))
                .env("TOUCHMARK_DEVICE", device.to_string())
                .env("TOUCHMARK_SERIAL_NUMBER", hex::encode(serial));
            let output = hooks::run(command, self.hook_time)
                .await
                .map_err(|source| HookError::Run(hook.program.clone(), source))?;
            if !output.is_empty() {
                info!("the hook {} said: {output}", hook.program);
            }
        }
        if let Some(path) = &self.pid_file {
            let process = process_of(path)?;
            kill_process(process, Signal::HUP)
                .map_err(|error| HookError::Signal(path.clone(), error.into()))?;
        }
        Ok(())
    }
}

/// A command, split as a shell would, and run without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    program: String,
    arguments: Vec<String>,
}

impl FromStr for Hook {
    type Err = HookError;

    fn from_str(text: &str) -> Result<Self, HookError> {
        let mut words = shlex::split(text).ok_or(HookError::Words)?.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or(HookError::Words)?;
        Ok(Self { program, arguments: words.collect() })
    }
}

impl Hook {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // A hook must not reach the agent's service manager.
        supervisor::VARIABLES.iter().for_each(|name| _ = command.env_remove(name));
        command.args(&self.arguments);
        command
    }
}

fn process_of(path: &Path) -> Result<Pid, HookError> {
    let unreadable = |source| HookError::PidFile(path.to_owned(), source);
    let text = files::read_limited(path, PID_FILE_BYTES_MAX).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&text);
    let number = text.trim().parse().ok().filter(|number| *number > 1);
    number.and_then(Pid::from_raw).ok_or_else(|| unreadable(io::ErrorKind::InvalidData.into()))
}

/// Why it is not recorded that applications were notified.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The state directory is at fault, or held by another agent.
    #[error(transparent)]
    State(#[from] StateError),
    /// They were not notified.
    #[error(transparent)]
    Hook(#[from] HookError),
}

/// Why applications were not notified.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// A quote is open, or there is no word.
    #[error("it is not a command: a quote is open, or it is empty")]
    Words,
    /// The hook, here its program, does not start, fails, or does not end in time.
    #[error("the hook {0} did not do its work")]
    Run(String, #[source] hooks::HookError),
    /// The file cannot be read, or (`InvalidData`) does not name a process.
    #[error("{0} does not name a process")]
    PidFile(PathBuf, #[source] io::Error),
    /// The process that the file names takes no signal.
    #[error("the process that {0} names cannot be sent SIGHUP")]
    Signal(PathBuf, #[source] io::Error),
}

/// The most we read of a pid file: a number and a line end.
const PID_FILE_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_would_and_nothing_more() {
        let hook: Hook = "/bin/reload --what 'my broker' $HOME;rm".parse().unwrap();
        assert_eq!(hook.program, "/bin/reload");
        assert_eq!(hook.arguments, ["--what", "my broker", "$HOME;rm"]);
        for wrong in ["", "  ", "echo 'open", "'' x"] {
            assert!(wrong.parse::<Hook>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pid_file_names_one_process_and_never_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        for wrong in ["", "x", "0", "1", "-1", "-4711", "99999999999", "12 34"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(process_of(&path).is_err(), "{wrong:?}");
        }
        std::fs::write(&path, "4711\n").unwrap();
        assert_eq!(process_of(&path).unwrap().as_raw_nonzero().get(), 4711);
    }
}
