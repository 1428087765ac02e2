//! What is printed: tables for people, one JSON object a line for programs.

use std::io::{BufRead, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// Where data (stdout) and everything else (stderr) go, and in which form.
pub struct Output {
    data: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    json: bool,
    terminal: bool,
}

impl Output {
    /// Writes data to `data` and notes, progress and errors to `notes`; `terminal` says that a person looks at the data.
    pub fn new(
        data: Box<dyn Write + Send>,
        notes: Box<dyn Write + Send>,
        json: bool,
        terminal: bool,
    ) -> Self {
        Self { data, notes, json, terminal }
    }

    /// Whether programs read the data.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one thing: as an object, or as the words that `people` makes of it.
    pub(crate) fn one<T: Serialize>(
        &mut self,
        value: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = if self.json { json(value)? } else { people(value) };
        self.line(&text)
    }

    /// Prints rows: one object a line, or a table with a row each.
    pub(crate) fn rows<T: Serialize>(
        &mut self,
        rows: &[T],
        columns: &[&str],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return rows.iter().try_for_each(|row| {
                let text = json(row)?;
                self.line(&text)
            });
        }
        let table = table(columns, rows.iter().map(cells), self.terminal);
        self.line(&table)
    }

    /// Says that a list has no rows.
    pub(crate) fn none(&mut self) {
        if !self.json {
            self.note("none");
        }
    }

    /// Says that a list goes on after `count` rows, and how to go on with it.
    pub(crate) fn more(&mut self, count: usize, cursor: &str) {
        if self.json {
            self.note(&serde_json::json!({ "next_cursor": cursor }).to_string());
        } else {
            self.note(&format!(
                "{count} rows; there are more: --cursor {cursor} goes on, --limit 0 prints all"
            ));
        }
    }

    /// Asks the person at the terminal for one line; `None` when nobody sits there.
    pub(crate) fn ask(&mut self, question: &str) -> Option<String> {
        let input = std::io::stdin();
        if !input.is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        write!(self.notes, "{question}").and_then(|()| self.notes.flush()).ok()?;
        let mut line = String::new();
        input.lock().read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    }

    /// Prints one line of data.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        match writeln!(self.data, "{}", text.trim_end_matches('\n')).and_then(|()| self.data.flush()) {
            // Whoever reads has seen enough (`| head`): that is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(|source| Failure::file("stdout", source)),
        }
    }

    /// Tells a person something that is not data.
    pub(crate) fn note(&mut self, text: &str) {
        // Nobody may be looking; that is no failure.
        writeln!(self.notes, "{text}").ok();
    }

    /// Prints a failure on stderr: what happened, why, and what to do next.
    pub fn failure(&mut self, failure: &Failure) {
        let text = if self.json { failure.to_json() } else { failure.to_string() };
        self.note(&text);
    }

    /// Prints a completion script.
    pub(crate) fn completions<A: clap::CommandFactory>(
        &mut self,
        shell: clap_complete::Shell,
    ) -> Result<(), Failure> {
        clap_complete::generate(shell, &mut A::command(), "touchmark", &mut self.data);
        Ok(())
    }
}

/// Lays rows out under their columns: with lines on a terminal, plain elsewhere.
pub(crate) fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>, terminal: bool) -> String {
    let mut table = Table::new();
    table.load_preset(if terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().copied());
    table.add_rows(rows);
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Lays out what is known of one thing, a line each, names left; a value of several lines is indented.
pub(crate) fn facts(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    lines
        .iter()
        .map(|(name, value)| {
            let indent = format!("\n{:width$}  ", "");
            format!("{name:width$}  {}", value.replace('\n', &indent))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|source| Failure::file("stdout", source.into()))
}
