//! The terminal at standard input while people scan: each character comes at once, as it is.
//!
//! The kernel's line editing would keep a scan without Enter for itself, and would take control characters of
//! a scanner for Ctrl-C, Ctrl-Z or Ctrl-S.

use std::io::{self, IsTerminal};

use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr,
};

/// The terminal in this state. Dropping it sets the terminal back.
#[derive(Debug)]
pub(crate) struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// `None` if standard input is no terminal, or another program is in its foreground.
    pub(crate) fn take() -> io::Result<Option<Self>> {
        if !is_at_the_keyboard() {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        now.input_modes.remove(InputModes::IXON | InputModes::IXOFF);
        tcsetattr(stdin(), OptionalActions::Now, &now)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        tcsetattr(stdin(), OptionalActions::Flush, &self.before).ok();
    }
}

/// Whether a person can press a key: standard input is a terminal, and this program is in its foreground.
pub(crate) fn is_at_the_keyboard() -> bool {
    io::stdin().is_terminal() && tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

/// Drops what was typed before.
pub(crate) fn flush_keyboard() {
    tcflush(stdin(), QueueSelector::IFlush).ok();
}
