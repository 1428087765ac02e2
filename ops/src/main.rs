//! `touchmark`: the operator's command line. `touchmark --help` is the manual.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use cli::{Complaint, Status};
use diagnostics::{Format, Logging};
use ops::{Arguments, Output, PROGRAM, run};
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let ending = diagnostics::begin(PROGRAM);
    let arguments: Arguments = match cli::parse(PROGRAM) {
        Ok(arguments) => arguments,
        Err(ended) => return ended.tell(),
    };
    LOGGING.to_stderr();
    ending.after(|| {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return Complaint::of(PROGRAM, Status::Failed, &error).tell(arguments.json),
        };
        let status = runtime.block_on(answer(arguments));
        // A write that nobody reads cannot be cancelled; do not wait for it.
        runtime.shutdown_background();
        status
    })
}

async fn answer(arguments: Arguments) -> ExitCode {
    let (notes, width) = (diagnostics::stderr().clone(), stdout().is_terminal().then(terminal_width));
    let mut output = Output::new(Box::new(stdout()), Box::new(notes), arguments.json, width);
    match run(arguments, &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.status().into()
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
/// How many characters fit into a line of the terminal.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH_USUAL)
}

/// Of a terminal that does not say.
const WIDTH_USUAL: usize = 80;
