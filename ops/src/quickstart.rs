//! `touchmark quickstart`
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::output::Output;

/// What to show.
#[derive(Debug, Args)]
pub struct QuickstartArguments {
    /// Where everything goes
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Runs it.
pub(crate) async fn run(_arguments: QuickstartArguments, output: &mut Output) -> Result<(), Failure> {
    output.note("nothing yet");
    Ok(())
}
