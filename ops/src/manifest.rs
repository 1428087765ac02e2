//! A list of serial numbers in a file: one a line, or CSV with a column `serial`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use identity::DeviceSerial;

use crate::failure::Failure;

/// Reads a manifest and reports all its mistakes at once, with their line numbers.
///
/// # Errors
/// When the file cannot be read, is too large, or any line is wrong.
pub(crate) fn read(path: &Path) -> Result<Vec<DeviceSerial>, Failure> {
    let size = fs::metadata(path).map_err(|source| Failure::file(path, source))?.len();
    if size > MANIFEST_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{}: a manifest has at most {MANIFEST_BYTES_MAX} bytes, not {size}",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(|source| Failure::file(path, source))?;
    parse(&bytes).map_err(|mistakes| {
        let count = mistakes.len();
        let shown = mistakes.into_iter().take(MISTAKES_SHOWN_MAX).collect::<Vec<_>>().join("\n  ");
        let more = if count > MISTAKES_SHOWN_MAX {
            format!("\n  … and {} more", count - MISTAKES_SHOWN_MAX)
        } else {
            String::new()
        };
        Failure::usage(format!("{} has {count} mistakes:\n  {shown}{more}", path.display()))
            .next("correct the file; no order was made")
    })
}

/// The serial numbers, in the order of the file; or every mistake in it.
fn parse(bytes: &[u8]) -> Result<Vec<DeviceSerial>, Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut column = None;
    let mut seen: HashMap<DeviceSerial, u64> = HashMap::new();
    let (mut serials, mut mistakes) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                mistakes.push(format!("line {line}: not readable as UTF-8 text"));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let Some(column) = column else {
            // The first row is a header if it names the column; a plain list has no header.
            let header = record.iter().position(|name| name.eq_ignore_ascii_case("serial"));
            column = Some(header.unwrap_or(0));
            if header.is_none() && record.len() > 1 {
                return Err(vec![format!(
                    "line {line}: a CSV manifest starts with a header that has a column `serial`"
                )]);
            }
            if header.is_none() {
                check(&record, 0, line, &mut seen, &mut serials, &mut mistakes);
            }
            continue;
        };
        check(&record, column, line, &mut seen, &mut serials, &mut mistakes);
    }
    if serials.is_empty() && mistakes.is_empty() {
        mistakes.push("line 1: a manifest has at least one serial number".to_owned());
    }
    if serials.len() > SERIALS_MAX {
        mistakes.push(format!("a manifest has at most {SERIALS_MAX} serial numbers, not {}", serials.len()));
    }
    if mistakes.is_empty() { Ok(serials) } else { Err(mistakes) }
}

fn check(
    record: &csv::StringRecord,
    column: usize,
    line: u64,
    seen: &mut HashMap<DeviceSerial, u64>,
    serials: &mut Vec<DeviceSerial>,
    mistakes: &mut Vec<String>,
) {
    match record.get(column).unwrap_or_default().parse::<DeviceSerial>() {
        Ok(serial) => match seen.insert(serial.clone(), line) {
            None => serials.push(serial),
            Some(first) => mistakes.push(format!("line {line}: {serial} is on line {first} already")),
        },
        Err(error) => mistakes.push(format!("line {line}: {error}")),
    }
}

/// What one order may list (`SerialManifest.serials`).
const SERIALS_MAX: usize = 100_000;

/// Room for the longest serial numbers with a few more columns a line.
const MANIFEST_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// More mistakes than this are one mistake.
const MISTAKES_SHOWN_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn serials(text: &str) -> Vec<String> {
        parse(text.as_bytes()).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_plain_list_and_a_csv_with_a_serial_column_say_the_same() {
        assert_eq!(serials("A1\nA2\n\nA3\n"), ["A1", "A2", "A3"]);
        assert_eq!(serials("product,Serial,rev\r\ncam-2,A1,3\r\ncam-2,A2,3\r\n"), ["A1", "A2"]);
        assert_eq!(serials("serial\nA1\n"), ["A1"]);
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_their_lines() {
        let mistakes = parse(b"A1\nA_2\nA3\nA1\n").unwrap_err();
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[0].starts_with("line 2: ") && mistakes[1].starts_with("line 4: A1 is on line 1"));
    }

    #[test]
    fn a_csv_without_a_serial_column_is_refused() {
        assert!(parse(b"product,number\ncam-2,A1\n").unwrap_err()[0].contains("column `serial`"));
    }

    #[test]
    fn an_empty_manifest_is_refused() {
        assert!(parse(b"").is_err() && parse(b"serial\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes: Vec<u8>) {
            parse(&bytes).ok();
        }
    }
}
