//! `touchmark-station`: parse, run, exit.

use std::process::ExitCode;

use cli::{Complaint, Status};
use diagnostics::{Format, Logging, start_logging};
use provisioner::{Arguments, Console, PROGRAM, run};
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let ending = diagnostics::begin(PROGRAM);
    let arguments: Arguments = match cli::parse(PROGRAM) {
        Ok(arguments) => arguments,
        Err(ended) => return ended.tell(),
    };
    let json = arguments.json();
    let console = Console::default();
    start_logging(LOGGING, console.clone());
    ending.after(|| {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return Complaint::of(PROGRAM, Status::Failed, &error).tell(json),
        };
        let status = match runtime.block_on(run(arguments, &console)) {
            Ok(status) => status.into(),
            Err(complaint) => {
                console.complain(&complaint.text(json));
                complaint.status.into()
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
    ours: &["provisioner", "client", "link", "touchmark_station"],
};
