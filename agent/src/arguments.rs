//! The command line. Its help is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use agent::enroll::Server;
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

    /// Get the operational certificate from the owner's CA, proven by the birth certificate.
    ///
    /// The certificate is checked as a peer would, proven by a handshake, and then pointed to by DIR/current, where applications
    /// find cert.pem, key.pem, chain.pem and trust.pem. A unit that is enrolled stays as it is. Killed at any point and run again,
    /// it goes on where it was, and ends with one certificate.
    ///
    /// A clock that shows 1970 does not matter: no time is believed that is before this program's release, before the unit's
    /// certificates, or before what the CA last said.
    #[command(after_help = ENROLL_EXIT_STATUS)]
    Enroll(Enroll),

    /// Tell who this unit is, how far it is, and what to do next.
    #[command(after_help = STATUS_EXIT_STATUS)]
    Status(Status),
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

#[derive(Debug, Args)]
pub(crate) struct Enroll {
    /// The state directory that the factory made.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// The CA, for example https://ca.example.com:8443. Without it, the one that the factory named.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<Server>,

    /// Go on trying for this long: pauses grow, and differ from unit to unit.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,

    /// Print the outcome as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
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

const ENROLL_EXIT_STATUS: &str = "\
Exit status:
  0  enrolled, now or before
  1  failed; the message says what to do
  2  wrong usage
  4  the state directory is damaged
  5  not in time: run it again
  6  the CA refuses this unit: a person must act

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const STATUS_EXIT_STATUS: &str = "\
Exit status:
  0  enrolled
  1  failed; the message says what to do
  2  wrong usage
  3  not enrolled, or its operational certificate has ended
  4  the state directory is damaged";
