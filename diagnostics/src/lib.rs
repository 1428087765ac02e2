//! How a program talks to the people who run it: log lines, messages on standard error, progress bars, results on standard output.
//!
//! Diagnostics never decide about work. A log line is put into a bounded queue and written by one thread; when the queue is full, or
//! the file, pipe or terminal behind standard error takes nothing, the line is dropped and counted. No caller ever waits, fails or
//! panics because of a log (ADR 0031).
//!
//! Start with [`begin`] at the top of `main`, then [`start_logging`].

#[cfg(feature = "bars")]
mod bars;
mod begin;
mod descriptor;
mod limit;
mod lines;
mod logging;
mod process;
mod results;

#[cfg(feature = "bars")]
pub use bars::draw_target;
pub use begin::{Ending, begin, panics};
pub use limit::{Limit, Limits, lines_suppressed};
pub use lines::{Lines, flush, lines_lost, stderr, tell};
pub use logging::{Format, Logging, start_logging};
pub use process::{forbid_core_dumps, hang_up_is_ignored};
pub use results::{print, results};
