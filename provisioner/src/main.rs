//! `touchmark-station`: parse, run, exit.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use cli::completion_script;
use provisioner::arguments::{Arguments, Command, PROGRAM};
use provisioner::console::Console;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Arguments = match cli::parse(PROGRAM) {
        Ok(arguments) => arguments,
        Err(ended) => return ended.tell(),
    };
    if let Command::Completions { shell } = arguments.command {
        // Nobody may be reading; that is no failure.
        std::io::stdout().write_all(completion_script::<Arguments>(PROGRAM, shell).as_bytes()).ok();
        return ExitCode::SUCCESS;
    }
    let json = arguments.command.json();
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
        Ok(status) => status.into(),
        Err(failure) => {
            let complaint = failure.complaint();
            console.complain(&complaint.text(json));
            complaint.status.into()
        }
    }
}
