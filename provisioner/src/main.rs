//! `touchmark-station`: parse, run, exit.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use provisioner::arguments::Arguments;
use provisioner::console::Console;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let console = Console::default();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(console.clone())
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
    match provisioner::command::run(arguments, &console).await {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            console.failure(&failure, failure.next());
            ExitCode::from(failure.exit_status())
        }
    }
}
