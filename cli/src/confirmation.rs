//! Confirmation before harm: a number or a name that a person types.

use std::io::{self, BufRead, IsTerminal, Write};

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The person typed this line.
    Typed(String),
    /// Nobody sits at a terminal.
    Nobody,
}

/// Asks the person at the terminal for one line. Standard input and standard error must both be a terminal: an answer that was
/// piped in is nobody's.
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
