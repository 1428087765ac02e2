//! Progress bars on standard error. They never wait for a terminal that a person stopped (Ctrl-S) or closed.

use std::io::{self, IsTerminal};

use indicatif::{ProgressDrawTarget, TermLike};
use parking_lot::Mutex;
use rustix::termios::tcgetwinsize;

use crate::stderr;

/// The draw target: standard error through the queue of the log; nothing if it is not a terminal.
pub fn draw_target() -> ProgressDrawTarget {
    match io::stderr().is_terminal() {
        true => ProgressDrawTarget::term_like(Box::<Screen>::default()),
        false => ProgressDrawTarget::hidden(),
    }
}

/// Collects one drawing and queues it as a whole.
#[derive(Debug, Default)]
struct Screen {
    picture: Mutex<String>,
}

impl Screen {
    fn add(&self, text: &str) -> io::Result<()> {
        self.picture.lock().push_str(text);
        Ok(())
    }

    /// ECMA-48: CSI, a count and a letter for the direction; a missing count means one step.
    fn move_by(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.add(&format!("\x1b[{n}{direction}")) }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        tcgetwinsize(io::stderr()).map_or(COLUMNS, |size| size.ws_col)
    }

    fn height(&self) -> u16 {
        tcgetwinsize(io::stderr()).map_or(ROWS, |size| size.ws_row)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.add(s)?;
        self.add("\n")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.add(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let picture = std::mem::take(&mut *self.picture.lock());
        if !picture.is_empty() {
            stderr().put_if_idle(picture.as_bytes());
        }
        Ok(())
    }
}

/// The width of a terminal that does not report one.
const COLUMNS: u16 = 80;

/// The height of a terminal that does not report one.
const ROWS: u16 = 24;
