//! Totals and exceptions as one HTML page that prints on A4. What is not in order stands on its first sheet.

use std::fmt::{Display, Formatter, Result, Write};
use std::time::SystemTime;

use crate::{Facts, Group, Outcome, Place, Row};

#[derive(Debug, Default)]
pub(crate) struct Page {
    exceptions: Vec<Exception>,
    count: u64,
}

#[derive(Debug)]
struct Exception {
    serial: String,
    outcome: Outcome,
    certificate: String,
    station: String,
    shift: String,
    operator: String,
    at: String,
    reason: String,
}

impl Page {
    /// Keeps a unit that is not delivered.
    pub(crate) fn row(&mut self, row: &Row<'_>) {
        if row.outcome.is_delivered() {
            return;
        }
        self.count += 1;
        if self.exceptions.len() >= EXCEPTIONS_LISTED_MAX {
            return;
        }
        self.exceptions.push(Exception {
            serial: row.device.serial.to_string(),
            outcome: row.outcome,
            certificate: row.certificate.map(|it| it.serial_number.to_string()).unwrap_or_default(),
            station: row.station.and_then(Place::word).unwrap_or_default(),
            shift: row.shift.to_owned(),
            operator: row.operator.to_owned(),
            at: people(row.finished_at.or(row.issued_at)),
            reason: row.reason.to_owned(),
        });
    }

    /// `left_out`: delivered units that are not in the file for AWS.
    pub(crate) fn write(&self, facts: &Facts, left_out: u64, out: &mut Vec<u8>) {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.html(facts, left_out, &mut text);
        out.extend_from_slice(text.as_bytes());
    }

    fn html(&self, facts: &Facts, left_out: u64, out: &mut String) -> Result {
        let (id, organization) = (facts.work_order, Text(&facts.organization));
        write!(out, "{HEAD}<title>{id} closing report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n")?;
        writeln!(out, "<header><p>{organization}</p><h1>Closing report {id}</h1></header>")?;
        order(facts, out)?;
        findings(facts, left_out, out)?;
        totals(facts, out)?;
        groups(facts, out)?;
        gaps(facts, out)?;
        duplicates(facts, out)?;
        self.exceptions(out)?;
        writeln!(out, "</body>\n</html>")
    }

    fn exceptions(&self, out: &mut String) -> Result {
        if self.count == 0 {
            return Ok(());
        }
        writeln!(out, "<h2>Units that are not delivered ({})</h2>", self.count)?;
        let more = self.count - self.exceptions.len() as u64;
        if more > 0 {
            writeln!(out, "<p>The first {}; all are in the CSV file.</p>", self.exceptions.len())?;
        }
        writeln!(out, "<table class=\"units\"><thead><tr>")?;
        for (column, share) in UNIT_COLUMNS {
            write!(out, "<th style=\"width: {share}%\">{column}</th>")?;
        }
        writeln!(out, "</tr></thead><tbody>")?;
        for unit in &self.exceptions {
            let cells = [
                unit.serial.as_str(),
                unit.outcome.as_str(),
                &unit.certificate,
                &unit.station,
                &unit.shift,
                &unit.operator,
                &unit.at,
                &unit.reason,
            ];
            row(out, "", &cells)?;
        }
        writeln!(out, "</tbody></table>")
    }
}

