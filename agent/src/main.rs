//! `touchmark-agent`: the device's program. Arguments, wiring, exit status; all else is in the library.

mod arguments;
mod commands;

use std::process::ExitCode;

use clap::Parser;
use diagnostics::{Format, Logging};
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let ending = diagnostics::begin("touchmark-agent");
    // Standard output belongs to the factory link and to `--json`.
    LOGGING.to_stderr();
    ending.after(|| {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!("the system gives no resources to run: {error}");
                return ExitCode::from(commands::FAILED);
            }
        };
        let status = runtime.block_on(commands::run(arguments.command));
        // A read of standard input cannot be cancelled; do not wait for it.
        runtime.shutdown_background();
        ExitCode::from(status)
    })
}

const LOGGING: Logging = Logging {
    variable: "TOUCHMARK_AGENT_LOG",
    level: LevelFilter::INFO,
    format: Format::Text,
    ours: &["agent", "link", "touchmark_agent"],
};
