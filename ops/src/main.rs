//! `touchmark`: the operator's command line. `touchmark --help` is the manual.

use std::io::IsTerminal;
use std::process::ExitCode;

use ops::{Arguments, Output, PROGRAM, run};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Arguments = match cli::parse(PROGRAM) {
        Ok(arguments) => arguments,
        Err(ended) => return ended.tell(),
    };
    let mut output = Output::new(
        Box::new(std::io::stdout()),
        Box::new(std::io::stderr()),
        arguments.json,
        std::io::stdout().is_terminal().then(terminal_width),
    );
    match run(arguments, &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.status().into()
        }
    }
}

/// How many characters fit into a line of the terminal.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH_USUAL)
}

/// Of a terminal that does not say.
const WIDTH_USUAL: usize = 80;
