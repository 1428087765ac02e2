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
    run(arguments, &mut output).await.into()
}

/// Messages for people are not logged; libraries log only what is wrong.
const LOGGING: Logging = Logging {
    variable: "TOUCHMARK_LOG",
    level: LevelFilter::OFF,
    format: Format::Short,
    ours: &["ops", "client", "touchmark"],
};
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH_USUAL)
}

/// The width of a terminal that does not report one.
const WIDTH_USUAL: usize = 80;
