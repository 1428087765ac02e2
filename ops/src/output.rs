//! Output: tables for people, one JSON object a line for programs.

use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;
use crate::table::{Column, lay_out, wrapped};

/// Writes data to stdout and everything else to stderr.
pub struct Output {
    /// `None` while another thread writes, or after it was stopped.
    data: Option<Box<dyn Write + Send>>,
    notes: Box<dyn Write + Send>,
    json: bool,
    /// The width of the terminal; `None` if the data goes elsewhere.
    width: Option<usize>,
    /// Whether a table was cut and no note said so yet.
    cut: bool,
}

impl Output {
    /// `width` is that of the terminal, `None` if the data goes elsewhere.
    pub fn new(
        data: Box<dyn Write + Send>,
        notes: Box<dyn Write + Send>,
        json: bool,
        width: Option<usize>,
    ) -> Self {
        Self { data: Some(data), notes, json, width, cut: false }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one thing: as JSON, or as the text that `people` makes of it.
    pub(crate) fn one<T: Serialize>(
        &mut self,
        value: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = self.text_of(value, people)?;
        self.line(&text).inspect_err(|_| {
            // The result, perhaps an id that is needed next, is printed nowhere else.
            self.note(&text);
        })
    }

    /// One thing as it is printed, wrapped for the terminal.
    pub(crate) fn text_of<T: Serialize>(
        &self,
        value: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<String, Failure> {
        match self.width {
            _ if self.json => json(value),
            Some(width) => Ok(wrapped(&people(value), width)),
            None => Ok(people(value)),
        }
    }

    /// Prints rows: one JSON object a line, or a table that fits the terminal unless it is `wide`.
    pub(crate) fn rows<T: Serialize>(
        &mut self,
        rows: &[T],
        columns: &[Column<T>],
        wide: bool,
    ) -> Result<(), Failure> {
        if self.json {
            return rows.iter().try_for_each(|row| {
                let text = json(row)?;
                self.line(&text)
            });
        }
        let laid = lay_out(columns, rows, self.width.filter(|_| !wide));
        self.cut |= laid.cut;
        self.line(&laid.text)
    }

    /// Notes, once, that tables were cut to fit the terminal.
    pub(crate) fn say_if_cut(&mut self) {
        if std::mem::take(&mut self.cut) {
            self.note("cut to fit the terminal; --wide prints all columns in full");
        }
    }

    pub(crate) fn none(&mut self) {
        if !self.json {
            self.note("none");
        }
    }

    /// Notes that a list goes on after `count` rows, and how to print the rest.
    pub(crate) fn more(&mut self, count: usize, cursor: &str) {
        if self.json {
            self.note(&serde_json::json!({ "next_cursor": cursor }).to_string());
        } else {
            self.note(&format!(
                "{}; there are more: --cursor {cursor} goes on, --limit 0 prints all",
                cli::count(count as u64, "row")
            ));
        }
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        if self.width.is_some() {
            // Keeps the order of notes and data on a terminal.
            self.notes.flush().ok();
        }
        let Some(data) = &mut self.data else { return Ok(()) };
        match print(data.as_mut(), text) {
            // The reader has seen enough (`| head`).
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(|source| Failure::stdout(&source).next(UNPRINTED_NEXT)),
        }
    }

    /// Prints lines of data on a thread that may wait for its reader, so that the caller can be stopped
    /// meanwhile. A caller that is stopped prints nothing more.
    pub(crate) async fn lines_to_a_reader(&mut self, text: String) -> Result<(), Failure> {
        let Some(mut data) = self.data.take() else { return Ok(()) };
        let printing = tokio::task::spawn_blocking(move || {
            let printed = print(data.as_mut(), &text);
            (data, printed)
        });
        let (data, printed) = printing.await.map_err(|error| Failure::local(format!("stdout: {error}")))?;
        self.data = Some(data);
        printed.map_err(|source| Failure::stdout(&source))
    }

    pub(crate) fn note(&mut self, text: &str) {
        // Written in one piece, because log lines may come between two writes. A failed write is ignored.
        self.notes.write_all(format!("{text}\n").as_bytes()).ok();
    }

    pub(crate) fn failure(&mut self, failure: &Failure) {
        let text = failure.0.text(self.json);
        self.note(&text);
    }
}

fn print(data: &mut (dyn Write + Send), text: &str) -> std::io::Result<()> {
    data.write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes())?;
    data.flush()
}

/// One line for each fact, names left. Values of several lines are indented.
pub(crate) fn fact_lines(lines: &[(&str, String)]) -> String {
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

const UNPRINTED_NEXT: &str = "the command was carried out, only its result could not be written: make room, or send stdout elsewhere; look before you repeat what changes something";

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|source| Failure::stdout(&source.into()))
}
