//! The command line. Its help is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use agent::enroll::Server;
use agent::hook::{Hook, Telling};
use clap::{Args, Parser, Subcommand};
use identity::{DeviceSerial, Product};

/// The device's program: takes a birth certificate in the factory and an operational certificate at first boot, and keeps that fresh.
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

    /// Replace the operational certificate by the next one, if that is due.
    ///
    /// The CA is asked when; with --force, it is done now. The new certificate has a new key, is checked as a peer would, proven by a
    /// handshake, and only then pointed to by DIR/current; the old one works until then, and is removed after. Killed at any point and
    /// run again, it goes on where it was.
    ///
    /// A certificate that the CA does not take any more, because it has ended for example, is replaced by means of the birth certificate.
    #[command(after_help = RENEW_EXIT_STATUS)]
    Renew(Renew),

    /// Run for years: enrol if that was not done, renew in time, tell applications.
    ///
    /// Between three fifths and three quarters of a certificate's life, at a time of its own inside the window that the CA names, the
    /// unit renews. What fails is tried again, with pauses that grow to an hour and differ from unit to unit, before and after the
    /// certificate has ended. A unit that is on hold asks every hour or so; one that was revoked or retired ends with status 6.
    ///
    /// SIGHUP: look and ask the CA now. SIGTERM, SIGINT: end. Other commands can be run on the same directory meanwhile.
    #[command(after_help = RUN_EXIT_STATUS)]
    Run(Run),

    /// Tell who this unit is, how far it is, and what to do next.
    #[command(after_help = STATUS_EXIT_STATUS)]
    Status(Status),

    /// Examine this unit: its state directory, keys, certificates, clock, and whether the CA takes it. Says what to do.
    ///
    /// Nothing is changed. Can be run while another command works on the directory.
    #[command(after_help = DOCTOR_EXIT_STATUS)]
    Doctor(Doctor),
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
pub(crate) struct Renew {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// The CA, for example https://ca.example.com:8443. Without it, the one that the factory named.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<Server>,

    /// Renew now, whether or not it is due.
    #[arg(long)]
    pub(crate) force: bool,

    /// Go on trying for this long: pauses grow, and differ from unit to unit.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,

    #[command(flatten)]
    pub(crate) telling: TellingArguments,

    /// Print the outcome as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// The CA, for example https://ca.example.com:8443. Without it, the one that the factory named.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<Server>,

    #[command(flatten)]
    pub(crate) telling: TellingArguments,
}

/// Who is told of a new certificate.
#[derive(Debug, Args)]
pub(crate) struct TellingArguments {
    /// Run this after each new certificate, without a shell. TOUCHMARK_STATE, TOUCHMARK_CURRENT, TOUCHMARK_DEVICE and
    /// TOUCHMARK_SERIAL_NUMBER are in its environment. One that fails is run again. The log has the first and last two kilobytes of what
    /// it says; what it leaves running must not write to its output.
    #[arg(long, value_name = "COMMAND")]
    hook: Option<Hook>,

    /// End the hook, and all that it started, when it takes longer.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    hook_time: Duration,

    /// Send SIGHUP to the process whose number is in this file after each new certificate.
    #[arg(long, value_name = "FILE")]
    notify_pid_file: Option<PathBuf>,
}

impl TellingArguments {
    pub(crate) fn telling(&self) -> Telling {
        let Self { hook, hook_time, notify_pid_file } = self;
        Telling { hook: hook.clone(), hook_time: *hook_time, pid_file: notify_pid_file.clone() }
    }
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

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// The CA, for example https://ca.example.com:8443. Without it, the one that the factory named.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<Server>,

    /// Print each finding as one line of JSON.
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
  7  the CA keeps this unit out until its operator decides otherwise (on hold)

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const RENEW_EXIT_STATUS: &str = "\
Exit status:
  0  renewed, or not due
  1  failed; the message says what to do
  2  wrong usage
  3  not enrolled: there is nothing to renew
  4  the state directory is damaged
  5  not in time: run it again
  6  the CA refuses this unit: a person must act
  7  the CA keeps this unit out until its operator decides otherwise (on hold, or its lineage forked)

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const RUN_EXIT_STATUS: &str = "\
Exit status:
  0  ended by SIGTERM or SIGINT; SIGHUP makes it look at once what there is to do
  1  failed; the message says what to do
  2  wrong usage
  4  the state directory is damaged
  6  the unit was revoked, retired or scrapped; running it again does not help

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const STATUS_EXIT_STATUS: &str = "\
Exit status:
  0  enrolled
  1  failed; the message says what to do
  2  wrong usage
  3  not enrolled, or its operational certificate has ended
  4  the state directory is damaged";

const DOCTOR_EXIT_STATUS: &str = "\
Exit status:
  0  all is in order; notes do not count
  1  something is to be done; the findings say what
  2  wrong usage
  4  the state directory is damaged";
