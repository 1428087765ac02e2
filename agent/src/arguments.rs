//! The command line. Its help is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use identity::{DeviceSerial, Product};

/// The device's program: takes a birth certificate in the factory and an operational certificate at first boot.
///
/// The private keys are made here and never leave. Everything the device knows is in its state directory; every command can be
/// killed at any time and run again.
#[derive(Debug, Parser)]
#[command(name = "touchmark-agent", version, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer a factory station: make a key, take the birth certificate, prove it, lock.
    ///
    /// The station drives; this program only answers, and ends when the station closes the link or has locked the unit. A unit
    /// that lost power goes on where it was. After the lock it makes no key and takes no certificate again.
    #[command(after_help = EXIT_STATUS)]
    Factory(Factory),
}

#[derive(Debug, Args)]
pub(crate) struct Factory {
    /// The state directory. A missing or an empty directory is made into one; a directory with other files is refused.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    #[command(flatten)]
    pub(crate) link: Link,

    /// What this unit is one of, for example cam-2. Without it, the station says.
    #[arg(long, value_name = "PRODUCT", requires = "serial")]
    pub(crate) product: Option<Product>,

    /// Which one it is, for example SN000123. Without it, the station says.
    #[arg(long, value_name = "SERIAL", requires = "product")]
    pub(crate) serial: Option<DeviceSerial>,

    /// Give up when the station says nothing for this long.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) idle_timeout: Duration,
}

/// Where the station is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Link {
    /// Talk to the station on standard input and output; logs go to standard error.
    #[arg(long)]
    pub(crate) stdio: bool,

    /// Wait for the station on this address, for example 127.0.0.1:7000. One station at a time, until the unit is locked.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) tcp: Option<SocketAddr>,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  failed; the message says what to do
  2  wrong usage
  4  the state directory is damaged

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";