fn order(facts: &Facts, out: &mut String) -> Result {
    let by = |principal: &Option<identity::Principal>| {
        principal.as_ref().map_or_else(|| "the CA".to_owned(), ToString::to_string)
    };
    let stations: Vec<_> = facts.terms.stations.iter().map(ToString::to_string).collect();
    let period = &facts.period;
    let lines = [
        ("Product", facts.terms.product.to_string()),
        ("Ordered", facts.terms.quantity.to_string()),
        ("Stations", stations.join(", ")),
        ("Opened", format!("{} by {}", people(Some(period.created_at)), by(&facts.created_by))),
        ("Closed", format!("{} by {}", people(Some(period.closed_at)), by(&facts.closed_by))),
    ];
    writeln!(out, "<dl>")?;
    for (name, value) in lines {
        writeln!(out, "<dt>{name}</dt><dd>{}</dd>", Text(&value))?;
    }
    writeln!(
        out,
        "</dl>\n<p class=\"note\">Made from entries {} to {} of the CA's ledger. Times are UTC, by the CA's clock; shift and operator \
         are the station's word; (office) is an operator's command, with the name of the operator's credential. Every unit is in the files beside this one; each file has a signature of its own.</p>",
        period.created, period.closed
    )
}

/// What a reader must see before anything else.
fn findings(facts: &Facts, left_out: u64, out: &mut String) -> Result {
    let unaccounted = facts.totals.of(Outcome::Unaccounted);
    let lines = [
        ("Over-build", facts.over_build(), "units beyond the quantity"),
        ("Gaps", facts.gaps.serials, "serial numbers passed over"),
        ("Duplicates", facts.duplicates_count, "requests for an identity that another unit has, refused"),
        ("Unaccounted", unaccounted, "units with a certificate that nobody confirmed or scrapped"),
        ("Not for AWS", left_out, "delivered units whose names AWS does not take"),
    ];
    writeln!(out, "<h2>Findings</h2>\n<ul class=\"findings\">")?;
    for (name, count, what) in lines {
        // Only of interest where it happens.
        if count == 0 && name == "Not for AWS" {
            continue;
        }
        let class = if count == 0 { "none" } else { "some" };
        writeln!(out, "<li class=\"{class}\"><b>{name}: {count}</b> <span>{what}</span></li>")?;
    }
    writeln!(out, "</ul>")
}

fn totals(facts: &Facts, out: &mut String) -> Result {
    writeln!(out, "<h2>Totals</h2>")?;
    table(out, &["outcome", "units"])?;
    for outcome in Outcome::ALL {
        row(out, "", &[outcome.as_str(), &facts.totals.of(outcome).to_string()])?;
    }
    row(out, "", &["never made", &facts.never_made().to_string()])?;
    row(out, "sum", &["ordered", &facts.terms.quantity.to_string()])?;
    writeln!(
        out,
        "</tbody></table>\n<p>Reworks, which gave a unit its next certificate: {}.</p>",
        facts.reworks
    )
}

fn groups(facts: &Facts, out: &mut String) -> Result {
    writeln!(out, "<h2>By station and shift</h2>")?;
    let columns: Vec<_> = ["station", "shift"].into_iter().chain(Outcome::ALL.map(Outcome::as_str)).collect();
    table(out, &columns)?;
    for group in &facts.groups {
        let Group { station, shift, totals } = group;
        let station = station.to_string();
        let shift = if shift.is_empty() { "-" } else { shift };
        let counts = Outcome::ALL.map(|outcome| totals.of(outcome).to_string());
        let cells: Vec<_> =
            [station.as_str(), shift].into_iter().chain(counts.iter().map(String::as_str)).collect();
        row(out, "", &cells)?;
    }
    writeln!(out, "</tbody></table>")
}

fn gaps(facts: &Facts, out: &mut String) -> Result {
    let gaps = &facts.gaps;
    if gaps.gaps == 0 {
        return Ok(());
    }
    writeln!(out, "<h2>Gaps ({})</h2>", gaps.gaps)?;
    if gaps.gaps > gaps.listed.len() as u64 {
        writeln!(out, "<p>The first {}.</p>", gaps.listed.len())?;
    }
    table(out, &["first", "last", "serial numbers"])?;
    for gap in &gaps.listed {
        row(out, "", &[gap.first.as_str(), gap.last.as_str(), &gap.count.to_string()])?;
    }
    writeln!(out, "</tbody></table>")
}

