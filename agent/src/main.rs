//! `touchmark-agent`: the device's program. Arguments, wiring, exit status; all else is in the library.

mod commands;

use std::io::IsTerminal;
use std::process::ExitCode;

use agent::arguments::Arguments;
use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("TOUCHMARK_AGENT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Standard output belongs to the factory link and to `--json`.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .init();
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
}
