//! Finds the delimiter and the columns of a list.

use crate::cells::{Record, records, trimmed};
use crate::mistakes::Mistake;
use crate::shown;

#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// The names in the header; empty for a plain list.
    pub(crate) names: Vec<String>,
    pub(crate) serial: usize,
    pub(crate) product: Option<usize>,
}

pub(crate) struct Layout {
    pub(crate) columns: Columns,
    pub(crate) rows: Vec<Record>,
}

impl Columns {
    /// The cells of a row, as many as there are columns. Spreadsheets add empty cells, which are ignored.
    pub(crate) fn fit<'a>(&self, record: &'a Record) -> Result<&'a [String], String> {
        let width = self.names.len().max(1);
        let surplus = record.cells.get(width..).unwrap_or_default();
        match record.cells.get(..width) {
            Some(cells) if surplus.iter().all(String::is_empty) => Ok(cells),
            _ if self.names.is_empty() => Err("it has several columns, and there is no header".to_owned()),
            _ => {
                let (found, wanted) = (record.cells.len(), self.names.len());
                Err(format!("it has {found} columns, and the header has {wanted}"))
            }
        }
    }
}

/// Finds the header, if there is one, and splits the rows.
pub(crate) fn find(text: &str, column: Option<&str>) -> Result<Layout, Mistake> {
    let (declared, text, first_line) = declared_delimiter(text);
    let (text, first_line) = without_preamble(text, first_line, declared, column);
    let header_line = text.lines().next().unwrap_or_default();
    let delimiter = declared.or_else(|| delimiter(header_line));
    let mut all = records(text, first_line, delimiter)?.into_iter().peekable();
    let Some(header) = all.peek() else {
        return Ok(Layout { columns: Columns::default(), rows: Vec::new() });
    };
    if let Some(columns) = named(header, column)? {
        all.next();
        let single = columns.names.len() == 1;
        return Ok(Layout { columns, rows: without_comments(all, single) });
    }
    if header.cells.iter().filter(|cell| !cell.is_empty()).count() > 1 {
        return Err(Mistake::at(header.line, NO_HEADER));
    }
    let rows = without_comments(all, true);
    perhaps_a_header(&rows)?;
    Ok(Layout { columns: Columns::default(), rows })
}

/// Reads `sep=;` in the first line, as spreadsheets write it.
fn declared_delimiter(text: &str) -> (Option<char>, &str, u64) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    match declared(line) {
        Some(separator) => (Some(separator), rest, 2),
        None => (None, text, 1),
    }
}

/// The separator that a line declares as `sep=;`.
pub(crate) fn declared(line: &str) -> Option<char> {
    let line = trimmed(line).trim_matches('"').to_ascii_lowercase();
    let separator: Vec<char> = line.strip_prefix("sep=")?.chars().collect();
    match separator[..] {
        [one] => Some(one),
        // A tab was trimmed as white space.
        [] => Some('\t'),
        _ => None,
    }
}

/// Skips empty lines and comments before the first row. A header may begin with `#` too: the number of a row.
fn without_preamble<'a>(
    mut text: &'a str,
    mut line: u64,
    declared: Option<char>,
    column: Option<&str>,
) -> (&'a str, u64) {
    while let Some((first, rest)) = text.split_once('\n') {
        if !is_preamble(first, declared, column) {
            break;
        }
        text = rest;
        line += 1;
    }
    (text, line)
}

/// Whether a line before the first row is empty or a comment.
pub(crate) fn is_preamble(line: &str, declared: Option<char>, column: Option<&str>) -> bool {
    let separator = declared.or_else(|| delimiter(line));
    let is_header = separator.is_some_and(|separator| {
        line.split(separator).any(|name| is_the_serial(name.trim().trim_matches('"'), column))
    });
    trimmed(line).is_empty() || (trimmed(line).starts_with('#') && !is_header)
}

/// Skips comments in a list of one column: no serial number contains a `#`.
fn without_comments(rows: impl Iterator<Item = Record>, is_single_column: bool) -> Vec<Record> {
    let is_comment = |row: &Record| row.cells.first().is_some_and(|cell| cell.starts_with('#'));
    rows.filter(|row| !(is_single_column && is_comment(row))).collect()
}

/// The columns of a header; `None` if the record is none.
pub(crate) fn named(header: &Record, column: Option<&str>) -> Result<Option<Columns>, Mistake> {
    let mistake = |what: String| Mistake::at(header.line, what);
    let names = &header.cells;
    let serials: Vec<usize> =
        (0..).zip(names).filter(|(_, name)| is_the_serial(name, column)).map(|(index, _)| index).collect();
    let serial = match (serials.as_slice(), column) {
        ([], None) => return Ok(None),
        ([], Some(column)) => {
            let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
            let found = names.join(", ");
            return Err(mistake(format!(
                "no column is called {}; the first line has {found}",
                shown(column)
            )));
        }
        ([one], _) => *one,
        ([one, other, ..], column) => {
            let name = |index: &usize| shown(names.get(*index).map_or("", String::as_str));
            let what = match (name(one), name(other)) {
                (one, other) if one.eq_ignore_ascii_case(&other) || column.is_some() => {
                    format!("two columns are called {one}: rename one")
                }
                (one, other) => {
                    format!("{one} and {other} may both be the serial number: say which with --column")
                }
            };
            return Err(mistake(what));
        }
    };
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if names.iter().take(index).any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(mistake(format!("two columns are called {}: rename one", shown(name))));
        }
    }
    let product = names.iter().position(|name| plain(name) == "product").filter(|product| *product != serial);
    Ok(Some(Columns { names: names.clone(), serial, product }))
}

fn is_the_serial(name: &str, column: Option<&str>) -> bool {
    match column {
        Some(column) => trimmed(name).eq_ignore_ascii_case(trimmed(column)),
        None => SERIAL_NAMES.contains(&plain(name).as_str()),
    }
}

/// Lower-case letters and digits alone: `Serial-No.` is `serialno`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The most frequent delimiter of a line outside quotes. A comma wins a tie.
pub(crate) fn delimiter(line: &str) -> Option<char> {
    let mut inside = false;
    let mut counts = [(0_usize, '\t'), (0, ';'), (0, ',')];
    for c in line.chars() {
        inside ^= c == '"';
        for (count, separator) in &mut counts {
            *count += usize::from(c == *separator && !inside);
        }
    }
    counts.into_iter().filter(|(count, _)| *count > 0).max_by_key(|(count, _)| *count).map(|(_, c)| c)
}

/// Refuses a first line without a digit if all others have one: the name of an unknown column.
fn perhaps_a_header(rows: &[Record]) -> Result<(), Mistake> {
    let has_digit =
        |row: &Record| row.cells.iter().any(|cell| cell.bytes().any(|byte| byte.is_ascii_digit()));
    match rows {
        [first, rest @ ..] if !rest.is_empty() && !has_digit(first) && rest.iter().all(has_digit) => {
            let name = shown(first.cells.first().map_or("", String::as_str));
            let what = "has no digit and all other lines have: if it is the name of the column, give it with --column";
            Err(Mistake::at(first.line, format!("{name} {what}")))
        }
        _ => Ok(()),
    }
}

pub(crate) const NO_HEADER: &str = "the list has several columns, and no header says which one is the serial number: name it \
                                    `serial`, or give its name with --column";

/// Usual names of the column of serial numbers, in the form of [`plain`].
const SERIAL_NAMES: [&str; 7] =
    ["serial", "serialnumber", "serialno", "serialnr", "serialnum", "sn", "deviceserial"];
