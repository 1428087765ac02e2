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
                console.error(&format!("the system gives no resources to run: {error}"), None);
                return ExitCode::FAILURE;
            }
        };
        let status = match runtime.block_on(provisioner::command::run(arguments, &console)) {
            Ok(status) => ExitCode::from(status),
            Err(failure) => {
                console.failure(&failure, failure.next());
                ExitCode::from(failure.exit_status())
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