fn duplicates(facts: &Facts, out: &mut String) -> Result {
    if facts.duplicates_count == 0 {
        return Ok(());
    }
    writeln!(out, "<h2>Duplicates ({})</h2>", facts.duplicates_count)?;
    if facts.duplicates_count > facts.duplicates.len() as u64 {
        writeln!(out, "<p>The first {}.</p>", facts.duplicates.len())?;
    }
    table(out, &["unit", "same", "as", "at"])?;
    for duplicate in &facts.duplicates {
        let (device, at) = (duplicate.device.to_string(), people(Some(duplicate.at)));
        row(out, "", &[&device, duplicate.what_word(), &duplicate.other, &at])?;
    }
    writeln!(out, "</tbody></table>")
}

fn table(out: &mut String, columns: &[&str]) -> Result {
    write!(out, "<table><thead><tr>")?;
    columns.iter().try_for_each(|column| write!(out, "<th>{}</th>", Text(column)))?;
    writeln!(out, "</tr></thead><tbody>")
}

fn row(out: &mut String, class: &str, cells: &[&str]) -> Result {
    write!(out, "<tr class=\"{class}\">")?;
    cells.iter().try_for_each(|cell| write!(out, "<td>{}</td>", Text(cell)))?;
    writeln!(out, "</tr>")
}

/// In UTC, as people read it.
fn people(time: Option<SystemTime>) -> String {
    let written = time.map(|time| humantime::format_rfc3339_seconds(time).to_string()).unwrap_or_default();
    written.trim_end_matches('Z').replace('T', " ")
}

/// Text that people and stations chose, as text: neither markup nor a change of direction gets out of it.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("<bdi>")?;
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        f.write_str("</bdi>")
    }
}

/// Nothing is loaded and no script runs, whoever opens it.
const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n";

const STYLE: &str = "
@page { size: A4; margin: 15mm 15mm 18mm; }
body { font: 10pt/1.35 'Liberation Sans', Arial, sans-serif; color: #000; margin: 0 auto; max-width: 180mm; }
header { border-bottom: 1.5pt solid #000; margin-bottom: 4mm; }
header p { margin: 0; } h1 { font-size: 18pt; margin: 0 0 2mm; }
h2 { font-size: 12pt; margin: 5mm 0 1.5mm; break-after: avoid; }
dl { display: grid; grid-template-columns: 24mm 1fr; gap: 0.5mm 3mm; margin: 0; }
dt { color: #444; } dd { margin: 0; overflow-wrap: anywhere; }
.findings { list-style: none; padding: 0; margin: 0; }
.findings li { border: 0.75pt solid #888; padding: 1.2mm 2mm; margin-bottom: 1mm; }
.findings .some { border: 2pt solid #b00000; } .findings .some b { color: #b00000; font-size: 12pt; }
.findings .none { color: #444; }
table { border-collapse: collapse; width: 100%; } thead { display: table-header-group; }
th, td { text-align: left; vertical-align: top; padding: 0.7mm 1.5mm; border-bottom: 0.5pt solid #aaa; overflow-wrap: anywhere; }
th { border-bottom: 1pt solid #000; } tr { break-inside: avoid; } .sum td { font-weight: bold; border-top: 1pt solid #000; }
.units { table-layout: fixed; font-size: 8pt; } .note { color: #444; font-size: 8.5pt; margin: 2mm 0 0; }
";

/// With the width of each, percent.
const UNIT_COLUMNS: [(&str, u8); 8] = [
    ("serial", 16),
    ("outcome", 11),
    ("certificate", 19),
    ("station", 10),
    ("shift", 8),
    ("operator", 11),
    ("at", 11),
    ("reason", 14),
];

/// Units that the page lists: some twenty sheets.
const EXCEPTIONS_LISTED_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_station_says_is_text_and_no_markup() {
        let said = Text("<script>alert('x')</script>&\"").to_string();
        assert_eq!(said, "<bdi>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;</bdi>");
    }
}
