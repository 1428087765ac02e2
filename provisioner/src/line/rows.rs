//! Feeds a line with the rows of a list as they come.

use std::sync::Arc;

use lists::RowReader;

use super::LineShared;
use crate::scan::{Chunk, Input};
use crate::units::Rules;

/// A list that is read line by line.
pub(crate) struct RowIntake {
    pub(crate) input: Input,
    pub(crate) reader: RowReader,
    pub(crate) rules: Rules,
}

/// Adds each row to the supply, and tells the mistakes, until the list ends or the line stops.
pub(super) async fn feed(shared: Arc<LineShared>, mut intake: RowIntake) {
    let mut lines = Lines::default();
    let mut rows = 0_u64;
    loop {
        let chunk = tokio::select! {
            () = shared.stop.cancelled() => return,
            chunk = intake.input.next() => chunk,
        };
        let (found, is_end) = match chunk {
            Some(Chunk::Bytes(bytes)) => (lines.push(&bytes), false),
            Some(Chunk::Trouble(what)) => {
                shared.count_list_mistake(what).await;
                continue;
            }
            None => (lines.end().into_iter().collect(), true),
        };
        for line in found {
            rows += u64::from(shared.row(&mut intake, line).await);
            if !shared.has_room().await {
                return;
            }
        }
        if is_end {
            break;
        }
    }
    if rows == 0 && shared.summary.lock().list_mistakes == 0 {
        shared.count_list_mistake("it has no serial numbers".to_owned()).await;
    }
    shared.with_supply(|supply| supply.close());
}

impl LineShared {
    /// Takes a line of the list. Returns whether it was a row without mistakes.
    async fn row(&self, intake: &mut RowIntake, line: ListLine) -> bool {
        let row = match line {
            ListLine::Whole(bytes) => intake.reader.line(&bytes),
            ListLine::TooLong => Err(intake.reader.too_long(LINE_BYTES_MAX)),
        };
        let row = match row {
            Ok(Some(row)) => row,
            Ok(None) => return false,
            Err(mistake) => {
                self.count_list_mistake(format!("{mistake}; the line is skipped")).await;
                return false;
            }
        };
        let (line, serial) = (row.line, row.serial.clone());
        match intake.rules.unit(row) {
            Ok(unit) => {
                let known = self.known.lock().get(&unit.device).cloned();
                // As with a whole list: what was made before is skipped, what was given up is reported.
                if known.is_some_and(|known| known.is_done() && known.unavailable().is_none()) {
                    self.summary.lock().done_before += 1;
                } else {
                    self.with_supply(|supply| supply.add(unit));
                }
                true
            }
            Err(what) => {
                self.count_list_mistake(format!("line {line}: {what}: {serial}; the line is skipped")).await;
                false
            }
        }
    }

    async fn count_list_mistake(&self, what: String) {
        self.summary.lock().list_mistakes += 1;
        self.say(format!("the list, {what}")).await;
    }

    /// Waits until few units wait, so that a list is read no faster than it is made. `false`: the line stops.
    async fn has_room(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            if self.stop.is_cancelled() {
                return false;
            }
            if self.supply.lock().waits() < UNITS_WAITING_MAX {
                return true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = changed => {}
            }
        }
    }
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    is_too_long: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum ListLine {
    Whole(Vec<u8>),
    TooLong,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Vec<ListLine> {
        let mut found = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            if !self.is_too_long {
                self.partial.extend_from_slice(text);
            }
            if self.partial.len() > LINE_BYTES_MAX {
                self.partial.clear();
                self.is_too_long = true;
            }
            if is_whole {
                found.push(self.take());
            }
        }
        found
    }

    /// The last line, if it has no end.
    fn end(&mut self) -> Option<ListLine> {
        (self.is_too_long || !self.partial.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> ListLine {
        let line = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.is_too_long) { ListLine::TooLong } else { ListLine::Whole(line) }
    }
}

/// The longest line: a serial number and a hundred columns.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Units that have come and wait for a slot: a slot of each kind finds its next one among them.
const UNITS_WAITING_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_the_bytes_are_cut() {
        let content = b"SN1\nSN2\r\n\nSN3";
        let whole = |text: &[u8]| ListLine::Whole(text.to_vec());
        for size in 1..content.len() {
            let mut lines = Lines::default();
            let mut found: Vec<ListLine> = content.chunks(size).flat_map(|chunk| lines.push(chunk)).collect();
            found.extend(lines.end());
            assert_eq!(found, [whole(b"SN1"), whole(b"SN2\r"), whole(b""), whole(b"SN3")], "{size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_one_mistake_and_keeps_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert_eq!(lines.push(&[b'7'; 4096]), []);
            assert!(lines.partial.len() <= LINE_BYTES_MAX);
        }
        assert_eq!(lines.push(b"\nSN1\n"), [ListLine::TooLong, ListLine::Whole(b"SN1".to_vec())]);
        assert_eq!(lines.end(), None);
    }
}
