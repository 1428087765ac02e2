//! Tables that fit the terminal: values are shortened, then columns are left out; `--wide` prints everything.

/// A column: its head, the cells that it makes of rows, and what happens where there is no room.
pub(crate) struct Column<V> {
    head: Head,
    cell: fn(&V) -> String,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    text: &'static str,
    /// Whether long values may be shortened with an ellipsis.
    short: bool,
    /// The column with the highest number is left out first; 0 is never left out.
    spare: u8,
}

/// A column that is never shortened and never left out.
pub(crate) const fn always<V>(text: &'static str, cell: fn(&V) -> String) -> Column<V> {
    Column { head: Head { text, short: false, spare: 0 }, cell }
}

/// A column whose values may be shortened.
pub(crate) const fn short<V>(text: &'static str, cell: fn(&V) -> String) -> Column<V> {
    Column { head: Head { text, short: true, spare: 0 }, cell }
}

/// A column that is left out where there is no room: the highest `order` first.
pub(crate) const fn spare<V>(order: u8, column: Column<V>) -> Column<V> {
    Column { head: Head { spare: order, ..column.head }, ..column }
}

pub(crate) struct TableText {
    /// The text, without trailing spaces.
    pub(crate) text: String,
    /// Whether something was shortened or left out.
    pub(crate) cut: bool,
}

/// Lays rows out for a terminal of this width in characters; `None` prints all of it.
pub(crate) fn lay_out<V>(columns: &[Column<V>], rows: &[V], width: Option<usize>) -> TableText {
    let cells = |row: &V| columns.iter().map(|column| (column.cell)(row)).collect();
    fit(columns.iter().map(|column| column.head).collect(), rows.iter().map(cells).collect(), width)
}

fn fit(mut columns: Vec<Head>, mut rows: Vec<Vec<String>>, width: Option<usize>) -> TableText {
    let mut cut = false;
    if let Some(width) = width {
        if needed(&columns, &rows) > width {
            cut |= shorten(&columns, &mut rows);
        }
        while needed(&columns, &rows) > width {
            let Some(index) = sparest(&columns) else { break };
            columns.remove(index);
            for row in &mut rows {
                row.remove(index);
            }
            cut = true;
        }
    }
    if let Some(width) = width.filter(|width| !fits(&columns, &rows, *width)) {
        return TableText { text: one_below_the_other(&columns, &rows, width), cut };
    }
    let widths = widths(&columns, &rows);
    let last = columns.len().saturating_sub(1);
    let before = widths.iter().take(last).map(|width| width + GAP).sum();
    // Nothing more can be left out: the last column goes on below itself.
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(before));
    let line = |cells: Vec<String>| {
        let padded =
            cells.iter().zip(&widths).take(last).map(|(cell, width)| format!("{cell:width$}{:GAP$}", ""));
        let start: String = padded.collect();
        let end = cells.last().map_or("", String::as_str).lines().map(|line| wrapped_at(line, room, 0));
        let end = end.collect::<Vec<_>>().join("\n").replace('\n', &format!("\n{:before$}", ""));
        format!("{start}{end}").trim_end().to_owned()
    };
    let heads = columns.iter().map(|column| column.text.to_owned()).collect();
    let text = std::iter::once(heads).chain(rows).map(line).collect::<Vec<_>>().join("\n");
    TableText { text, cut }
}

/// Whether the rows fit as a table, perhaps with a wrapped last column.
fn fits(columns: &[Head], rows: &[Vec<String>], width: usize) -> bool {
    let widths = widths(columns, rows);
    let last = widths.last().copied().unwrap_or_default();
    let before = needed(columns, rows).saturating_sub(last);
    before + last.min(WRAPPED_WIDTH_MIN) <= width
}

