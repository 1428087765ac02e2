//! The line's list: one serial a line, or CSV with a header.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use identity::{DeviceId, DeviceSerial, Product};

use super::Unit;

/// A unit and where it stands in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// From 1.
    pub line: u64,
    /// What it says.
    pub unit: Unit,
}

/// Reads a list. `product` is that of the work order: a row may leave it out, and may not name another. `allowed` says why a serial
/// cannot be made.
///
/// # Errors
/// All rows that cannot be used, at once.
pub fn read_list(
    content: &[u8],
    product: &Product,
    allowed: impl Fn(&DeviceSerial) -> Result<(), String>,
) -> Result<Vec<Row>, ListError> {
    let mut mistakes = Vec::new();
    if content.len() > LIST_BYTES_MAX {
        mistakes.push((0, format!("a list has at most {LIST_BYTES_MAX} bytes")));
        return Err(ListError { mistakes });
    }
    let Ok(text) = std::str::from_utf8(content) else {
        mistakes.push((0, "the list is not UTF-8".to_owned()));
        return Err(ListError { mistakes });
    };
    // Spreadsheets put a byte order mark before the header.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let delimiter = delimiter(header);
    let has_serial = header.split(char::from(delimiter)).any(|name| kind(name) == Column::Serial);
    let rows = if has_serial {
        csv_rows(text, delimiter, product, &mut mistakes)
    } else if header.contains([',', ';', '\t']) {
        mistakes.push((1, "a CSV list needs a header with a column named serial".to_owned()));
        Vec::new()
    } else {
        plain_rows(text, product, &mut mistakes)
    };
    let mut seen = HashMap::new();
    for row in &rows {
        if let Err(mistake) = allowed(&row.unit.device.serial) {
            mistakes.push((row.line, mistake));
        }
        if let Some(first) = seen.insert(row.unit.device.clone(), row.line) {
            mistakes.push((row.line, format!("{} is already in line {first}", row.unit.device.serial)));
        }
    }
    if rows.is_empty() && mistakes.is_empty() {
        mistakes.push((0, "the list has no units".to_owned()));
    }
    mistakes.sort();
    if mistakes.is_empty() { Ok(rows) } else { Err(ListError { mistakes }) }
}

fn plain_rows(text: &str, product: &Product, mistakes: &mut Vec<(u64, String)>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (line, serial) in (1..).zip(text.lines()) {
        let serial = serial.trim();
        if serial.is_empty() {
            continue;
        }
        match serial.parse::<DeviceSerial>() {
            Ok(serial) => rows.push(Row {
                line,
                unit: Unit {
                    device: DeviceId { product: product.clone(), serial },
                    columns: BTreeMap::new(),
                },
            }),
            Err(error) => mistakes.push((line, error.to_string())),
        }
    }
    rows
}

fn csv_rows(text: &str, delimiter: u8, product: &Product, mistakes: &mut Vec<(u64, String)>) -> Vec<Row> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let names: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => {
            mistakes.push((1, error.to_string()));
            return Vec::new();
        }
    };
    for (index, name) in names.iter().enumerate() {
        let twin = names.iter().take(index).any(|other| {
            other.eq_ignore_ascii_case(name) || (kind(other) == kind(name) && kind(name) != Column::Other)
        });
        if twin {
            mistakes.push((1, format!("the column {name:?} is there twice")));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                match csv_row(&names, &record, product) {
                    Ok(unit) => rows.push(Row { line, unit }),
                    Err(mistake) => mistakes.push((line, mistake)),
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let what = match error.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!("it has {len} columns, and the header has {expected_len}")
                    }
                    _ => error.to_string(),
                };
                mistakes.push((line, what));
            }
        }
    }
    rows
}

