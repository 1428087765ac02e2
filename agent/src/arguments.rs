//! The command line. Its help is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use identity::{DeviceSerial, Product};
use serial_port::PortAddress;

use crate::ca_client::Server;
use crate::hook::Notifier;
use crate::key::{KeyGroup, KeyReaders};

/// The device's program: takes a birth certificate in the factory and an operational certificate at first
/// boot, and keeps that fresh.
///
/// The private keys are made here and never leave. Everything the device knows is in its state directory;
/// every command can be killed at any time and run again.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, max_term_width = 100, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer a factory station: make a key, take the birth certificate, prove it, lock.
    ///
    /// The station drives; this program only answers, and ends when the station closes the link or has locked
    /// the unit. A unit that lost power goes on where it was. After the lock it makes no key and takes no
    /// certificate again.
    #[command(after_help = FACTORY_EXIT_STATUS)]
    Factory(Factory),

    /// Get the operational certificate from the owner's CA, proven by the birth certificate.
    ///
    /// The certificate is checked as a peer would, proven by a handshake, and then pointed to by DIR/current,
    /// where applications find cert.pem, key.pem, chain.pem and trust.pem. A unit that is enrolled stays as
    /// it is. Killed at any point and run again, it goes on where it was, and ends with one certificate.
    ///
    /// A clock that shows 1970 does not matter: no time is believed that is before this program's release,
    /// before the unit's certificates, or before what the CA last said.
    #[command(after_help = ENROLL_EXIT_STATUS)]
    Enroll(Enroll),

    /// Replace the operational certificate by the next one, if that is due.
    ///
    /// The CA is asked when; with --force, it is done now. The new certificate has a new key, is checked as a
    /// peer would, proven by a handshake, and only then pointed to by DIR/current; the old one works until
    /// then, and is removed after. Killed at any point and run again, it goes on where it was.
    ///
    /// A certificate that the CA does not take any more, because it has ended for example, is replaced by
    /// means of the birth certificate.
    #[command(after_help = RENEW_EXIT_STATUS)]
    Renew(Renew),

    /// Run for years: enrol if that was not done, renew in time, tell applications.
    ///
    /// Between three fifths and three quarters of a certificate's life, at a time of its own inside the
    /// window that the CA names, the unit renews. What fails is tried again, with pauses that grow to an hour
    /// and differ from unit to unit, before and after the certificate has ended. A unit that is on hold asks
    /// every hour or so; one that was revoked or retired ends with status 3.
    ///
    /// SIGHUP: look and ask the CA now. SIGTERM, SIGINT: end. Other commands can be run on the same directory
    /// meanwhile.
    #[command(after_help = RUN_EXIT_STATUS)]
    Run(Run),

    /// Print who this unit is, how far it is, and what to do next.
    #[command(after_help = STATUS_EXIT_STATUS)]
    Status(Status),

    /// Examine this unit: its state directory, keys, certificates, clock, and whether the CA takes it. Says
    /// what to do.
    ///
    /// Nothing is changed. Can be run while another command works on the directory.
    #[command(after_help = DOCTOR_EXIT_STATUS)]
    Doctor(Doctor),

    /// Print a completion script for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell.
        shell: cli::Shell,
    },
}

impl Command {
    /// Whether programs read what it prints.
    pub fn json(&self) -> bool {
        match self {
            Self::Enroll(Enroll { json, .. })
            | Self::Renew(Renew { json, .. })
            | Self::Status(Status { json, .. })
            | Self::Doctor(Doctor { json, .. }) => *json,
            Self::Factory(_) | Self::Run(_) | Self::Completions { .. } => false,
        }
    }
}

/// How to answer a station.
#[derive(Debug, Args)]
pub struct Factory {
    /// The state directory. A missing or an empty directory is made into one; a directory with other files is
    /// refused.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,

    /// Where the station is.
    #[command(flatten)]
    pub link: Link,

    /// What this unit is one of, for example cam-2. Without it, the station says.
    #[arg(long, value_name = "PRODUCT", requires = "serial")]
    pub product: Option<Product>,

    /// Which one it is, for example SN000123. Without it, the station says.
    #[arg(long, value_name = "SERIAL", requires = "product")]
    pub serial: Option<DeviceSerial>,

    /// Give up when the station says nothing for this long.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub idle_timeout: Duration,
}

/// A unit and its CA.
#[derive(Debug, Args)]
pub struct Unit {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,

    /// The CA, https://HOST:PORT or HOST:PORT [default: the one that the factory named]
    #[arg(long, value_name = "URL")]
    pub server: Option<Server>,
}

/// How a unit obtains a certificate.
#[derive(Debug, Args)]
pub struct Obtain {
    /// The unit and its CA.
    #[command(flatten)]
    pub unit: Unit,

    /// Go on trying for this long: pauses grow, and differ from unit to unit.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub deadline: Duration,

    /// Who may read the key.
    #[command(flatten)]
    pub readers: ReadersArguments,
}

/// How to enrol.
#[derive(Debug, Args)]
pub struct Enroll {
    /// The unit, its CA, and for how long.
    #[command(flatten)]
    pub obtain: Obtain,

