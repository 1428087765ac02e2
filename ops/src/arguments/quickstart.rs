//! `touchmark quickstart`

use std::path::PathBuf;

use clap::Args;

use super::NoConnection;

#[derive(Debug, Args)]
pub(crate) struct QuickstartArguments {
    /// The directory for all files: ca/, station/, devices/SERIAL/; must not exist or be empty [default: a
    /// new temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// How many devices are made; one more must be refused
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=DEVICES_MAX))]
    pub(crate) devices: u32,
    /// Leave the CA running at the end, and print how to stop it
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) unused: NoConnection,
}

/// Each device is a process. For more, use `touchmark-station`.
const DEVICES_MAX: i64 = 10_000;
