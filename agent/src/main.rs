//! `touchmark-agent`: the device's program. Arguments, wiring, exit status; all else is in the library.

mod commands;

use std::process::ExitCode;

use agent::arguments::{Arguments, Command, PROGRAM};
use cli::{Complaint, Status};
use diagnostics::{Format, Logging};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let ending = diagnostics::begin(PROGRAM);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Complaint::of(PROGRAM, Status::Failed, &error).tell(false),
    };
    // Before anything else: who sends SIGHUP to a program that has just begun must not end it.
    let _hang_up = {
        let _entered = runtime.enter();
        signal(SignalKind::hangup())
    };
    let arguments: Arguments = match cli::parse(PROGRAM) {
        Ok(arguments) => arguments,
        Err(ended) => return ended.tell(),
    };
    if let Command::Completions { shell } = arguments.command {
        return commands::completions(shell);
    }
    // Standard output belongs to the factory link and to `--json`.
    LOGGING.to_stderr();
    ending.after(|| {
        let status = runtime.block_on(commands::run(arguments.command));
        // A read of standard input cannot be cancelled; do not wait for it.
        runtime.shutdown_background();
        status
    })
}

const LOGGING: Logging = Logging {
    variable: "TOUCHMARK_AGENT_LOG",
    level: LevelFilter::INFO,
    format: Format::Text,
    ours: &["agent", "link", "touchmark_agent"],
};
