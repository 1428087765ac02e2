//! `touchmark work-order …`

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use identity::{DeviceSerial, PrincipalName, Product};

use super::{PageArguments, SEE_STATUSES};
use crate::timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum WorkOrderCommand {
    /// Make an order; prints its id and the command for the station
    ///
    /// A manifest of more than 10,000 serial numbers is sent in parts, and the order is open when the CA has
    /// all of it. If that is cut off, the same command goes on where it was.
    #[command(after_help = SEE_STATUSES)]
    Create(WorkOrderTerms),
    /// All orders, newest first
    #[command(after_help = SEE_STATUSES)]
    List(PageArguments),
    /// One order: its terms and its counts
    #[command(after_help = SEE_STATUSES)]
    Show(WorkOrderArgument),
    /// Refuse every further certificate until resumed
    #[command(after_help = SEE_STATUSES)]
    Pause(WorkOrderArgument),
    /// Go on after a pause
    #[command(after_help = SEE_STATUSES)]
    Resume(WorkOrderArgument),
    /// End the order for ever; writes the closing report
    ///
    /// It cannot be opened again. It is refused while stations have reserved units out. It asks for the
    /// order's id on a terminal; use --yes elsewhere. Of an order that is closed already, only the report is
    /// written again. The report has a page to print, all units as JSON and
    /// CSV, and two forms for clouds; each has a signature that openssl verifies with the command that is
    /// printed.
    #[command(after_help = SEE_STATUSES)]
    Close {
        #[command(flatten)]
        order: WorkOrderArgument,
        /// Where to write the closing report; must not exist [default: closing-ID]
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Write the closing report of a closed order again: the same files, signed anew
    #[command(after_help = SEE_STATUSES)]
    Report {
        #[command(flatten)]
        order: WorkOrderArgument,
        /// Where to write it; must not exist [default: closing-ID]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Give up serial numbers for which no unit got a certificate, for ever
    ///
    /// They stay spent from the order's quota, and no unit ever gets them, also if a station has reserved
    /// them: a unit that it made offline is then refused. None is given up if one of them has a certificate
    /// or does not fit the order's pattern; whether a manifest has it is known when its turn comes. It asks
    /// for the number of serial numbers, on a terminal or with --confirm.
    #[command(after_help = SEE_STATUSES)]
    GiveUp {
        #[command(flatten)]
        order: WorkOrderArgument,
        /// Serial numbers of the order, without a certificate
        #[arg(required = true, value_name = "SERIAL")]
        serials: Vec<DeviceSerial>,
        /// In your own words, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT", alias = "reason")]
        remark: String,
        /// The number of serial numbers, for use without a terminal; another number gives up none
        #[arg(long, value_name = "COUNT")]
        confirm: Option<u64>,
    },
    /// Units that stations have reserved before they make them
    #[command(after_help = SEE_STATUSES)]
    Reservation {
        #[command(subcommand)]
        command: ReservationCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReservationCommand {
    /// Reservations with units that are out, newest first
    #[command(after_help = SEE_STATUSES)]
    List {
        /// Only of this work order
        #[arg(long, value_name = "ID", value_parser = cli::work_order)]
        work_order: Option<String>,
        /// Also those of which no unit is out any more
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        page: PageArguments,
    },
    /// End a reservation whose units do not come home; prints their serial numbers
    ///
    /// Units that are out stay spent: no other unit ever gets their serial numbers. A unit that was made
    /// offline and not yet reconciled is then refused for ever. It asks for the number of units that are out,
    /// on a terminal or with --confirm.
    #[command(after_help = SEE_STATUSES)]
    Withdraw {
        /// For example rs-000012, or only its number
        #[arg(value_name = "ID", value_parser = cli::reservation)]
        id: String,
        /// In your own words, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        remark: String,
        /// The number of units that are out, for use without a terminal; another number withdraws nothing
        #[arg(long, value_name = "COUNT")]
        confirm: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WorkOrderArgument {
    /// For example wo-000017, or only its number
    #[arg(value_parser = cli::work_order)]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct WorkOrderTerms {
    /// The product of all its units: 1 to 32 lower-case letters, digits and -
    #[arg(long, value_name = "P")]
    pub(crate) product: Product,
    /// How many units it allows: 1 to 10,000,000; a rework does not count [default: as many as the manifest
    /// lists]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) quantity: Option<u64>,
    /// Serial numbers as one numbered range, for example 'SN{000001..010000}'
    #[arg(long, value_name = "PATTERN", conflicts_with = "manifest")]
    pub(crate) serials: Option<String>,
    /// Serial numbers from a file, at most 1,000,000: one a line, or a table with a header, separated by
    /// commas, semicolons or tabs
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// The manifest's column of serial numbers [default: `serial`, `Serial Number`, `S/N` and the like]
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub(crate) column: Option<String>,
    /// A station that may use it; repeat for more, at most 64
    #[arg(long = "station", value_name = "NAME", required = true)]
    pub(crate) stations: Vec<PrincipalName>,
    /// Accept stations that never had a credential; otherwise such a name is refused as mistyped
    #[arg(long)]
    pub(crate) allow_unknown_station: bool,
    /// Not before this time, for example 2026-11-23, or 2d from now [default: at once]
    #[arg(long, value_name = "TIME", value_parser = timestamp::future)]
    pub(crate) opens: Option<SystemTime>,
    /// Not from this time on, for example 2026-12-24, or 30d from now [default: until closed]
    #[arg(long, value_name = "TIME", value_parser = timestamp::future)]
    pub(crate) closes: Option<SystemTime>,
    /// The certificate profile
    #[arg(long, value_name = "X", default_value = "idevid")]
    pub(crate) profile: String,
}
