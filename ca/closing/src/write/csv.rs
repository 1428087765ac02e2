//! All units as comma-separated values (RFC 4180), UTF-8.

use crate::{Place, Row};

use super::time;

pub(crate) struct Csv;

impl Csv {
    pub(crate) fn begin(out: &mut Vec<u8>) {
        out.extend_from_slice(COLUMNS.join(",").as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn row(row: &Row<'_>, out: &mut Vec<u8>) {
        let certificate = row.certificate;
        let fields = [
            row.device.product.as_str().to_owned(),
            row.device.serial.as_str().to_owned(),
            row.outcome.as_str().to_owned(),
            certificate.map(|certificate| certificate.serial_number.to_string()).unwrap_or_default(),
            certificate.map(|certificate| certificate.key.to_string()).unwrap_or_default(),
            time(row.issued_at),
            time(row.made_at),
            time(row.finished_at),
            row.station.and_then(Place::word).unwrap_or_default(),
            row.shift.to_owned(),
            row.operator.to_owned(),
            row.reworks.to_string(),
            row.reason.to_owned(),
        ];
        for (number, text) in fields.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            field(text, out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A spreadsheet takes a field that begins with `=`, `+`, `-` or `@` for a formula, which another may have
/// chosen: an apostrophe before it makes it a text (ADR 0071). The JSON has the words as they are.
fn field(text: &str, out: &mut Vec<u8>) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quoted =
        formula || text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ');
    if !quoted {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

const COLUMNS: [&str; 13] = [
    "product",
    "serial",
    "outcome",
    "certificate_serial",
    "key_sha256",
    "issued_at",
    "made_at",
    "finished_at",
    "station",
    "shift",
    "operator",
    "reworks",
    "reason",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        field(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_field_that_a_spreadsheet_would_calculate_is_a_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=HYPERLINK(\"x\",\"y\")"] {
            assert!(written(formula).starts_with("\"'"), "{formula}: {}", written(formula));
        }
        assert_eq!(written("SN-1"), "SN-1");
        assert_eq!(written("=\"x\""), "\"'=\"\"x\"\"\"");
    }

    #[test]
    fn commas_quotes_and_lines_stay_within_their_field() {
        assert_eq!(written("a,b"), "\"a,b\"");
        assert_eq!(written("say \"no\""), "\"say \"\"no\"\"\"");
        assert_eq!(written("two\r\nlines"), "\"two\r\nlines\"");
        assert_eq!(written("plain"), "plain");
        assert_eq!(written(""), "");
    }
}
