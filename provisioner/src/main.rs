//! `touchmark-station`: parse, run, exit.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use provisioner::arguments::Arguments;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match provisioner::command::run(arguments).await {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            writeln!(std::io::stderr(), "error: {:#}", anyhow::Error::from(failure)).ok();
            ExitCode::from(1)
        }
    }
}
