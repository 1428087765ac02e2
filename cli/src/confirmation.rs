//! Confirmation by a person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

/// The answer of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The person typed this line.
    Typed(String),
    /// There is no terminal.
    Nobody,
}

/// Asks for one line. Standard input and standard error must both be a terminal, so that a piped answer does
/// not count.
pub fn ask(question: &str) -> Answer {
    let input = io::stdin();
    if !input.is_terminal() || !io::stderr().is_terminal() {
        return Answer::Nobody;
    }
    let mut notes = io::stderr();
    let asked = write!(notes, "{question}").and_then(|()| notes.flush());
    let mut line = String::new();
    match asked.and_then(|()| input.lock().read_line(&mut line)) {
        Ok(_) => Answer::Typed(line.trim().to_owned()),
        Err(_) => Answer::Nobody,
    }
}
