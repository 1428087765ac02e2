//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use identity::DeviceSerial;

use crate::link::LinkSpec;

/// The factory station: gives each unit of a work order its birth certificate, reads it back, and locks the unit.
#[derive(Debug, Parser)]
#[command(
    name = "touchmark-station",
    version,
    max_term_width = 100,
    after_help = EXIT_STATUSES,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make units of a work order.
    ///
    /// Units that passed before are passed over; units that were under way are finished. Ctrl-C finishes the units on the bench and
    /// begins no others; a second Ctrl-C cuts them off, and `resume` finishes them.
    #[command(after_help = PROVISION_HELP)]
    Provision(ProvisionArguments),
    /// Finish the units that were under way when the station stopped.
    #[command(after_help = EXIT_STATUSES)]
    Resume(ResumeArguments),
    /// Withdraw units that will never leave the factory.
    ///
    /// Their certificates are revoked, for ever; their serial numbers and keys are never used again; the work order's quota is not
    /// given back. A unit that is scrapped already stays so. A unit that failed before it had a certificate is given up: there is nothing to
    /// revoke, nothing was taken from the quota, and this station makes it no more. It takes the journal: stop the line first.
    #[command(after_help = SCRAP_HELP)]
    Scrap(ScrapArguments),
    /// Print what became of all units, from the journal alone.
    Report(ReportArguments),
}

/// How to make units.
#[derive(Debug, Args)]
pub struct ProvisionArguments {
    /// The configuration.
    #[command(flatten)]
    pub common: Common,
    /// The work order, for example wo-000017.
    #[arg(long, value_name = "ID", value_parser = work_order)]
    pub work_order: String,
    /// How to reach the devices: exec:COMMAND or tcp:HOST:PORT.
    #[arg(long)]
    pub link: LinkSpec,
    /// How many units at a time, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = slots)]
    pub slots: usize,
    /// The line's list of serial numbers, `-` for standard input; without it, the work order's own range.
    #[arg(long, value_name = "FILE|-")]
    pub serials: Option<PathBuf>,
    /// Refuse to run unless the work order is for this product.
    #[arg(long)]
    pub product: Option<String>,
    /// Make at most this many units.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Report and JSON.
    #[command(flatten)]
    pub output: Output,
}

/// How to finish units.
#[derive(Debug, Args)]
pub struct ResumeArguments {
    /// The configuration.
    #[command(flatten)]
    pub common: Common,
    /// Only of this work order.
    #[arg(long, value_name = "ID", value_parser = work_order)]
    pub work_order: Option<String>,
    /// How to reach the devices; without it, as in the last run.
    #[arg(long)]
    pub link: Option<LinkSpec>,
    /// How many units at a time; without it, as in the last run.
    #[arg(long, value_name = "N", value_parser = slots)]
    pub slots: Option<usize>,
    /// Report and JSON.
    #[command(flatten)]
    pub output: Output,
}

/// Which units to scrap.
#[derive(Debug, Args)]
pub struct ScrapArguments {
    /// The configuration.
    #[command(flatten)]
    pub common: Common,
    /// The work order that they were made under.
    #[arg(long, value_name = "ID", value_parser = work_order)]
    pub work_order: String,
    /// Why, for the record: 1 to 256 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Do not ask; needed where nobody can be asked.
    #[arg(long)]
    pub yes: bool,
    /// One JSON object a unit, and the summary as the last.
    #[arg(long)]
    pub json: bool,
    /// Their serial numbers.
    #[arg(required = true, value_name = "SERIAL")]
    pub serials: Vec<DeviceSerial>,
}

/// What to print.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The configuration.
    #[command(flatten)]
    pub common: Common,
    /// Only of this work order.
    #[arg(long, value_name = "ID", value_parser = work_order)]
    pub work_order: Option<String>,
    /// Every unit too, before the totals of its work order: also what a report file missed because the station was killed.
    #[arg(long)]
    pub units: bool,
    /// JSON: one object a unit, one a work order.
    #[arg(long)]
    pub json: bool,
}

/// What every command needs.
#[derive(Debug, Args)]
pub struct Common {
    /// The station's configuration.
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_STATION_CONFIG")]
    pub config: PathBuf,
}

/// How to tell what became of units.
#[derive(Debug, Args)]
pub struct Output {
    /// Add one JSON object a unit to this file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// One JSON object a unit on standard output, and the summary as the last.
    #[arg(long)]
    pub json: bool,
}

fn slots(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(slots @ 1..=SLOTS_MAX) => Ok(slots),
        _ => Err(format!("a line has 1 to {SLOTS_MAX} slots")),
    }
}

/// The id becomes the name of a file.
fn work_order(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= WORK_ORDER_CHARACTERS_MAX
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if fits { Ok(text.to_owned()) } else { Err("a work order is written like wo-000017".into()) }
}

/// It becomes a ledger entry.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= REASON_CHARACTERS_MAX;
    if fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("a reason has 1 to {REASON_CHARACTERS_MAX} characters in one line"))
    }
}

/// `ReportScrapRequest.reason` in provisioning.proto.
const REASON_CHARACTERS_MAX: usize = 256;

/// Of one station: more fixtures than a line computer has ports for, and no more processes than it can carry.
const SLOTS_MAX: usize = 64;

/// Of the id of a work order.
const WORK_ORDER_CHARACTERS_MAX: usize = 64;

const EXIT_STATUSES: &str = "\
Exit statuses:
  0  all units passed
  1  failed: configuration, journal, or the CA at the start
  2  wrong usage
  3  some units did not pass
  4  the line stopped: the CA refuses every unit or cannot be reached, or the journal cannot be written
  5  the operator stopped the line";

const SCRAP_HELP: &str = "\
Exit statuses:
  0  all units are on record as scrapped, or given up
  1  failed: configuration, journal, or the CA at the start; or not confirmed
  2  wrong usage
  3  the CA refused some units
  4  the CA refuses all units, or cannot be reached any more, or the journal cannot be written

Example:
  touchmark-station scrap --config station.toml --work-order wo-000017 --reason 'cracked lens' SN000123";

const PROVISION_HELP: &str = "\
Links:
  exec:COMMAND    a command for each device, spoken to on its standard input and output;
                  {serial}, {product} and {slot} are filled in, quotes are as in a shell, and
                  no shell takes part
  tcp:HOST:PORT   a device server
  serial:TTY:BAUD is not in this version; use exec: with a program that connects the port

Serials:
  A plain list has one serial number a line. A CSV list has a header with the column `serial`
  and may have `product`; other columns are kept for the report. All bad rows are told at once,
  and nothing is begun.

station.toml:
  server = \"https://ca.example.com:8443\"  the CA
  credentials = \".\"         directory of cert.pem, chain.pem, trust.pem, key.pem (mode 0600)
  journal = \"journal\"       directory of what the station must remember
  answer-timeout-ms = 3000  after this, a device is asked again
  sends-max = 10            how often a device is asked one question in all
  ca-patience-s = 60        how long the CA is asked again when it cannot answer
  Paths are relative to the file. TOUCHMARK_STATION_SERVER, TOUCHMARK_STATION_CREDENTIALS and
  TOUCHMARK_STATION_JOURNAL override it.

Exit statuses:
  0  all units passed
  1  failed: configuration, journal, or the CA at the start
  2  wrong usage
  3  some units did not pass
  4  the line stopped: the CA refuses every unit or cannot be reached, or the journal cannot be written
  5  the operator stopped the line";
