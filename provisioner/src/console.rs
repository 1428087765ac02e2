//! Standard error, where bars, sentences and log lines meet: whoever writes takes the bars away for a moment. Nobody waits for the terminal
//! (ADR 0031).

use std::io::{self, Write};

use diagnostics::{stderr, tell};
use indicatif::MultiProgress;
use tracing_subscriber::fmt::MakeWriter;

/// Standard error. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Console {
    bars: MultiProgress,
}

impl Default for Console {
    fn default() -> Self {
        Self { bars: MultiProgress::with_draw_target(diagnostics::draw_target()) }
    }
}

impl Console {
    /// Tells a person something, in a line of its own.
    pub fn complain(&self, text: &str) {
        self.bars.suspend(|| tell(text));
    }

    /// Where bars are added.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| stderr().put(bytes));
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
