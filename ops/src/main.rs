//! `touchmark`: the operator's command line. `touchmark --help` is the manual.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use ops::{Arguments, Output, run};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new(
        Box::new(std::io::stdout()),
        Box::new(std::io::stderr()),
        arguments.json,
        std::io::stdout().is_terminal(),
    );
    match run(arguments, &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_status())
        }
    }
}
