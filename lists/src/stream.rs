//! Reads a list line by line, as it comes.

use std::collections::HashMap;

use identity::Product;

use crate::cells::{Record, records, trimmed};
use crate::columns::{Columns, declared, delimiter, is_preamble, named};
use crate::mistakes::Mistake;
use crate::{Row, row, text};

/// Reads a list that has no end yet. It takes what [`crate::read`] takes, but for UTF-16 and for cells with
/// line ends, and it judges each line by what came before: a total at the end looks like any other row.
#[derive(Debug)]
pub struct RowReader {
    product: Product,
    column: Option<String>,
    /// The number of the last line, from 1.
    line: u64,
    declared: Option<char>,
    layout: Option<(Columns, Option<char>)>,
    /// The lines of the serial numbers that came, in lower case.
    seen: HashMap<String, u64>,
}

impl RowReader {
    /// A reader at the beginning of a list. `column` is the name of the column of serial numbers; the default
    /// is one with a usual name.
    pub fn new(product: Product, column: Option<String>) -> Self {
        Self { product, column, line: 0, declared: None, layout: None, seen: HashMap::new() }
    }

    /// Takes the next line, without its end. `None`: it is no row, but empty, a comment or the header.
    ///
    /// # Errors
    /// The mistake of this line; the next line can be read all the same.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Option<Row>, Mistake> {
        self.line = self.line.saturating_add(1);
        let text = text::decode_line(bytes, self.line)?;
        if trimmed(&text).is_empty() {
            return Ok(None);
        }
        let (columns, delimiter) = match &self.layout {
            Some(layout) => layout.clone(),
            None => match self.begin(&text)? {
                Some(layout) => layout,
                None => return Ok(None),
            },
        };
        let Some(record) = first_record(&text, self.line, delimiter)? else { return Ok(None) };
        let is_comment = record.cells.first().is_some_and(|cell| cell.starts_with('#'));
        if is_comment && columns.names.len() <= 1 {
            return Ok(None);
        }
        let row = row(&record, &columns, &self.product).map_err(|what| Mistake::at(record.line, what))?;
        self.remember(&row)?;
        Ok(Some(row))
    }

    /// The last line could not be kept, because it is too long.
    pub fn too_long(&mut self, bytes_max: usize) -> Mistake {
        self.line = self.line.saturating_add(1);
        Mistake::at(self.line, format!("a line has at most {bytes_max} bytes"))
    }

    /// Finds the layout in the first line that has something. `None`: the line is not a row.
    fn begin(&mut self, text: &str) -> Result<Option<(Columns, Option<char>)>, Mistake> {
        let column = self.column.as_deref();
        if self.line == 1
            && let Some(separator) = declared(text)
        {
            self.declared = Some(separator);
            return Ok(None);
        }
        if is_preamble(text, self.declared, column) {
            return Ok(None);
        }
        let delimiter = self.declared.or_else(|| delimiter(text));
        let Some(header) = first_record(text, self.line, delimiter)? else { return Ok(None) };
        if let Some(columns) = named(&header, column)? {
            self.layout = Some((columns, delimiter));
            return Ok(None);
        }
        if header.cells.iter().filter(|cell| !cell.is_empty()).count() > 1 {
            return Err(Mistake::at(header.line, crate::columns::NO_HEADER));
        }
        let layout = (Columns::default(), delimiter);
        self.layout = Some(layout.clone());
        Ok(Some(layout))
    }

    /// X.520 compares serial numbers by caseIgnoreMatch.
    fn remember(&mut self, row: &Row) -> Result<(), Mistake> {
        let key = row.serial.as_str().to_ascii_lowercase();
        if let Some(first) = self.seen.get(&key) {
            let what = format!("{} is in line {first} already, perhaps in another case", row.serial);
            return Err(Mistake::at(row.line, what));
        }
        if self.seen.len() >= ROWS_MAX {
            return Err(Mistake::at(row.line, format!("a list has at most {ROWS_MAX} rows")));
        }
        self.seen.insert(key, row.line);
        Ok(())
    }
}

fn first_record(text: &str, line: u64, delimiter: Option<char>) -> Result<Option<Record>, Mistake> {
    Ok(records(text, line, delimiter)?.into_iter().next())
}

/// The most rows: what [`crate::LIST_BYTES_MAX`] allows a whole list.
const ROWS_MAX: usize = 1_000_000;
