//! A program in a pseudo-terminal: what is typed, and what is shown.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::Process;

/// A process whose standard input and standard error are a terminal of its own, 24 lines of 200 columns.
#[derive(Debug)]
pub struct Terminal {
    process: Process,
    master: File,
    slave: OwnedFd,
    shown: Arc<(Mutex<String>, Condvar)>,
    /// Up to where the output was looked at.
    seen: usize,
}

impl Terminal {
    /// Starts a command in the foreground of a new terminal. Its standard output is what the command says.
    pub fn start(command: &Command, stdout: File) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        // Only a process without a terminal can take one: setsid does, and becomes the command.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            session.current_dir(directory);
        }
        session.env("TERM", "xterm").stdin(slave.try_clone().unwrap()).stderr(slave.try_clone().unwrap());
        let process = Process::start(session.stdout(stdout));
        let master = File::from(master);
        let shown = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (output, to) = (master.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || listen(output, &to));
        Self { process, master, slave, shown, seen: 0 }
    }

    /// Types these bytes.
    pub fn type_in(&mut self, bytes: impl AsRef<[u8]>) {
        self.master.write_all(bytes.as_ref()).unwrap();
    }

    /// Waits until this is shown behind what was waited for before.
    pub fn shows(&mut self, deadline: Duration, text: &str) {
        let is_shown = self.shows_within(deadline, text);
        assert!(is_shown, "not within {deadline:?}: {text:?} in {:?}", &self.shown()[self.seen..]);
    }

    /// As [`Terminal::shows`], for what may not be shown.
    pub fn shows_within(&mut self, deadline: Duration, text: &str) -> bool {
        let end = Instant::now() + deadline;
        let (shown, more) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        loop {
            if let Some(at) = shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            shown = more.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Everything that was shown, without escape sequences.
    pub fn shown(&self) -> String {
        self.shown.0.lock().unwrap().clone()
    }

    /// Whether the terminal edits lines and echoes, as before the program.
    pub fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let ended = self.process.wait(deadline);
        ended.unwrap_or_else(|| panic!("it goes on after {deadline:?}: {}", self.shown()))
    }
}

fn listen(mut output: File, shown: &(Mutex<String>, Condvar)) {
    let mut buffer = [0; 4096];
    let mut escape = false;
    // EIO: the last descriptor of the other side is closed.
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let mut all = shown.0.lock().unwrap();
        for c in text.chars() {
            match (escape, c) {
                (false, '\u{1b}') => escape = true,
                (false, c) => all.push(c),
                // An escape sequence ends with a letter.
                (true, c) => escape = !c.is_ascii_alphabetic(),
            }
        }
        shown.1.notify_all();
    }
}
