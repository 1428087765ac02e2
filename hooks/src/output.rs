//! The captured output of a command: its first and last two kilobytes.

use std::collections::VecDeque;

use tokio::sync::watch;

/// Output that was read so far.
#[derive(Debug, Default)]
pub(crate) struct CapturedOutput {
    first: Vec<u8>,
    last: VecDeque<u8>,
    left_out: u64,
    ended: watch::Sender<bool>,
}

impl CapturedOutput {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(KEPT_BYTES - self.first.len()));
        self.first.extend_from_slice(first);
        self.last.extend(rest);
        let surplus = self.last.len().saturating_sub(KEPT_BYTES);
        self.last.drain(..surplus);
        self.left_out += surplus as u64;
    }

    /// Marks the end of the output.
    pub(crate) fn end(&mut self) {
        self.ended.send_replace(true);
    }

    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// The output in one line, without control characters.
    pub(crate) fn text(&self) -> String {
        let mut bytes = self.first.clone();
        if self.left_out > 0 {
            bytes.extend(format!("\n… ({} bytes left out) …\n", self.left_out).bytes());
        }
        bytes.extend(&self.last);
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.collect::<Vec<_>>().join(" | ");
        line.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
    }
}

/// Bytes that are kept of the beginning, and as many of the end.
const KEPT_BYTES: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_kept_as_a_whole_in_one_line() {
        let mut output = CapturedOutput::default();
        output.push(b"one\n\n  two\x1b[31m\r\n");
        output.push(b"three");
        assert_eq!(output.text(), "one | two\u{fffd}[31m | three");
    }
}
