//! Log lines, messages on standard error, progress bars, and results on standard output.
//!
//! A log never delays work. A line goes into a bounded queue that one thread writes. When the queue is full
//! or standard error takes nothing, the line is dropped and counted. No caller waits, fails or panics because
//! of a log (ADR 0031).
//!
//! Call [`begin`] at the top of `main`, then [`start_logging`].

#[cfg(feature = "bars")]
mod bars;
mod begin;
mod causes;
mod descriptor;
mod limit;
mod lines;
mod logging;
mod process;
mod results;

#[cfg(feature = "bars")]
pub use bars::draw_target;
pub use begin::{Ending, begin, panics};
pub use causes::{cause, causes, error_chain, source_texts};
pub use limit::{Limit, Limits, lines_suppressed};
pub use lines::{Lines, flush, lines_lost, stderr, tell};
pub use logging::{Format, Logging, start_logging};
pub use process::{forbid_core_dumps, hang_up_is_ignored};
pub use results::{print, results};
