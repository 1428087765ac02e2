//! Standard error, shared by bars, screen, messages and log: a write hides the bars and never blocks
//! (ADR 0031). While the screen is shown, messages are kept, and printed after it (ADR 0072).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use diagnostics::{stderr, tell};
use indicatif::MultiProgress;
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

/// Standard error. Cheap to clone; all clones write to the same place.
#[derive(Debug, Clone)]
pub struct Console {
    bars: MultiProgress,
    held: Arc<Mutex<Option<Held>>>,
}

/// Messages that are kept.
#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines that were dropped, because too many were kept.
    dropped: u64,
    /// Those that the screen has not taken.
    fresh: VecDeque<String>,
}

impl Default for Console {
    fn default() -> Self {
        let bars = MultiProgress::with_draw_target(diagnostics::draw_target());
        Self { bars, held: Arc::default() }
    }
}

impl Console {
    /// Prints a message on a line of its own.
    pub fn complain(&self, text: &str) {
        if !self.keep(text, true) {
            self.bars.suspend(|| tell(text));
        }
    }

    /// Prints a message after the screen, which shows it in its own way.
    pub(crate) fn complain_later(&self, text: &str) {
        if !self.keep(text, false) {
            self.bars.suspend(|| tell(text));
        }
    }

    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Keeps all messages from now on.
    pub(crate) fn hold(&self) {
        self.held.lock().get_or_insert_default();
    }

    /// The messages since the last call that the screen is to show.
    pub(crate) fn fresh(&self) -> VecDeque<String> {
        self.held.lock().as_mut().map(|held| std::mem::take(&mut held.fresh)).unwrap_or_default()
    }

    /// Prints what was kept. Waits for a slow terminal at most some seconds.
    pub(crate) fn release(&self) {
        let Some(held) = self.held.lock().take() else { return };
        if held.dropped > 0 {
            tell(&format!(
                "{} older messages are not repeated here; touchmark-station report has every unit",
                held.dropped
            ));
        }
        for (index, line) in held.lines.iter().enumerate() {
            tell(line);
            // The queue of standard error holds some thousand lines.
            if index % LINES_BETWEEN_FLUSHES == 0 {
                stderr().flush(FLUSH_MAX);
            }
        }
        stderr().flush(FLUSH_MAX);
    }

    /// Keeps a message, if the screen is shown.
    fn keep(&self, text: &str, is_fresh: bool) -> bool {
        match &mut *self.held.lock() {
            Some(held) => {
                held.add(text, is_fresh);
                true
            }
            None => false,
        }
    }
}

impl Held {
    fn add(&mut self, text: &str, is_fresh: bool) {
        let text: String = text.trim_end().chars().take(LINE_CHARACTERS_MAX).collect();
        self.bytes = self.bytes.saturating_add(text.len());
        if is_fresh {
            self.fresh.push_back(text.clone());
            let surplus = self.fresh.len().saturating_sub(FRESH_MAX);
            self.fresh.drain(..surplus);
        }
        self.lines.push_back(text);
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.len());
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.keep(&String::from_utf8_lossy(bytes), true) {
            self.bars.suspend(|| stderr().put(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Messages that are kept for the end of the screen: those of a shift in which much went wrong.
const LINES_MAX: usize = 20_000;

/// What they take at most in memory.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest message that is kept.
const LINE_CHARACTERS_MAX: usize = 4_096;

/// Messages between two pictures: the screen shows fewer.
const FRESH_MAX: usize = 64;

const LINES_BETWEEN_FLUSHES: usize = 1_000;

/// A terminal that takes nothing is not waited for.
const FLUSH_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_on_the_screen_is_kept_and_what_is_too_much_is_counted() {
        let mut held = Held::default();
        for number in 0..LINES_MAX + 3 {
            held.add(&format!("message {number}\n"), false);
        }
        assert_eq!((held.lines.len(), held.dropped), (LINES_MAX, 3));
        assert_eq!(held.lines.front().map(String::as_str), Some("message 3"));
        held.add(&"x".repeat(BYTES_MAX), true);
        assert_eq!(held.lines.back().map(String::len), Some(LINE_CHARACTERS_MAX));
        assert!(held.bytes <= BYTES_MAX && held.fresh.len() == 1);
    }
}
