//! What every program does at its start and end.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Level, error};

use crate::results::flush_results;
use crate::{flush, forbid_core_dumps, tell};

/// On drop, waits at most a second until the log is written.
#[derive(Debug)]
#[must_use = "it is kept to the end of main"]
pub struct Ending(());

/// Prepares the process: no core dumps, which would contain keys; panics become log lines.
pub fn begin(program: &'static str) -> Ending {
    if let Err(why) = forbid_core_dumps() {
        tell(&format!("{program}: warning: core dumps cannot be switched off: {why}"));
    }
    std::panic::set_hook(Box::new(move |panic| log_panic(program, panic)));
    Ending(())
}

impl Ending {
    /// Runs the program; a panic ends it with status 1.
    pub fn after(self, run: impl FnOnce() -> ExitCode) -> ExitCode {
        let status = catch_unwind(AssertUnwindSafe(run)).unwrap_or(ExitCode::FAILURE);
        drop(self);
        status
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        flush_results();
        flush();
    }
}

/// The number of panics since the start, in any thread or task.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// The standard hook writes to standard error itself and would wait for a stalled reader.
fn log_panic(program: &str, panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let payload = panic.payload();
    let what = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref().map(String::as_str));
    let what = what.unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    if tracing::enabled!(Level::ERROR) {
        error!(place, thread, "panicked: {what}");
    } else {
        tell(&format!("{program}: error: panicked at {place}: {what}"));
    }
}

static PANICS: AtomicU64 = AtomicU64::new(0);