    /// Print the outcome as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// How to renew.
#[derive(Debug, Args)]
pub struct Renew {
    /// The unit, its CA, and for how long.
    #[command(flatten)]
    pub obtain: Obtain,

    /// Renew now, whether or not it is due.
    #[arg(long)]
    pub force: bool,

    /// Which applications are notified of a new certificate.
    #[command(flatten)]
    pub notifier: Notifier,

    /// Print the outcome as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// How to run.
#[derive(Debug, Args)]
pub struct Run {
    /// The unit and its CA.
    #[command(flatten)]
    pub unit: Unit,

    /// Who may read the key.
    #[command(flatten)]
    pub readers: ReadersArguments,

    /// Which applications are notified of a new certificate.
    #[command(flatten)]
    pub notifier: Notifier,
}

/// Who may read the key of the certificate in use, besides the owner of the state directory.
#[derive(Debug, Args)]
pub struct ReadersArguments {
    /// Let the members of this group of the system read DIR/current/key.pem (mode 0640), now and after each
    /// renewal, for applications that run as users of their own. Remembered, also by other commands on DIR.
    /// The agent must be root or a member of the group.
    #[arg(long, value_name = "GROUP")]
    key_group: Option<KeyGroup>,

    /// Let nobody else read it any more (mode 0600), as it is unless --key-group was given.
    #[arg(long, conflicts_with = "key_group")]
    no_key_group: bool,
}

impl ReadersArguments {
    /// The same, as the library takes it.
    pub fn readers(&self) -> KeyReaders {
        match (&self.key_group, self.no_key_group) {
            (Some(group), _) => KeyReaders::Group(group.clone()),
            (None, true) => KeyReaders::Nobody,
            (None, false) => KeyReaders::AsBefore,
        }
    }
}

/// Which unit to tell about.
#[derive(Debug, Args)]
pub struct Status {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,

    /// Print one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Which unit to examine.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The unit and its CA.
    #[command(flatten)]
    pub unit: Unit,

    /// Print one JSON object for each finding; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Where the station is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Link {
    /// Talk to the station on standard input and output; logs go to standard error.
    #[arg(long)]
    pub stdio: bool,

    /// Wait for the station on this address, for example 127.0.0.1:7000. One station at a time, until the
    /// unit is locked.
    #[arg(long, value_name = "ADDRESS")]
    pub tcp: Option<SocketAddr>,

    /// Talk to the station on this serial port, for example /dev/ttyS1:9600: 8N1, raw, no flow control,
    /// 115200 baud unless said otherwise. One station after another, until the unit is locked.
    #[arg(long, value_name = "PATH[:BAUD]")]
    pub tty: Option<PortAddress>,
}

/// The program's name, as it stands before each of its errors.
pub const PROGRAM: &str = "touchmark-agent";

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  failed; trying again may help
  2  wrong usage
  3  the unit cannot go on by itself: no state, no birth certificate, not enrolled, or the CA
     refuses its certificate (revoked, retired, scrapped)
  4  the state directory is damaged
  6  done, and what was found is not all good (status, doctor)
  7  the CA was not reached, or keeps the unit waiting (on hold): run it again later

Errors go to standard error: what happened, because of what, and what to do next.
Logs go there too; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const FACTORY_EXIT_STATUS: &str = "\
Exit status:
  0  the station closed the link, or has locked the unit
  1  failed; trying again may help
  2  wrong usage
  3  the directory holds something else
  4  the state directory is damaged

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const ENROLL_EXIT_STATUS: &str = "\
Exit status:
  0  enrolled, now or before
  1  failed; trying again may help
  2  wrong usage
  3  the unit cannot enrol: it was not born, or the CA refuses its certificate; a person must act
  4  the state directory is damaged
  7  the CA was not reached in time, or keeps the unit waiting (on hold): run it again later

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const RENEW_EXIT_STATUS: &str = "\
Exit status:
  0  renewed, or not due
  1  failed; trying again may help
  2  wrong usage
  3  not enrolled, so that there is nothing to renew; or the CA refuses the unit: a person must act
  4  the state directory is damaged
  7  the CA was not reached in time, or keeps the unit waiting (on hold, or its lineage forked): run
     it again later

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const RUN_EXIT_STATUS: &str = "\
Exit status:
  0  ended by SIGTERM or SIGINT; SIGHUP makes it look at once what there is to do
  1  failed; a restart may help
  2  wrong usage
  3  the unit was revoked, retired or scrapped, or has no birth certificate; no restart helps
  4  the state directory is damaged; no restart helps

Logs go to standard error; TOUCHMARK_AGENT_LOG sets how much (error, warn, info, debug).";

const STATUS_EXIT_STATUS: &str = "\
Exit status:
  0  enrolled
  1  failed; trying again may help
  2  wrong usage
  3  there is no device state in this directory
  4  the state directory is damaged
  6  not enrolled, or its operational certificate has ended";

const DOCTOR_EXIT_STATUS: &str = "\
Exit status:
  0  all is in order; notes do not count
  2  wrong usage
  4  the state directory is damaged
  6  something is to be done; the findings say what";

const COMPLETIONS_HELP: &str = "\
Exit status: see touchmark-agent --help.

Example:
  touchmark-agent completions bash > /etc/bash_completion.d/touchmark-agent";
