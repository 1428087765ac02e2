//! Standard error, shared by bars, messages and log: a write hides the bars and never blocks (ADR 0031).

use std::io::{self, Write};

use diagnostics::{stderr, tell};
use indicatif::MultiProgress;
use tracing_subscriber::fmt::MakeWriter;

/// Standard error. Cheap to clone; all clones write to the same place.
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
    /// Prints a message on a line of its own.
    pub fn complain(&self, text: &str) {
        self.bars.suspend(|| tell(text));
    }

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
