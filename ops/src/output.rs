//! What is printed: tables for people, one JSON object a line for programs.

use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;
use crate::table::{Column, lay_out, wrapped};

/// Where data (stdout) and everything else (stderr) go, and in which form.
pub struct Output {
    /// `None` while, or after, somebody else prints.
    data: Option<Box<dyn Write + Send>>,
    notes: Box<dyn Write + Send>,
    json: bool,
    /// Of the terminal at which a person looks at the data.
    width: Option<usize>,
    /// Whether a table was cut and nobody was told yet.
    cut: bool,
}

impl Output {
    /// Writes data to `data` and notes, progress and errors to `notes`; `width` is that of the terminal at which a person looks at the
    /// data, `None` when it goes elsewhere.
    pub fn new(
        data: Box<dyn Write + Send>,
        notes: Box<dyn Write + Send>,
        json: bool,
        width: Option<usize>,
    ) -> Self {
        Self { data: Some(data), notes, json, width, cut: false }
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
        self.line(&text).inspect_err(|_| {
            // What was done is done, and its result, perhaps an id that is needed next, is printed nowhere else.
            self.note(&text);
        })
    }

    /// One thing as it is printed, fitted to the terminal.
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

    /// Prints rows: one object a line, or a table with a row each, which fits the terminal unless it shall be `wide`.
    pub(crate) fn rows<T: Serialize>(
        &mut self,
        rows: &[T],
        columns: &[Column],
        cells: impl Fn(&T) -> Vec<String>,
        wide: bool,
    ) -> Result<(), Failure> {
        if self.json {
            return rows.iter().try_for_each(|row| {
                let text = json(row)?;
                self.line(&text)
            });
        }
        let laid = lay_out(columns, rows.iter().map(cells).collect(), self.width.filter(|_| !wide));
        self.cut |= laid.cut;
        self.line(&laid.text)
    }

    /// Says, once, that tables were cut to fit the terminal.
    pub(crate) fn say_if_cut(&mut self) {
        if std::mem::take(&mut self.cut) {
            self.note("cut to fit the terminal; --wide prints all columns in full");
        }
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
                "{}; there are more: --cursor {cursor} goes on, --limit 0 prints all",
                cli::count(count as u64, "row")
            ));
        }
    }

    /// Prints one line of data.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        if self.width.is_some() {
            // On one screen with the notes: in their order.
            self.notes.flush().ok();
        }
        let Some(data) = &mut self.data else { return Ok(()) };
        match print(data.as_mut(), text) {
            // Whoever reads has seen enough (`| head`): that is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(|source| Failure::stdout(&source).next(UNPRINTED_NEXT)),
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
        printed.map_err(|source| Failure::stdout(&source))
    }

    /// Tells a person something that is not data.
    pub(crate) fn note(&mut self, text: &str) {
        // Nobody may be looking; that is no failure. In one piece: log lines may come between two.
        self.notes.write_all(format!("{text}\n").as_bytes()).ok();
    }

    /// Prints a failure on stderr: what happened, why, and what to do next.
    pub fn failure(&mut self, failure: &Failure) {
        let text = failure.complaint().text(self.json);
        self.note(&text);
    }
}

fn print(data: &mut (dyn Write + Send), text: &str) -> std::io::Result<()> {
    data.write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes())?;
    data.flush()
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

const UNPRINTED_NEXT: &str = "the command was carried out, only its result could not be written: make room, or send stdout elsewhere; look before you repeat what changes something";

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|source| Failure::stdout(&source.into()))
}
