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

use crate::connection::{Connection, EVERYWHERE};
use crate::principal::IssueArguments;
use crate::quickstart::QuickstartArguments;
use crate::timestamp;

/// Operate a Touchmark CA: work orders, credentials, devices and their certificates.
///
/// Every command but `quickstart` calls the CA over mutual TLS with the credential in --credentials, a directory with
/// cert.pem, chain.pem, trust.pem and key.pem (mode 0600), as `touchmark-ca init` and `touchmark principal issue` write it.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true, max_term_width = 110, after_help = EXIT_STATUSES)]
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

/// The program's name, as it stands before each of its errors.
pub const PROGRAM: &str = "touchmark";

const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed, or the CA refused: its reason is printed
  2  wrong usage: arguments, or a manifest with mistakes
  3  the credential cannot be used: it is missing, damaged, revoked or expired, or its
     role may not do this
  5  not confirmed: nothing was changed
  6  done, but something is not good (`revocations check`, `doctor`)
  7  the CA was not reached, or said \"later\": the same command may succeed later

Errors go to stderr: what happened, and what to do next.
Times are RFC 3339 (2026-11-23T06:00:00Z), a date (2026-11-23, its beginning in UTC), or a
span (7d, 12h; 7d ago, 7d from now).

Start with:
  touchmark quickstart --keep";

/// What stands under the help of every command.
pub(crate) const SEE_STATUSES: &str = "Exit status: see touchmark --help.";

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work orders: so many units of a product, by these stations, in this window, with these serial numbers
    #[command(after_help = SEE_STATUSES)]
    WorkOrder {
        /// What to do with them.
        #[command(subcommand)]
        command: WorkOrderCommand,
    },
    /// Credentials of stations, operators, relying parties and services
    #[command(after_help = SEE_STATUSES)]
    Principal {
        /// What to do with them.
        #[command(subcommand)]
        command: PrincipalCommand,
    },
    /// Devices: look them up, put them on hold, revoke or retire them
    #[command(after_help = SEE_STATUSES)]
    Device {
        /// What to do with them.
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Certificates on record, of devices and of principals
    #[command(after_help = SEE_STATUSES)]
    Certificate {
        /// What to do with them.
        #[command(subcommand)]
        command: CertificateCommand,
    },
    /// Revoke certificates for ever: of a device, an order, a product, a station, a time, a key or a lineage
    ///
    /// First it shows how many certificates and devices that is. Then it asks for the number of certificates: typed on a terminal, given
    /// with --confirm elsewhere. The CA finishes the work also when this program is stopped.
    #[command(after_help = SEE_STATUSES)]
    Revoke(RevokeArguments),
    /// Revoked certificates: ask about some, or follow them all and keep a broker's CRLs fresh
    #[command(after_help = SEE_STATUSES)]
    Revocations {
        /// What to do with it.
        #[command(subcommand)]
        command: RevocationsCommand,
    },
    /// Check this credential, the connection to the CA, the clocks and the published CRLs
    #[command(after_help = SEE_STATUSES)]
    Doctor,
    /// See the whole path work: a CA, a work order, a station, devices that are born, enrolled and verified, one that is revoked
    #[command(after_help = SEE_STATUSES)]
    Quickstart(QuickstartArguments),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: cli::Shell,
        /// It calls no CA.
        #[command(flatten)]
        unused: NoConnection,
        /// It prints no data.
        #[command(flatten)]
        unprinted: NoJson,
    },
}

