//! What is printed: tables for people, one JSON object a line for programs.

use std::io::{BufRead, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// Where data (stdout) and everything else (stderr) go, and in which form.
pub struct Output {
    /// `None` while, or after, somebody else prints.
    data: Option<Box<dyn Write + Send>>,
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
        Self { data: Some(data), notes, json, terminal }
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
        let text = self.text_of(value, people)?;
        self.line(&text)
    }

    /// One thing as it would be printed.
    pub(crate) fn text_of<T: Serialize>(
        &self,
        value: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<String, Failure> {
        if self.json { json(value) } else { Ok(people(value)) }
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
        if self.terminal {
            // On one screen with the notes: in their order.
            self.notes.flush().ok();
        }
        let Some(data) = &mut self.data else { return Ok(()) };
        match print(data.as_mut(), text) {
            // Whoever reads has seen enough (`| head`): that is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(|source| Failure::file("stdout", source)),
        }
    }

    /// Prints lines of data on a thread that may wait for their reader, so that the caller can be stopped meanwhile. A caller that is stopped
    /// in the middle prints nothing more.
    ///
    /// # Errors
    /// Also when nobody reads any more.
    pub(crate) async fn lines_to_a_reader(&mut self, text: String) -> Result<(), Failure> {
        let Some(mut data) = self.data.take() else { return Ok(()) };
        let printing = tokio::task::spawn_blocking(move || {
            let printed = print(data.as_mut(), &text);
            (data, printed)
        });
        let (data, printed) = printing.await.map_err(|error| Failure::local(format!("stdout: {error}")))?;
        self.data = Some(data);
        printed.map_err(|source| Failure::file("stdout", source))
    }

    /// Tells a person something that is not data.
    pub(crate) fn note(&mut self, text: &str) {
        // Nobody may be looking; that is no failure. In one piece: log lines may come between two.
        self.notes.write_all(format!("{text}\n").as_bytes()).ok();
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
        // Into memory: it panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut A::command(), "touchmark", &mut script);
        self.line(&String::from_utf8_lossy(&script))
    }
}

fn print(data: &mut (dyn Write + Send), text: &str) -> std::io::Result<()> {
    data.write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes())?;
    data.flush()
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