/// For a narrow terminal: each value on a line with its head, and an empty line between two rows.
fn one_below_the_other(columns: &[Head], rows: &[Vec<String>], width: usize) -> String {
    let heads = columns.iter().map(|column| column.text.chars().count()).max().unwrap_or_default();
    let row = |row: &Vec<String>| {
        let lines = columns
            .iter()
            .zip(row)
            .map(|(column, cell)| wrapped_line(&format!("{:heads$}{:GAP$}{cell}", column.text, ""), width));
        lines.collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n\n")
}

/// Shortens long values of those columns that allow it. Returns whether there were any.
fn shorten(columns: &[Head], rows: &mut [Vec<String>]) -> bool {
    let mut cut = false;
    for row in rows {
        for (cell, _) in row.iter_mut().zip(columns).filter(|(_, column)| column.short) {
            if cell.chars().count() > SHORT_CHARACTERS + 1 {
                *cell = cell.chars().take(SHORT_CHARACTERS).chain(['…']).collect();
                cut = true;
            }
        }
    }
    cut
}

fn sparest(columns: &[Head]) -> Option<usize> {
    let spare = columns.iter().enumerate().filter(|(_, column)| column.spare > 0);
    spare.max_by_key(|(_, column)| column.spare).map(|(index, _)| index)
}

fn needed(columns: &[Head], rows: &[Vec<String>]) -> usize {
    widths(columns, rows).iter().sum::<usize>() + columns.len().saturating_sub(1) * GAP
}

fn widths(columns: &[Head], rows: &[Vec<String>]) -> Vec<usize> {
    let head = columns.iter().map(|column| column.text.chars().count());
    let widest = |index: usize| {
        rows.iter()
            .filter_map(|row| row.get(index))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    head.enumerate().map(|(index, head)| head.max(widest(index))).collect()
}

/// Wraps lines that are longer than the terminal, between words, indented to the beginning of the value.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    text.lines().map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    wrapped_at(line, width, value_column(line))
}

fn wrapped_at(line: &str, width: usize, indent: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in line.split_inclusive(' ') {
        let characters = word.trim_end().chars().count();
        if length + characters > width && length > indent {
            lines.push(" ".repeat(indent));
            length = indent;
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(word);
        }
        length += word.chars().count();
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// The column at which the value begins in a line `name  value`; otherwise that of the line itself.
fn value_column(line: &str) -> usize {
    let start = line.chars().take_while(|c| *c == ' ').count();
    let named = line.get(start..).and_then(|rest| rest.find("  ").map(|gap| (start + gap, rest.get(gap..))));
    match named {
        Some((gap, Some(rest))) if gap <= NAME_CHARACTERS_MAX => {
            gap + rest.chars().take_while(|c| *c == ' ').count()
        }
        _ => start,
    }
}

const GAP: usize = 2;
const WRAPPED_WIDTH_MIN: usize = 24;

/// Characters of a shortened serial number: enough to tell the certificates of a device apart.
const SHORT_CHARACTERS: usize = 12;

const NAME_CHARACTERS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    const fn head(text: &'static str, short: bool, spare: u8) -> Head {
        Head { text, short, spare }
    }

    const HEADS: [Head; 5] = [
        head("DEVICE", false, 0),
        head("STATE", false, 0),
        head("LAST SEEN", false, 0),
        head("STATION", false, 1),
        head("CERTIFICATE", true, 2),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = ["cam-2/SN000001", "enrolled", "2026-11-23T06:00:00Z", "line-1", &"4a".repeat(16)];
        vec![row.map(str::to_owned).to_vec()]
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap()
    }

    #[test]
    fn a_table_shortens_serial_numbers_then_leaves_columns_out_until_it_fits() {
        let full = fit(HEADS.to_vec(), rows(), None);
        assert!(!full.cut && full.text.contains(&"4a".repeat(16)), "{}", full.text);
        let shortened = fit(HEADS.to_vec(), rows(), Some(80));
        assert!(shortened.cut && shortened.text.contains("4a4a4a4a4a4a…"), "{}", shortened.text);
        assert!(widest(&shortened.text) <= 80, "{}", shortened.text);
        let narrow = fit(HEADS.to_vec(), rows(), Some(60));
        assert!(!narrow.text.contains("CERTIFICATE") && narrow.text.contains("STATION"), "{}", narrow.text);
        assert!(widest(&narrow.text) <= 60, "{}", narrow.text);
    }

    #[test]
    fn what_fits_is_not_touched() {
        let laid = fit(HEADS.to_vec(), rows(), Some(200));
        assert!(!laid.cut);
        assert_eq!(laid.text, fit(HEADS.to_vec(), rows(), None).text);
    }

    #[test]
    fn a_last_column_that_is_too_long_goes_on_below_itself() {
        let rows = vec![vec!["clock".to_owned(), "good ".repeat(30)]];
        let laid = fit(vec![head("CHECK", false, 0), head("FINDING", false, 0)], rows, Some(60));
        assert!(widest(&laid.text) <= 60 && laid.text.lines().count() > 2, "{}", laid.text);
    }

    #[test]
    fn where_no_table_fits_each_value_stands_on_a_line_with_its_head() {
        for width in [20, 40] {
            let laid = fit(HEADS.to_vec(), rows(), Some(width));
            let expected = "DEVICE     cam-2/SN000001\nSTATE      enrolled\nLAST SEEN  2026-11-23T06:00:00Z";
            assert_eq!(laid.text, expected, "at {width}");
        }
        let two = [rows(), rows()].concat();
        let laid = fit(HEADS.to_vec(), two, Some(40));
        assert_eq!(laid.text.split("\n\n").count(), 2, "{}", laid.text);
    }

    #[test]
    fn a_long_line_goes_on_under_its_value() {
        let line = format!("status       {}", "word ".repeat(20).trim_end());
        let text = wrapped(&line, 40);
        assert!(widest(&text) <= 40, "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("             word")), "{text}");
        assert_eq!(wrapped("short", 40), "short");
    }
}