fn csv_row(names: &[String], record: &csv::StringRecord, product: &Product) -> Result<Unit, String> {
    let mut serial = None;
    let mut columns = BTreeMap::new();
    for (name, value) in names.iter().zip(record) {
        match kind(name) {
            Column::Serial => {
                serial = Some(value.parse::<DeviceSerial>().map_err(|error| error.to_string())?);
            }
            Column::Product if value.is_empty() => {}
            Column::Product => {
                let found: Product =
                    value.parse().map_err(|error: identity::DeviceIdError| error.to_string())?;
                if found != *product {
                    return Err(format!("its product is {found}, and the work order is for {product}"));
                }
            }
            Column::Other => {
                columns.insert(name.clone(), value.to_owned());
            }
        }
    }
    let serial = serial.ok_or_else(|| "it has no serial".to_owned())?;
    Ok(Unit { device: DeviceId { product: product.clone(), serial }, columns })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Serial,
    Product,
    Other,
}

fn kind(name: &str) -> Column {
    let name: String = name
        .trim()
        .trim_matches('"')
        .chars()
        .map(|c| if matches!(c, '_' | '-') { ' ' } else { c.to_ascii_lowercase() })
        .collect();
    match name.as_str() {
        "serial" | "serial number" | "serial no" => Column::Serial,
        "product" => Column::Product,
        _ => Column::Other,
    }
}

/// What separates the columns: spreadsheets write commas, semicolons or tabs.
fn delimiter(header: &str) -> u8 {
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    // The last of equals wins: a comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// What is wrong with a list: line (0: all of it) and mistake, in order.
#[derive(Debug)]
pub struct ListError {
    /// All of them.
    pub mistakes: Vec<(u64, String)>,
}

impl std::error::Error for ListError {}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list of serials cannot be used; nothing was started")?;
        for (line, mistake) in self.mistakes.iter().take(MISTAKES_SHOWN_MAX) {
            if *line == 0 { write!(f, "\n  {mistake}")? } else { write!(f, "\n  line {line}: {mistake}")? }
        }
        match self.mistakes.len().checked_sub(MISTAKES_SHOWN_MAX) {
            Some(more @ 1..) => write!(f, "\n  and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Of a list: a million rows of 64 characters.
pub(crate) const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Of the mistakes of a list: more than a screen helps nobody.
const MISTAKES_SHOWN_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Row>, ListError> {
        read_list(text.as_bytes(), &"cam-2".parse().unwrap(), |_| Ok(()))
    }

    #[test]
    fn a_plain_list_has_one_serial_a_line() {
        let rows = read("SN1\r\n\n  SN2  \nSN3").unwrap();
        let found: Vec<_> = rows.iter().map(|row| (row.line, row.unit.device.to_string())).collect();
        assert_eq!(found, [(1, "cam-2/SN1".into()), (3, "cam-2/SN2".into()), (4, "cam-2/SN3".into())]);
    }

    #[test]
    fn columns_come_in_any_order_with_any_of_the_usual_delimiters_and_extra_ones_are_kept() {
        for text in [
            "\u{feff}Hardware Revision,Product,Serial Number\r\nB,cam-2,SN1\r\n\"C, late\",,SN2\r\n",
            "serial;product;Hardware Revision\nSN1;cam-2;B\nSN2;cam-2;\"C, late\"\n",
            "serial_number\tHardware Revision\nSN1\tB\nSN2\tC, late\n",
        ] {
            let rows = read(text).unwrap();
            let found: Vec<_> = rows
                .iter()
                .map(|row| (row.unit.device.serial.as_str(), row.unit.columns["Hardware Revision"].as_str()))
                .collect();
            assert_eq!(found, [("SN1", "B"), ("SN2", "C, late")], "{text}");
        }
    }

    #[test]
    fn all_bad_rows_are_reported_at_once_with_their_lines() {
        let error =
            read("serial,product\nSN1,cam-2\nSN_2,cam-2\nSN3,cam-3\nSN4\nSN1,cam-2\n,cam-2\n").unwrap_err();
        let lines: Vec<u64> = error.mistakes.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7], "{error}");
        assert!(error.to_string().contains("SN1 is already in line 2"), "{error}");
    }

    #[test]
    fn what_is_not_a_list_is_refused() {
        for text in ["", "\n\n", "SN1,cam-2\nSN2,cam-2\n", "serial,Serial\nSN1,SN2\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read_list(&[0xff, 0xfe], &"cam-2".parse().unwrap(), |_| Ok(())).is_err());
    }
}
