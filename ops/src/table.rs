//! Tables that fit the terminal: what does not fit is shortened, then left out, and `--wide` prints all of it.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// A column: its head, and what becomes of it where there is no room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    head: &'static str,
    /// Whether a long value may be cut, with an ellipsis: serial numbers of certificates.
    short: bool,
    /// Left out where there is no room, the highest first; 0: never.
    spare: u8,
}

/// A column that is always there, in full.
pub(crate) const fn always(head: &'static str) -> Column {
    Column { head, short: false, spare: 0 }
}

/// A column that is always there; its values may be shortened.
pub(crate) const fn short(head: &'static str) -> Column {
    Column { head, short: true, spare: 0 }
}

impl Column {
    /// The same column, left out where there is no room: the highest `order` first.
    pub(crate) const fn spare(self, order: u8) -> Self {
        Self { spare: order, ..self }
    }
}

/// A table as it is printed.
pub(crate) struct Laid {
    /// The text, without trailing spaces.
    pub(crate) text: String,
    /// Whether something was shortened or left out.
    pub(crate) cut: bool,
}

/// Lays rows out under their columns, for a terminal of this width; `None`: all of it, in full.
pub(crate) fn lay_out(columns: &[Column], mut rows: Vec<Vec<String>>, width: Option<usize>) -> Laid {
    let mut columns = columns.to_vec();
    let mut cut = false;
    if let Some(width) = width {
        if needed(&columns, &rows) > width {
            cut |= shorten(&columns, &mut rows);
        }
        while needed(&columns, &rows) > width {
            let Some(place) = sparest(&columns) else { break };
            columns.remove(place);
            for row in &mut rows {
                row.remove(place);
            }
            cut = true;
        }
    }
    if let Some(width) = width.filter(|width| !fits(&columns, &rows, *width)) {
        return Laid { text: one_below_the_other(&columns, &rows, width), cut };
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    match width.filter(|width| needed(&columns, &rows) > *width) {
        // Nothing is left to leave out: what is too long goes on in the next line, in the last column, which is for that.
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(columns.iter().map(|column| column.head));
    let before_the_last = widths(&columns, &rows);
    table.add_rows(rows);
    let last = columns.len().saturating_sub(1);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if place == last { 0 } else { GAP }));
        if place != last {
            let width = before_the_last.get(place).copied().unwrap_or_default() + usize::from(GAP);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
                u16::try_from(width.min(HEAD_WIDTH_MAX)).unwrap_or(u16::MAX),
            )));
        }
    }
    let text = table.to_string();
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    Laid { text, cut }
}

/// Whether the rows fit as a table, perhaps with a last column that goes on below itself.
fn fits(columns: &[Column], rows: &[Vec<String>], width: usize) -> bool {
    let widths = widths(columns, rows);
    let last = widths.last().copied().unwrap_or_default();
    let before = needed(columns, rows).saturating_sub(last);
    before + last.min(WRAPPED_WIDTH_MIN) <= width
}

/// For a terminal that is too narrow for a table: each value on a line with its head, and an empty line between two rows.
fn one_below_the_other(columns: &[Column], rows: &[Vec<String>], width: usize) -> String {
    let heads = columns.iter().map(|column| column.head.chars().count()).max().unwrap_or_default();
    let gap = usize::from(GAP);
    let row = |row: &Vec<String>| {
        let lines = columns
            .iter()
            .zip(row)
            .map(|(column, cell)| wrapped_line(&format!("{:heads$}{:gap$}{cell}", column.head, ""), width));
        lines.collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n\n")
}

/// Cuts long values of those columns that allow it; whether there were any.
fn shorten(columns: &[Column], rows: &mut [Vec<String>]) -> bool {
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

/// The column that is left out next.
fn sparest(columns: &[Column]) -> Option<usize> {
    let spare = columns.iter().enumerate().filter(|(_, column)| column.spare > 0);
    spare.max_by_key(|(_, column)| column.spare).map(|(place, _)| place)
}

fn needed(columns: &[Column], rows: &[Vec<String>]) -> usize {
    widths(columns, rows).iter().sum::<usize>() + columns.len().saturating_sub(1) * usize::from(GAP)
}

fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let head = columns.iter().map(|column| column.head.chars().count());
    let widest = |place: usize| {
        rows.iter()
            .filter_map(|row| row.get(place))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    head.enumerate().map(|(place, head)| head.max(widest(place))).collect()
}

/// Breaks lines that are longer than the terminal is wide, between words; what goes on is indented to where the value began.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    text.lines().map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let indent = value_column(line);
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

/// Where the value begins in a line `name  value`; otherwise where the line itself begins.
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

/// Spaces between two columns.
const GAP: u16 = 2;

/// A column that goes on below itself is at least so wide; narrower, it would be a column of syllables.
const WRAPPED_WIDTH_MIN: usize = 24;

/// Of a serial number that is shortened: enough to tell certificates of one device apart, and to find them again.
const SHORT_CHARACTERS: usize = 12;

/// The longest name before a value.
const NAME_CHARACTERS_MAX: usize = 24;

/// No column but the last is made wider than this when a table has to be wrapped.
const HEAD_WIDTH_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 5] = [
        always("DEVICE"),
        always("STATE"),
        always("LAST SEEN"),
        always("STATION").spare(1),
        short("CERTIFICATE").spare(2),
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
        let full = lay_out(&COLUMNS, rows(), None);
        assert!(!full.cut && full.text.contains(&"4a".repeat(16)), "{}", full.text);
        let shortened = lay_out(&COLUMNS, rows(), Some(80));
        assert!(shortened.cut && shortened.text.contains("4a4a4a4a4a4a…"), "{}", shortened.text);
        assert!(widest(&shortened.text) <= 80, "{}", shortened.text);
        let narrow = lay_out(&COLUMNS, rows(), Some(60));
        assert!(!narrow.text.contains("CERTIFICATE") && narrow.text.contains("STATION"), "{}", narrow.text);
        assert!(widest(&narrow.text) <= 60, "{}", narrow.text);
    }

    #[test]
    fn what_fits_is_not_touched() {
        let laid = lay_out(&COLUMNS, rows(), Some(200));
        assert!(!laid.cut);
        assert_eq!(laid.text, lay_out(&COLUMNS, rows(), None).text);
    }

    #[test]
    fn a_last_column_that_is_too_long_goes_on_below_itself() {
        let rows = vec![vec!["clock".to_owned(), "good ".repeat(30)]];
        let laid = lay_out(&[always("CHECK"), always("FINDING")], rows, Some(60));
        assert!(widest(&laid.text) <= 60 && laid.text.lines().count() > 2, "{}", laid.text);
    }

    #[test]
    fn where_no_table_fits_each_value_stands_on_a_line_with_its_head() {
        for width in [20, 40] {
            let laid = lay_out(&COLUMNS, rows(), Some(width));
            let expected = "DEVICE     cam-2/SN000001\nSTATE      enrolled\nLAST SEEN  2026-11-23T06:00:00Z";
            assert_eq!(laid.text, expected, "at {width}");
        }
        let two = [rows(), rows()].concat();
        let laid = lay_out(&COLUMNS, two, Some(40));
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
