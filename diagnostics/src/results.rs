//! Results on standard output.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use crate::Lines;
use crate::descriptor::write_all;

/// Writes a result to standard output and waits until it is taken. A reader that has gone away (`| head -1`) has seen enough: that is no
/// failure.
///
/// # Errors
/// When it cannot be written: a full disk, a closed terminal.
pub fn print(text: &str) -> io::Result<()> {
    match write_all(&io::stdout(), text.as_bytes()) {
        Err(broken) if broken.why.kind() != io::ErrorKind::BrokenPipe => Err(broken.why),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Results on standard output of work that must not wait for their reader. What is lost is counted, and nothing is written about it
/// between the results.
pub fn results() -> &'static Lines {
    RESULTS.get_or_init(|| Lines::to("results", io::stdout(), None))
}

/// Waits until standard output has the [`results`] that it is to have, at most a second.
pub(crate) fn flush_results() {
    if let Some(results) = RESULTS.get() {
        results.flush(Duration::from_secs(1));
    }
}

static RESULTS: OnceLock<Lines> = OnceLock::new();
