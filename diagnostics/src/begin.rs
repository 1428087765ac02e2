//! What every program does first and last.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Level, error};

use crate::results::flush_results;
use crate::{flush, forbid_core_dumps, tell};

/// Writes what is left of the log when it is dropped, and waits for that at most a second.
#[derive(Debug)]
#[must_use = "it is kept to the end of main"]
pub struct Ending(());

/// Begins a program: no core dumps, for it holds keys; panics become log lines.
pub fn begin(program: &'static str) -> Ending {
    if let Err(why) = forbid_core_dumps() {
        tell(&format!("{program}: warning: core dumps cannot be switched off: {why}"));
    }
    std::panic::set_hook(Box::new(move |panic| log_panic(program, panic)));
    Ending(())
}

impl Ending {
    /// Runs the program; a panic in it ends it with status 1.
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

/// Panics since the start, in any thread or task.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// The usual hook writes to standard error by itself, and would wait for a reader that has stalled.
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
