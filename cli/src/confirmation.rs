//! Confirmation by a person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

/// Asks for one line if standard input and standard error are a terminal: a piped answer does not count.
pub fn ask(question: &str) -> Option<String> {
    let input = io::stdin();
    if !input.is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut notes = io::stderr();
    let asked = write!(notes, "{question}").and_then(|()| notes.flush());
    let mut line = String::new();
    asked.and_then(|()| input.lock().read_line(&mut line)).ok().map(|_| line.trim().to_owned())
}