/// What can be done with work orders.
#[derive(Debug, Subcommand)]
pub enum WorkOrderCommand {
    /// Make an order; prints its id and the command for the station
    #[command(after_help = SEE_STATUSES)]
    Create(WorkOrderTerms),
    /// All orders, newest first
    #[command(after_help = SEE_STATUSES)]
    List(PageArguments),
    /// One order: its terms and what became of it so far
    #[command(after_help = SEE_STATUSES)]
    Show {
        /// For example wo-000017, or only its number
        #[arg(value_parser = work_order)]
        id: String,
    },
    /// Refuse every further certificate until resumed
    #[command(after_help = SEE_STATUSES)]
    Pause {
        /// For example wo-000017, or only its number
        #[arg(value_parser = work_order)]
        id: String,
    },
    /// Go on after a pause
    #[command(after_help = SEE_STATUSES)]
    Resume {
        /// For example wo-000017, or only its number
        #[arg(value_parser = work_order)]
        id: String,
    },
    /// End the order for ever; prints which units are unaccounted for
    ///
    /// It cannot be opened again. It asks for the order's id on a terminal, and wants --yes elsewhere.
    #[command(after_help = SEE_STATUSES)]
    Close {
        /// For example wo-000017, or only its number
        #[arg(value_parser = work_order)]
        id: String,
        /// It is meant: do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What an order says.
#[derive(Debug, Args)]
pub struct WorkOrderTerms {
    /// The product of all its units: 1 to 32 lower-case letters, digits and -
    #[arg(long, value_name = "P")]
    pub product: Product,
    /// How many units it allows, ever: 1 to 10,000,000; a rework is the same unit [default: as many as the manifest lists]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub quantity: Option<u64>,
    /// Serial numbers as one numbered range, for example 'SN{000001..010000}'
    #[arg(long, value_name = "PATTERN", conflicts_with = "manifest")]
    pub serials: Option<String>,
    /// Serial numbers from a file, at most 100,000: one a line, or a table with a header, separated by commas, semicolons or tabs
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// The manifest's column of serial numbers [default: `serial`, `Serial Number`, `S/N` and the like]
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub column: Option<String>,
    /// A station that may use it; repeat for more, at most 64
    #[arg(long = "station", value_name = "NAME", required = true)]
    pub stations: Vec<PrincipalName>,
    /// Take stations that never had a credential; otherwise such a name is refused as mistyped
    #[arg(long)]
    pub allow_unknown_station: bool,
    /// Not before this time, for example 2026-11-23, or 2d from now [default: at once]
    #[arg(long, value_name = "TIME", value_parser = timestamp::future)]
    pub opens: Option<SystemTime>,
    /// Not from this time on, for example 2026-12-24, or 30d from now [default: until closed]
    #[arg(long, value_name = "TIME", value_parser = timestamp::future)]
    pub closes: Option<SystemTime>,
    /// The certificate profile
    #[arg(long, value_name = "X", default_value = "idevid")]
    pub profile: String,
}

/// What can be done with principals.
#[derive(Debug, Subcommand)]
pub enum PrincipalCommand {
    /// Make a credential: a key that never leaves this machine, a certificate for it, and a directory that holds both
    #[command(after_help = SEE_STATUSES)]
    Issue(IssueArguments),
    /// All principals, by role and name
    #[command(after_help = SEE_STATUSES)]
    List(PageArguments),
    /// Revoke all credentials of a principal, for ever: its next call is refused, also on a stream that is open
    ///
    /// It asks for the principal's name on a terminal, and wants --yes elsewhere.
    #[command(after_help = SEE_STATUSES)]
    Revoke {
        /// station, operator, relying-party or service
        role: Role,
        /// Its name
        name: PrincipalName,
        /// Why, in the spelling of RFC 5280, section 5.3.1, for example keyCompromise
        #[arg(long, value_name = "REASON", default_value = "unspecified", value_parser = revocation::final_reason)]
        reason: RevocationReason,
        /// In your own words, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        remark: String,
        /// It is meant: do not ask
        #[arg(long)]
        yes: bool,
        /// Also the last operator with a credential that is good: then only `touchmark-ca credential` makes another
        #[arg(long)]
        last_operator: bool,
    },
}

/// Takes the place of the options that say where the CA is, for a command that calls none: they are no error, and not in its help.
#[derive(Debug, Clone, Args)]
pub struct NoConnection {
    /// Not used by this command
    #[arg(long, hide = true, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// Not used by this command
    #[arg(long, hide = true, value_name = "URL")]
    server: Option<String>,
}

/// Takes the place of `--json`, for a command that prints no data.
#[derive(Debug, Clone, Args)]
pub struct NoJson {
    /// Not used by this command
    #[arg(long, hide = true)]
    json: bool,
}

/// A work order's id, or its number, which is written out as the CA writes it.
pub(crate) fn work_order(text: &str) -> Result<String, String> {
    match text.strip_prefix("wo-").unwrap_or(text).parse::<u64>() {
        Ok(number) if number > 0 => Ok(format!("wo-{number:06}")),
        _ => Err("a work order is written wo-000017, or 17 alone; `touchmark work-order list` shows them"
            .to_owned()),
    }
}

const COMPLETIONS_HELP: &str = "\
Exit status: see touchmark --help.

Example:
  touchmark completions bash > /etc/bash_completion.d/touchmark";

/// Which part of a long list.
#[derive(Debug, Clone, Args)]
pub struct PageArguments {
    /// The most rows to print; 0 prints all, in bounded memory however many there are
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
    /// Go on where an earlier list ended: the cursor that it gave
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub cursor: String,
    /// Print all columns in full, also where they do not fit the terminal
    #[arg(long)]
    pub wide: bool,
}
