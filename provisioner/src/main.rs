//! `touchmark-station`: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use diagnostics::{Format, Logging, start_logging};
use provisioner::arguments::Arguments;
use provisioner::console::Console;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ending = diagnostics::begin("touchmark-station");
    let console = Console::default();
    start_logging(LOGGING, console.clone());
    ending.after(|| {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                console.complain(&format!("error: the system gives no resources to run: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let status = match runtime.block_on(provisioner::command::run(arguments, &console)) {
            Ok(status) => ExitCode::from(status),
            Err(failure) => {
                console.complain(&format!("error: {:#}", anyhow::Error::from(failure)));
                ExitCode::FAILURE
            }
        };
        // A read of standard input cannot be cancelled; do not wait for it.
        runtime.shutdown_background();
        status
    })
}

const LOGGING: Logging = Logging {
    variable: "RUST_LOG",
    level: LevelFilter::WARN,
    format: Format::Short,
    ours: &["provisioner", "caller", "link", "touchmark_station"],
};
