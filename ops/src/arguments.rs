//! The command line: its help is the manual.

mod certificate;
mod device;
mod principal;
mod product;
mod quickstart;
mod revocation;
mod work_order;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use certificate::{CertificateCommand, CertificateFilter};
pub(crate) use device::{DeviceCommand, DeviceStateName, DevicesArguments, RemarkArguments, RotateArguments};
pub(crate) use principal::{IssueArguments, PrincipalCommand};
pub(crate) use product::{ProductArgument, ProductCommand};
pub(crate) use quickstart::QuickstartArguments;
pub(crate) use revocation::{
    Confirmation, RevocationsCommand, RevokeArguments, SelectionArguments, WatchArguments, WhyArguments,
};
pub(crate) use work_order::{ReservationCommand, WorkOrderArgument, WorkOrderCommand, WorkOrderTerms};

use crate::connection::{Connection, EVERYWHERE};

/// Operate a Touchmark CA: work orders, credentials, devices and their certificates.
///
/// Every command but `quickstart` calls the CA over mutual TLS with the credential in --credentials, a
/// directory with cert.pem, chain.pem, trust.pem and key.pem (mode 0600), as `touchmark-ca init` and
/// `touchmark principal issue` write it.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true, max_term_width = 110, after_help = EXIT_STATUSES)]
pub struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print one JSON object a line instead of tables; errors too, on stderr
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The program's name in error messages.
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

/// The last line of the help of every command.
pub(crate) const SEE_STATUSES: &str = "Exit status: see touchmark --help.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Work orders: so many units of a product, by these stations, in this window, with these serial numbers
    #[command(after_help = SEE_STATUSES)]
    WorkOrder {
        #[command(subcommand)]
        command: WorkOrderCommand,
    },
    /// Products: pause one for all orders and stations, and let it go on
    #[command(after_help = SEE_STATUSES)]
    Product {
        #[command(subcommand)]
        command: ProductCommand,
    },
    /// Credentials of stations, operators, relying parties and services
    #[command(after_help = SEE_STATUSES)]
    Principal {
        #[command(subcommand)]
        command: PrincipalCommand,
    },
    /// Devices: look them up, put them on hold, revoke or retire them
    #[command(after_help = SEE_STATUSES)]
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Certificates on record, of devices and of principals
    #[command(after_help = SEE_STATUSES)]
    Certificate {
        #[command(subcommand)]
        command: CertificateCommand,
    },
    /// Revoke certificates for ever: of a device, an order, a product, a station, a time, a key or a lineage
    ///
    /// It first shows the number of certificates and devices. Then it asks for the number of certificates, on
    /// a terminal or with --confirm. The CA finishes the work even if this program is stopped.
    #[command(after_help = SEE_STATUSES)]
    Revoke(RevokeArguments),
    /// Revoked certificates: check some, or follow all revocations and keep a broker's CRLs fresh
    #[command(after_help = SEE_STATUSES)]
    Revocations {
        #[command(subcommand)]
        command: RevocationsCommand,
    },
    /// Check this credential, the connection to the CA, the clocks and the published CRLs
    #[command(after_help = SEE_STATUSES)]
    Doctor,
    /// Try everything on this machine: a CA, a work order, a station, and devices that are provisioned,
    /// enrolled, verified and revoked
    #[command(after_help = SEE_STATUSES)]
    Quickstart(QuickstartArguments),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: cli::Shell,
        #[command(flatten)]
        unused: NoConnection,
        #[command(flatten)]
        unprinted: NoJson,
    },
}

/// Accepts the options of the connection without an effect, and hides them.
#[derive(Debug, Clone, Args)]
pub(crate) struct NoConnection {
    /// Not used by this command
    #[arg(long, hide = true, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// Not used by this command
    #[arg(long, hide = true, value_name = "URL")]
    server: Option<String>,
}

/// Hides `--json` for a command that prints no data.
#[derive(Debug, Clone, Args)]
pub(crate) struct NoJson {
    /// Not used by this command
    #[arg(long, hide = true)]
    json: bool,
}

const COMPLETIONS_HELP: &str = "\
Exit status: see touchmark --help.

Example:
  touchmark completions bash > /etc/bash_completion.d/touchmark";

#[derive(Debug, Clone, Args)]
pub(crate) struct PageArguments {
    /// The most rows to print; 0 prints all, in bounded memory however many there are
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) limit: usize,
    /// Go on where an earlier list ended: the cursor that it printed
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) cursor: String,
    /// Print all columns in full, even if they do not fit the terminal
    #[arg(long)]
    pub(crate) wide: bool,
}
