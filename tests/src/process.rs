//! A child process that is always reaped.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A child process. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|why| panic!("cannot run {command:?}: {why}"));
        Self { child }
    }

    /// Kills it, as a power cut would, and reaps it.
    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL can be sent");
        self.child.wait().expect("it can be waited for");
    }

    /// Stops it (SIGTERM) and waits.
    pub fn terminate(mut self, deadline: Duration) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).expect("SIGTERM can be sent");
        self.wait(deadline).unwrap_or_else(|| panic!("it goes on {deadline:?} after SIGTERM"))
    }

    /// Stops it (SIGTERM), so that it can end its own processes, and waits; kills it if it does not end.
    pub fn end(mut self, deadline: Duration) {
        if self.wait(Duration::ZERO).is_none() {
            let _ = kill_process(self.pid(), Signal::TERM);
        }
        if self.wait(deadline).is_none() {
            eprintln!("process {} goes on {deadline:?} after SIGTERM and is killed", self.id());
        }
    }

    /// Waits for its end; `None` if it does not end in time.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    pub fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM), and does not wait.
    pub fn signal_term(&self) {
        kill_process(self.pid(), Signal::TERM).expect("SIGTERM can be sent");
    }

    /// Its resident memory, from `/proc`.
    pub fn resident_kib(&self) -> u64 {
        status_kib(self.id(), "VmRSS:")
    }

    /// The peak of its resident memory.
    pub fn resident_peak_kib(&self) -> u64 {
        status_kib(self.id(), "VmHWM:")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status_kib(id: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field exists");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// The interval between checks of a wait.
const POLL: Duration = Duration::from_millis(2);

/// The same command with SIGHUP enabled, even if this test runs under `nohup`.
pub fn hearing_hang_ups(command: &Command) -> Command {
    let mut hearing = Command::new("env");
    hearing.arg("--default-signal=HUP").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => hearing.env(name, value),
            None => hearing.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        hearing.current_dir(directory);
    }
    hearing
}
