//! Splits text into cells, strictly by RFC 4180: an open quote would swallow the units behind it.

use crate::mistakes::Mistake;

/// One record: a line, or several if a quoted cell contains line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The line at which it begins, from 1.
    pub(crate) line: u64,
    /// Its cells, without quotes and surrounding white space.
    pub(crate) cells: Vec<String>,
}

impl Record {
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

/// All records of a text; without a delimiter, one cell for each line. Empty records are left out.
pub(crate) fn records(text: &str, first_line: u64, delimiter: Option<char>) -> Result<Vec<Record>, Mistake> {
    let mut reader = Reader { rest: text, line: first_line, delimiter };
    let mut records = Vec::new();
    while let Some(record) = reader.record()? {
        if !record.is_empty() {
            records.push(record);
        }
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a str,
    line: u64,
    delimiter: Option<char>,
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Option<Record>, Mistake> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let (cell, is_last) = self.cell(line)?;
            cells.push(cell);
            if is_last {
                return Ok(Some(Record { line, cells }));
            }
        }
    }

    /// The next cell, and whether it is the last of its record.
    fn cell(&mut self, record_line: u64) -> Result<(String, bool), Mistake> {
        let delimiter = self.delimiter;
        let blank = |c: char| is_blank(c) && c != '\n' && Some(c) != delimiter;
        let start = self.rest.trim_start_matches(blank);
        if let Some(quoted) = start.strip_prefix('"') {
            self.rest = quoted;
            return self.quoted(record_line);
        }
        let end = self.rest.find(|c| c == '\n' || Some(c) == delimiter).unwrap_or(self.rest.len());
        let cell = trimmed(self.rest.get(..end).unwrap_or_default()).to_owned();
        Ok((cell, self.pass(end)))
    }

    fn quoted(&mut self, record_line: u64) -> Result<(String, bool), Mistake> {
        let mut cell = String::new();
        loop {
            let Some((inside, after)) = self.rest.split_once('"') else {
                return Err(Mistake::at(record_line, "a quote is opened here and never closed"));
            };
            self.line += u64::try_from(inside.matches('\n').count()).unwrap_or_default();
            cell.push_str(inside);
            match after.strip_prefix('"') {
                // "a double-quote appearing inside a field must be escaped by preceding it with another
                // double quote"
                Some(more) => {
                    cell.push('"');
                    self.rest = more;
                }
                None => {
                    self.rest = after;
                    break;
                }
            }
        }
        let delimiter = self.delimiter;
        let end = self.rest.find(|c| c == '\n' || Some(c) == delimiter).unwrap_or(self.rest.len());
        if !trimmed(self.rest.get(..end).unwrap_or_default()).is_empty() {
            let what = "something follows a closing quote; a quote inside a cell is written twice";
            return Err(Mistake::at(self.line, what));
        }
        Ok((trimmed(&cell).to_owned(), self.pass(end)))
    }

    /// Skips the end of a cell. Returns whether it was the last of its record.
    fn pass(&mut self, end: usize) -> bool {
        let mut rest = self.rest.get(end..).unwrap_or_default().chars();
        let is_last = rest.next().is_none_or(|c| c == '\n');
        self.rest = rest.as_str();
        if is_last {
            self.line += 1;
        }
        is_last
    }
}

/// Removes invisible characters at both ends: spaces of all kinds, and marks in copied text.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}
