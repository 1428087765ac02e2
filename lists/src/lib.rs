//! Parses lists of serial numbers as people and spreadsheets write them. No I/O.
//!
//! Both the operator's manifest and the station's list are read here, so that both accept the same files.

mod cells;
mod columns;
mod mistakes;
mod stream;
mod text;

use std::collections::{BTreeMap, HashMap};

use identity::{DeviceIdError, DeviceSerial, Product, unencodable};

pub use mistakes::{Mistake, Mistakes};
pub use stream::RowReader;

use cells::Record;
use columns::{Columns, Layout};

/// A unit of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line at which it begins, from 1.
    pub line: u64,
    /// The serial number.
    pub serial: DeviceSerial,
    /// Further columns, by name.
    pub columns: BTreeMap<String, String>,
}

/// Reads a list: one serial number a line, or columns with a header (CSV, RFC 4180; separated by commas,
/// semicolons or tabs; UTF-8, or UTF-16 with its mark). A row may leave `product` out, and may not name
/// another. `column` is the name of the column of serial numbers; the default is one with a usual name
/// (`serial`, `Serial Number`, `S/N`, …).
///
/// # Errors
/// All mistakes at once.
pub fn read(content: &[u8], product: &Product, column: Option<&str>) -> Result<Vec<Row>, Mistakes> {
    read_allowed(content, product, column, |_| Ok(()))
}

/// As [`read`], with a rule of the caller for every row.
///
/// # Errors
/// All mistakes at once, also the rows that `allowed` refuses.
pub fn read_allowed(
    content: &[u8],
    product: &Product,
    column: Option<&str>,
    allowed: impl Fn(&Row) -> Result<(), String>,
) -> Result<Vec<Row>, Mistakes> {
    if content.len() > LIST_BYTES_MAX {
        return Err(Mistake::of_all(format!("a list has at most {LIST_BYTES_MAX} bytes")).into());
    }
    let text = text::decode(content)?;
    let Layout { columns, rows } = columns::find(&text, column)?;
    let mut mistakes = Vec::new();
    let mut read = Vec::new();
    for record in rows {
        match row(&record, &columns, product) {
            Ok(row) => read.push(row),
            Err(what) => mistakes.push(Mistake::at(record.line, what)),
        }
    }
    mistakes.extend(twins(&read));
    mistakes.extend(without_digits(&read));
    mistakes.extend(read.iter().filter_map(|row| {
        let what = allowed(row).err()?;
        Some(Mistake { line: row.line, serial: Some(row.serial.clone()), what })
    }));
    if read.is_empty() && mistakes.is_empty() {
        return Err(Mistake::of_all("the list has no serial numbers").into());
    }
    if mistakes.is_empty() { Ok(read) } else { Err(Mistakes::new(mistakes)) }
}

fn row(record: &Record, columns: &Columns, product: &Product) -> Result<Row, String> {
    let cells = columns.fit(record)?;
    let mut serial = None;
    let mut others = BTreeMap::new();
    for (index, value) in cells.iter().enumerate() {
        if index == columns.serial {
            serial = Some(serial_number(value)?);
        } else if Some(index) == columns.product {
            let same = value.is_empty() || value == product.as_str();
            if !same {
                return Err(format!("it is for product {}, and this order is for {product}", shown(value)));
            }
        } else if let Some(name) = columns.names.get(index).filter(|name| !name.is_empty()) {
            others.insert(name.clone(), value.clone());
        }
    }
    let serial = serial.ok_or_else(|| "it has no serial number".to_owned())?;
    Ok(Row { line: record.line, serial, columns: others })
}

fn serial_number(value: &str) -> Result<DeviceSerial, String> {
    // ="000123" keeps a spreadsheet from reading a serial number as a number.
    let value = value.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    if value.is_empty() {
        return Err("the serial number is empty".to_owned());
    }
    if is_a_rounded_number(value) {
        return Err(format!(
            "{value} is how a spreadsheet shows a long number, and its last digits are lost; format the column as text and enter \
             the serial numbers again"
        ));
    }
    // A certificate may have spaces and quotes. On a label they mean two numbers, or a mark of the author.
    if value.contains(char::is_whitespace) {
        return Err(format!("{} has a space inside: are these two serial numbers?", shown(value)));
    }
    if value.contains(['\'', '`', '´', '‘', '’', '"', '“', '”']) {
        return Err(format!("{} has quotes, which no label has: take them away", shown(value)));
    }
    let refused = |error: DeviceIdError| format!("{}: {error}", shown(value));
    match unencodable(value) {
        Some(character) => Err(refused(DeviceIdError::SerialCharacter { character })),
        None => value.parse().map_err(refused),
    }
}

/// A row without a digit where all others have one: a total, or the header of another table.
fn without_digits(rows: &[Row]) -> Option<Mistake> {
    let has_digit = |row: &&Row| row.serial.as_str().bytes().any(|byte| byte.is_ascii_digit());
    let mut without = rows.iter().filter(|row| !has_digit(row));
    let (Some(row), None) = (without.next(), without.next()) else { return None };
    let name = shown(row.serial.as_str());
    let what =
        format!("{name} has no digit and all other serial numbers have: a total or a header is no unit");
    (rows.len() > 1).then(|| Mistake::at(row.line, what))
}

/// A number rounded by a spreadsheet, such as `1.23457E+11`, also with a decimal comma.
fn is_a_rounded_number(value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((number, exponent)) = value.split_once(['E', 'e']) else { return false };
    let Some(exponent) = exponent.strip_prefix(['+', '-']) else { return false };
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    digits(exponent) && digits(whole) && digits(fraction)
}

/// Serial numbers that are listed twice, also in another case: X.520 compares them by caseIgnoreMatch.
fn twins(rows: &[Row]) -> Vec<Mistake> {
    let mut seen: HashMap<String, &Row> = HashMap::with_capacity(rows.len());
    let mut mistakes = Vec::new();
    for row in rows {
        let Some(first) = seen.get(&row.serial.as_str().to_ascii_lowercase()) else {
            seen.insert(row.serial.as_str().to_ascii_lowercase(), row);
            continue;
        };
        let what = if first.serial == row.serial {
            format!("{} is in line {} already", row.serial, first.line)
        } else {
            format!("{} differs from {} in line {} only in case", row.serial, first.serial, first.line)
        };
        mistakes.push(Mistake::at(row.line, what));
    }
    mistakes
}

/// A value for a message: shortened, and without control characters.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

/// The longest list: a million rows of 64 characters.
pub const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest value in a message.
const SHOWN_CHARACTERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
