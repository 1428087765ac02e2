//! The command line: its help is the manual.

mod certificate;
mod device;
mod revocation;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};
use identity::{PrincipalName, Product, RevocationReason, Role};

pub use certificate::{CertificateCommand, CertificateFilter};
pub use device::{DeviceCommand, DeviceStateName, DevicesArguments, RemarkArguments, RotateArguments};
pub use revocation::{
    Confirmation, RevocationsCommand, RevokeArguments, SelectionArguments, WatchArguments, WhyArguments,
};

use crate::client::{Connection, EVERYWHERE};
use crate::principal::IssueArguments;
use crate::quickstart::QuickstartArguments;
use crate::timestamp;

/// Operate a Touchmark CA: work orders, credentials, devices and their certificates.
///
/// Every command but `quickstart` calls the CA over mutual TLS with the credential in --credentials, a directory with
/// cert.pem, chain.pem, trust.pem and key.pem (mode 0600), as `touchmark-ca init` and `touchmark principal issue` write it.
#[derive(Debug, Parser)]
#[command(name = "touchmark", version, arg_required_else_help = true, after_help = EXIT_STATUSES)]
pub struct Arguments {
    /// How to reach the CA.
    #[command(flatten)]
    pub connection: Connection,
    /// Print one JSON object a line instead of tables; errors too, on stderr
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed: a file, the network's answer, or this machine
  2  wrong usage: arguments, or a manifest with mistakes
  3  the CA refused: its reason is printed; the same request will be refused again
  4  the CA cannot be reached or is busy: trying again can help
  5  not confirmed: nothing was changed
  6  `revocations check` or `doctor` found something that is not good

Start with:
  touchmark quickstart --keep";

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Orders: so many units of a product, by these stations, in this window, with these serial numbers
    WorkOrder {
        /// What to do with them.
        #[command(subcommand)]
        command: WorkOrderCommand,
    },
    /// Credentials of stations, operators, relying parties and services
    Principal {
        /// What to do with them.
        #[command(subcommand)]
        command: PrincipalCommand,
    },
    /// Devices: one unit each, for ever
    Device {
        /// What to do with them.
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Certificates on record, of devices and of principals
    Certificate {
        /// What to do with them.
        #[command(subcommand)]
        command: CertificateCommand,
    },
    /// Withdraw certificates for ever: of a device, an order, a product, a station, a time, a key or a line of descent
    ///
    /// First it shows what that would hit. Then it wants to be told the number of certificates: typed on a terminal, as --confirm
    /// elsewhere. The work goes on in the CA when this program is stopped.
    Revoke(RevokeArguments),
    /// What was withdrawn: ask, or follow it and keep a broker's revocation lists fresh
    Revocations {
        /// What to do with it.
        #[command(subcommand)]
        command: RevocationsCommand,
    },
    /// Check this credential, the way to the CA, the clocks and the published revocation lists
    Doctor,
    /// See the whole path work: a CA, a work order, a station, devices that are born, enrolled and verified, one that is revoked
    Quickstart(QuickstartArguments),
    /// Print a completion script for a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// What can be done with work orders.
#[derive(Debug, Subcommand)]
pub enum WorkOrderCommand {
    /// Make an order; prints its id and the command for the station
    Create(WorkOrderTerms),
    /// All orders, newest first
    List(PageArguments),
    /// One order: its terms and what became of it so far
    Show {
        /// For example wo-000017
        id: String,
    },
    /// Refuse every further certificate until resumed
    Pause {
        /// For example wo-000017
        id: String,
    },
    /// Go on after a pause
    Resume {
        /// For example wo-000017
        id: String,
    },
    /// End the order for ever; prints which units are unaccounted for
    Close {
        /// For example wo-000017
        id: String,
    },
}

/// What an order says.
#[derive(Debug, Args)]
pub struct WorkOrderTerms {
    /// The product of all its units: 1 to 32 lower-case letters, digits and -
    #[arg(long, value_name = "P")]
    pub product: Product,
    /// The most units it allows, ever: 1 to 10,000,000; a rework is the same unit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub quantity: u64,
    /// Serial numbers as one numbered range, for example 'SN{000001..010000}'
    #[arg(long, value_name = "PATTERN", conflicts_with = "manifest", required_unless_present = "manifest")]
    pub serials: Option<String>,
    /// Serial numbers from a file: one a line, or CSV with a column `serial`; at most 100,000
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// A station that may use it; repeat for more, at most 64
    #[arg(long = "station", value_name = "NAME", required = true)]
    pub stations: Vec<PrincipalName>,
    /// Take stations that never had a credential; otherwise such a name is refused as mistyped
    #[arg(long)]
    pub allow_unknown_station: bool,
    /// Not before this time, RFC 3339, for example 2026-11-23T06:00:00Z [default: at once]
    #[arg(long, value_name = "TIME", value_parser = timestamp::parse)]
    pub opens: Option<SystemTime>,
    /// Not from this time on, RFC 3339 [default: until closed]
    #[arg(long, value_name = "TIME", value_parser = timestamp::parse)]
    pub closes: Option<SystemTime>,
    /// The certificate profile
    #[arg(long, value_name = "X", default_value = "idevid")]
    pub profile: String,
}

/// What can be done with principals.
#[derive(Debug, Subcommand)]
pub enum PrincipalCommand {
    /// Make a credential: a key that never leaves this machine, a certificate for it, and a directory that holds both
    Issue(IssueArguments),
    /// All principals, by role and name
    List(PageArguments),
    /// Withdraw all credentials of a principal: its next call is refused, also on a stream that is open
    Revoke {
        /// station, operator, relying-party or service
        role: Role,
        /// Its name
        name: PrincipalName,
        /// Why, in the spelling of RFC 5280, section 5.3.1, for example keyCompromise
        #[arg(long, default_value = "unspecified")]
        reason: RevocationReason,
    },
}

/// Which part of a long list.
#[derive(Debug, Clone, Args)]
pub struct PageArguments {
    /// The most rows to print; 0 prints all, in bounded memory however many there are
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
    /// Go on where an earlier list ended: the cursor that it gave
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub cursor: String,
}
