//! Results on standard output.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use crate::Lines;
use crate::descriptor::write_all;

/// Writes a result to standard output and waits until it is written. A reader that is gone (`| head -1`) is
/// no error; a full disk and a closed terminal are.
pub fn print(text: &str) -> io::Result<()> {
    match write_all(&io::stdout(), text.as_bytes()) {
        Err(broken) if broken.why.kind() != io::ErrorKind::BrokenPipe => Err(broken.why),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Queued results on standard output, for work that must not wait for its reader. Lost ones are counted.
pub fn results() -> &'static Lines {
    RESULTS.get_or_init(|| Lines::to("results", io::stdout(), None))
}

/// Waits at most a second until standard output has the queued [`results`].
pub(crate) fn flush_results() {
    if let Some(results) = RESULTS.get() {
        results.flush(Duration::from_secs(1));
    }
}

static RESULTS: OnceLock<Lines> = OnceLock::new();
