//! Telling applications that `current` leads to another certificate: a command, or a signal to whom a file names.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use identity::DeviceId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tracing::info;

use crate::state::{Disk, Place, State, StateError, View};

/// How applications are told. With neither of the two, nobody is.
#[derive(Debug, Clone)]
pub struct Telling {
    /// A command to run.
    pub hook: Option<Hook>,
    /// How long it may take; then it is ended, with its process group.
    pub hook_time: Duration,
    /// A file with the number of a process that reads its credentials again at SIGHUP.
    pub pid_file: Option<PathBuf>,
}

impl Telling {
    /// Whether there is anybody to tell.
    pub fn is_wanted(&self) -> bool {
        self.hook.is_some() || self.pid_file.is_some()
    }

    /// Tells applications if `current` was switched and they have not been told, and keeps that they were.
    ///
    /// # Errors
    /// Why they were not told, or why that is not kept; then they are told again, which is harmless.
    pub async fn tell_if_untold(&self, directory: &Path, disk: &Arc<dyn Disk>) -> Result<(), TellError> {
        let view = View::read(directory)?;
        let record = view.record();
        let (true, true, Some(device), Some(enrolment)) =
            (self.is_wanted(), record.untold, &record.device, &record.enrolment)
        else {
            return Ok(());
        };
        let serial_number = view.certificate(Place::Slot(enrolment.slot))?.serial_number;
        self.tell(&Switched { state: directory, device, serial_number: &serial_number }).await?;
        info!(serial = hex::encode(&serial_number), "told applications of their new certificate");
        // Without the lock meanwhile: a hook may run commands of ours, and there may be a newer certificate by now.
        let mut state = State::open(directory, disk.clone())?;
        if state.record().enrolment.as_ref().map(|it| it.request_id) == Some(enrolment.request_id) {
            state.update(|record| record.untold = false)?;
        }
        Ok(())
    }

    /// Tells them. When this returns `Ok`, the command ended well and the signal was sent.
    ///
    /// # Errors
    /// Why not everybody was told; telling again is harmless.
    async fn tell(&self, switched: &Switched<'_>) -> Result<(), HookError> {
        if let Some(hook) = &self.hook {
            hook.run(switched, self.hook_time).await?;
        }
        if let Some(path) = &self.pid_file {
            let process = process_of(path)?;
            kill_process(process, Signal::HUP)
                .map_err(|error| HookError::Signal { path: path.clone(), source: error.into() })?;
        }
        Ok(())
    }
}

/// What there is to tell: where, whose it is, and the serial number of the certificate that `current` leads to.
#[derive(Clone, Copy)]
struct Switched<'a> {
    state: &'a Path,
    device: &'a DeviceId,
    serial_number: &'a [u8],
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

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)
    }
}

impl Hook {
    async fn run(&self, switched: &Switched<'_>, limit: Duration) -> Result<(), HookError> {
        let mut command = Command::new(&self.program);
        // A hook has nothing to say to the service manager of the agent.
        supervisor::VARIABLES.iter().for_each(|name| _ = command.env_remove(name));
        command
            .args(&self.arguments)
            .env("TOUCHMARK_STATE", switched.state)
            .env("TOUCHMARK_CURRENT", switched.state.join("current"))
            .env("TOUCHMARK_DEVICE", switched.device.to_string())
            .env("TOUCHMARK_SERIAL_NUMBER", hex::encode(switched.serial_number));
        let said = hooks::run(command, limit)
            .await
            .map_err(|source| HookError::Run { program: self.program.clone(), source })?;
        if !said.is_empty() {
            info!("the hook {self} said: {said}");
        }
        Ok(())
    }
}

fn process_of(path: &Path) -> Result<Pid, HookError> {
    let unreadable = |source| HookError::PidFile { path: path.to_owned(), source };
    let text = files::read_limited(path, PID_FILE_BYTES_MAX).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&text);
    let number = text.trim().parse().ok().filter(|number| *number > 1);
    number.and_then(Pid::from_raw).ok_or_else(|| unreadable(io::ErrorKind::InvalidData.into()))
}

/// Why it is not on record that applications were told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// The state directory is at fault, or held by another agent.
    #[error(transparent)]
    State(#[from] StateError),
    /// They were not told.
    #[error(transparent)]
    Hook(#[from] HookError),
}

/// Why applications were not told.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// A quote is open, or there is no word.
    #[error("it is not a command: a quote is open, or it is empty")]
    Words,
    /// It does not start, fails, or does not end in time.
    #[error("the hook {program} did not do its work")]
    Run {
        /// What.
        program: String,
        /// Why.
        source: hooks::HookError,
    },
    /// No process to signal.
    #[error("{} does not name a process", path.display())]
    PidFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The process takes no signal.
    #[error("the process that {} names cannot be sent SIGHUP", path.display())]
    Signal {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
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
    fn a_pid_file_names_one_process_that_is_not_everybody() {
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
