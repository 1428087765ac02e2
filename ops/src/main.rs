//! `touchmark`: the operator's command line. `touchmark --help` is the manual.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use clap::Parser;
use diagnostics::{Format, Logging, tell};
use ops::{Arguments, Output, run};
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ending = diagnostics::begin("touchmark");
    LOGGING.to_stderr();
    ending.after(|| {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                tell(&format!("error: the system gives no resources to run: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let status = runtime.block_on(answer(arguments));
        // A write that nobody reads cannot be cancelled; do not wait for it.
        runtime.shutdown_background();
        status
    })
}

async fn answer(arguments: Arguments) -> ExitCode {
    let (notes, terminal) = (diagnostics::stderr().clone(), stdout().is_terminal());
    let mut output = Output::new(Box::new(stdout()), Box::new(notes), arguments.json, terminal);
    match run(arguments, &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_status())
        }
    }
}

/// What people are told is no log; libraries only log what is wrong.
const LOGGING: Logging = Logging {
    variable: "TOUCHMARK_LOG",
    level: LevelFilter::OFF,
    format: Format::Short,
    ours: &["ops", "caller", "touchmark"],
};
