//! A program in a pseudo-terminal: what is typed, and what is shown.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, LocalModes, Winsize, tcflow, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::Process;

/// A process whose standard input and standard error are a terminal of its own.
pub struct Terminal {
    process: Process,
    master: File,
    slave: OwnedFd,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    /// Up to where the output was looked at.
    seen: usize,
}

struct Shown {
    /// Everything, without escape sequences.
    text: String,
    /// What a terminal makes of it.
    emulator: Parser,
}

impl Terminal {
    /// Starts a command in the foreground of a new terminal of 24 lines of 200 columns. Its standard output
    /// is what the command says.
    pub fn start(command: &Command, stdout: File) -> Self {
        Self::sized(command, stdout, (24, 200))
    }

    /// As [`Self::start`], with so many lines and columns.
    pub fn sized(command: &Command, stdout: File, (rows, columns): (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        set_size(&slave, rows, columns);
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
        if command.get_envs().all(|(name, _)| name != "TERM") {
            session.env("TERM", "xterm");
        }
        session.stdin(slave.try_clone().unwrap()).stderr(slave.try_clone().unwrap());
        let process = Process::start(session.stdout(stdout));
        let master = File::from(master);
        let shown = Shown { text: String::new(), emulator: Parser::new(rows, columns, 0) };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
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
            if let Some(at) = shown.text[self.seen..].find(text) {
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
        self.shown.0.lock().unwrap().text.clone()
    }

    /// The lines that are to be seen now, without spaces at their ends.
    pub fn picture(&self) -> String {
        self.shown.0.lock().unwrap().picture()
    }

    /// Waits until what is to be seen is as it must be, and returns it.
    pub fn pictures(&self, deadline: Duration, is_it: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + deadline;
        let (shown, more) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        loop {
            let picture = shown.picture();
            if is_it(&picture) {
                return picture;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {deadline:?}; to be seen is:\n{picture}");
            shown = more.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// The background of the first place where this is to be seen, and whether it is reversed.
    pub fn background(&self, text: &str) -> (vt100::Color, bool) {
        let shown = self.shown.0.lock().unwrap();
        let screen = shown.emulator.screen();
        let (_, columns) = screen.size();
        let mut rows = screen.rows(0, columns).zip(0..);
        let found = rows
            .find_map(|(row, number)| Some((number, row.find(text).map(|at| row[..at].chars().count())?)));
        let (row, column) =
            found.unwrap_or_else(|| panic!("{text:?} is not to be seen:\n{}", shown.picture()));
        let cell = screen.cell(row, u16::try_from(column).unwrap()).unwrap();
        (cell.bgcolor(), cell.inverse())
    }

    /// Whether the program has the whole terminal (the alternate screen) and hides the cursor.
    pub fn is_taken(&self) -> (bool, bool) {
        let shown = self.shown.0.lock().unwrap();
        (shown.emulator.screen().alternate_screen(), shown.emulator.screen().hide_cursor())
    }

    /// Waits until the terminal is as before the program: its screen, its cursor, its line editing.
    pub fn is_given_back(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        while self.is_taken() != (false, false) || !self.is_as_before() {
            assert!(Instant::now() < end, "the terminal is not given back:\n{}", self.picture());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.shown.0.lock().unwrap().emulator.screen_mut().set_size(rows, columns);
        set_size(&self.slave, rows, columns);
    }

    /// Stops the output, as Ctrl-S does, or lets it go on.
    pub fn stall(&self, stalls: bool) {
        let action = if stalls { Action::OOff } else { Action::OOn };
        tcflow(&self.slave, action).unwrap();
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whether the terminal edits lines and echoes, as before the program.
    pub fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end of the program, and until all that it wrote is shown. The terminal must not stall.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let ended = self.process.wait(deadline);
        let ended = ended.unwrap_or_else(|| panic!("it goes on after {deadline:?}: {}", self.shown()));
        rustix::io::write(&self.slave, END.as_bytes()).unwrap();
        let (shown, more) = &*self.shown;
        let shown = shown.lock().unwrap();
        let (mut shown, late) =
            more.wait_timeout_while(shown, deadline, |shown| !shown.text.contains(END)).unwrap();
        assert!(!late.timed_out(), "the terminal reads what is written to it: {:?}", shown.text);
        shown.text = shown.text.replace(END, "");
        ended
    }
}

/// Written by this side, behind what the program wrote.
const END: &str = "\u{1}";

impl Shown {
    fn picture(&self) -> String {
        let screen = self.emulator.screen();
        let rows: Vec<String> =
            screen.rows(0, screen.size().1).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n")
    }
}

fn set_size(terminal: &OwnedFd, ws_row: u16, ws_col: u16) {
    tcsetwinsize(terminal, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

fn listen(mut output: File, shown: &(Mutex<Shown>, Condvar)) {
    let mut buffer = [0; 4096];
    let mut escape = false;
    // EIO: the last descriptor of the other side is closed.
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let mut all = shown.0.lock().unwrap();
        all.emulator.process(&buffer[..length]);
        for c in text.chars() {
            match (escape, c) {
                (false, '\u{1b}') => escape = true,
                (false, c) => all.text.push(c),
                // An escape sequence ends with a letter.
                (true, c) => escape = !c.is_ascii_alphabetic(),
            }
        }
        shown.1.notify_all();
    }
}
