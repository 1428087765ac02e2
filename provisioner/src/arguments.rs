//! The command line.

mod help;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use identity::{DeviceId, DeviceIdError, DeviceSerial, Product};

use help::{
    COMPLETIONS_HELP, DOCTOR_HELP, EXIT_STATUSES, FINISH_HELP, GIVE_UP_HELP, LABELS_HELP, PROVISION_HELP,
    RECONCILE_HELP, REPORT_HELP, RESUME_HELP, REWORK_HELP, SCRAP_HELP,
};

use crate::link::LinkSpec;
use crate::mode::Mode;
use crate::scan::ScannerPort;

/// The factory station: gives each unit of a work order its birth certificate, reads it back, and locks the
/// unit.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    max_term_width = 100,
    after_help = EXIT_STATUSES,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make units of a work order.
    ///
    /// Units that are already done are skipped; unfinished ones are finished. A unit is told only a serial
    /// number that the CA has reserved for this station. A unit that is to be made again (rework) must be
    /// erased first, whichever station made it. Ctrl-C finishes the units on the bench and begins no others;
    /// a second Ctrl-C aborts them, and `resume` finishes them.
    #[command(after_help = PROVISION_HELP)]
    Provision(ProvisionArguments),
    /// Finish the units that were unfinished when the station stopped.
    #[command(after_help = RESUME_HELP)]
    Resume(ResumeArguments),
    /// Give up units that will never leave the factory: revoke their certificates, for ever.
    ///
    /// Their serial numbers and keys are never used again; the work order's quota is not given back.
    /// Scrapping a unit twice changes nothing. A unit that failed before it had a certificate is given up, as
    /// by `give-up`. The reason in the CRL is cessationOfOperation. The command needs the journal: stop the
    /// line first.
    #[command(after_help = SCRAP_HELP)]
    Scrap(UnitArguments),
    /// Have units made again: a board was replaced.
    ///
    /// Each may have one more birth certificate, with a new key; the ledger entry of the new certificate
    /// revokes the old ones. The next `provision` makes the unit, which must be erased first. A unit that
    /// enrolled is refused. The command needs the journal: stop the line first.
    #[command(after_help = REWORK_HELP)]
    Rework(UnitArguments),
    /// Give up serial numbers for which no unit got a certificate, for ever.
    ///
    /// They stay spent from the work order's quota, and no unit at any station gets them: a torn label, a
    /// board that died before it had a certificate. A serial number with a certificate is refused: scrap its
    /// unit. The command needs the journal: stop the line first.
    #[command(after_help = GIVE_UP_HELP)]
    GiveUp(UnitArguments),
    /// Have the CA issue the certificates of units that were made while it could not be asked.
    ///
    /// A unit that is refused is listed with the reason. The command may be cut off anywhere and run again.
    /// It needs the journal: stop the line first. A line does the same by itself when the CA answers again.
    #[command(after_help = RECONCILE_HELP)]
    Reconcile(ReconcileArguments),
    /// Give units on the bench the certificates that were deferred.
    ///
    /// Insert the units in any order, on any slot: each says itself which one it is. The run ends when all
    /// units that wait have their certificates, or with Ctrl-C.
    #[command(after_help = FINISH_HELP)]
    Finish(FinishArguments),
    /// Write the labels of units that have passed, from the journal alone.
    ///
    /// A label that is there already is not written again. Units whose certificate the journal does not have
    /// are named: another station made them, or this one had another journal then.
    #[command(after_help = LABELS_HELP)]
    Labels(LabelsArguments),
    /// Print what became of all units, from the journal alone.
    #[command(after_help = REPORT_HELP)]
    Report(ReportArguments),
    /// Examine the station: credential, disk, journal, CA, clock, reservations, and each slot's link.
    ///
    /// Prints a line for each finding: good, note, bad or damaged, what was found, and what to do. Changes
    /// nothing: a unit in a fixture is asked who it is (Hello without a serial number) and told nothing.
    /// While a station runs with the journal its fixtures are left alone. A check that hangs is ended and
    /// said.
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArguments),
    /// Print a completion script for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell.
        shell: cli::Shell,
    },
}

impl Arguments {
    /// Whether results and errors are printed as JSON.
    pub fn json(&self) -> bool {
        match &self.command {
            Command::Provision(ProvisionArguments { output: Output { json, .. }, .. })
            | Command::Resume(ResumeArguments { output: Output { json, .. }, .. })
            | Command::Scrap(UnitArguments { json, .. })
            | Command::Rework(UnitArguments { json, .. })
            | Command::GiveUp(UnitArguments { json, .. })
            | Command::Reconcile(ReconcileArguments { json, .. })
            | Command::Finish(FinishArguments { output: Output { json, .. }, .. })
            | Command::Labels(LabelsArguments { json, .. })
            | Command::Report(ReportArguments { json, .. })
            | Command::Doctor(DoctorArguments { json, .. }) => *json,
            Command::Completions { .. } => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProvisionArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The work order, for example wo-000017, or only its number.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: String,
    /// How to reach the devices: exec:COMMAND, tcp:HOST:PORT or serial:PORT[:BAUD].
    #[arg(long)]
    pub(crate) link: LinkSpec,
    /// How many units at a time, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = slots)]
    pub(crate) slots: usize,
    /// How units come [default: `mode` of station.toml; else list with --serials or when standard input is no
    /// terminal, and scan at a terminal].
    #[arg(long)]
    pub(crate) mode: Option<Mode>,
    /// A serial scanner at this port, beside the keyboard; BAUD if it is not 9600 or not set already.
    #[arg(long, value_name = "PATH[:BAUD]", conflicts_with = "serials")]
    pub(crate) scanner: Option<ScannerPort>,
    /// The line's list of serial numbers, `-` for standard input; implies --mode list [default: those of the
    /// work order].
    #[arg(long, value_name = "FILE|-")]
    pub(crate) serials: Option<PathBuf>,
    /// The list's column of serial numbers [default: one called `serial`, `Serial Number`, `S/N` or the
    /// like].
    #[arg(long, value_name = "NAME", requires = "serials")]
    pub(crate) column: Option<String>,
    /// Who makes the units, for the closing report: 1 to 64 characters. In scan mode a scan that begins with
    /// `operator-prefix` names another one.
    #[arg(long, value_name = "NAME", value_parser = crate::crew::operator)]
    pub(crate) operator: Option<String>,
    /// Refuse to run unless the work order is for this product.
    #[arg(long)]
    pub(crate) product: Option<String>,
    /// Make at most this many units.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Reserve whole blocks of units and keep what is left of them after the run, for a line that may lose
    /// the CA.
    #[arg(long)]
    pub(crate) keep_reservation: bool,
    /// Do not ask the CA until it answers by itself: make units that are reserved. Needs
    /// `offline = "allowed"` in station.toml.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) offline: bool,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Only of this work order.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: Option<String>,
    /// Who makes the units, for the closing report: 1 to 64 characters.
    #[arg(long, value_name = "NAME", value_parser = crate::crew::operator)]
    pub(crate) operator: Option<String>,
    /// How to reach the devices [default: as in the last run].
    #[arg(long)]
    pub(crate) link: Option<LinkSpec>,
    /// How many units at a time [default: as in the last run].
    #[arg(long, value_name = "N", value_parser = slots)]
    pub(crate) slots: Option<usize>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Only of this work order.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: Option<String>,
    /// Print one JSON object for each unit, and the summary as the last; errors too, on stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FinishArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The work order that they were made under.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: String,
    /// How to reach the devices: exec:COMMAND, tcp:HOST:PORT or serial:PORT[:BAUD].
    #[arg(long)]
    pub(crate) link: LinkSpec,
    /// How many units at a time, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = slots)]
    pub(crate) slots: usize,
    /// Who works from the beginning, for the ledger: a name or the number of a badge, at most 64 characters.
    #[arg(long, value_name = "NAME", value_parser = crate::crew::operator)]
    pub(crate) operator: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct UnitArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The work order that they were made under.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: String,
    /// What happened, in your own words, for the ledger: 1 to 256 characters.
    #[arg(long, value_name = "TEXT", alias = "reason", value_parser = remark)]
    pub(crate) remark: String,
    /// Who does it, for the ledger: a name or the number of a badge, at most 64 characters.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, value_parser = operator)]
    pub(crate) operator: String,
    /// The number of units, for use without a terminal; another number changes none.
    #[arg(long, value_name = "COUNT", conflicts_with = "yes")]
    pub(crate) confirm: Option<u64>,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object for each unit, and the summary as the last; errors too, on stderr.
    #[arg(long)]
    pub(crate) json: bool,
    /// Serial numbers, or units as the station prints them: product/serial.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) units: Vec<NamedUnit>,
}

/// A unit as a person types it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedUnit {
    pub(crate) product: Option<Product>,
    pub(crate) serial: DeviceSerial,
}

impl FromStr for NamedUnit {
    type Err = DeviceIdError;

    /// Reads `product/serial`, or a serial number alone. A serial number may contain `/`: a text without a
    /// valid product in front is all serial number.
    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        match text.parse::<DeviceId>() {
            Ok(DeviceId { product, serial }) => Ok(Self { product: Some(product), serial }),
            Err(_) => Ok(Self { product: None, serial: text.parse()? }),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Only of this work order.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: Option<String>,
    /// Print every unit before the totals of its work order, also those that a report file missed because the
    /// station was killed.
    #[arg(long)]
    pub(crate) units: bool,
    /// Print one JSON object for each unit and each work order; errors too, on stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The work order to ask the CA about [default: that of the last run].
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: Option<String>,
    /// How devices are reached [default: as in the last run].
    #[arg(long)]
    pub(crate) link: Option<LinkSpec>,
    /// How many slots to try [default: as in the last run; 1 with --link].
    #[arg(long, value_name = "N", value_parser = slots)]
    pub(crate) slots: Option<usize>,
    /// Print one JSON object for each finding: subject, verdict, says, advice; errors too, on stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LabelsArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Only of this work order.
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: Option<String>,
    /// Print the result as one JSON object; errors too, on stderr.
    #[arg(long)]
    pub(crate) json: bool,
    /// The directory; it is made if it is missing.
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The station's configuration.
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_STATION_CONFIG")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Add one JSON object a unit to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the label of each unit that passed to this directory: a QR code as SVG and PNG, and a line of
    /// labels.csv.
    #[arg(long, value_name = "DIR")]
    pub(crate) labels: Option<PathBuf>,
    /// Show the run on the whole terminal [default: `screen` of station.toml]; plain lines where standard
    /// error is no terminal of 80 columns and 24 lines.
    #[arg(long, conflicts_with_all = ["plain", "json"])]
    pub(crate) screen: bool,
    /// Show the run in plain lines, also where station.toml wants the screen.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Print one JSON object for each unit, and the summary as the last; errors too, on stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

fn slots(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(slots @ 1..=SLOTS_MAX) => Ok(slots),
        _ => Err(format!("a line has 1 to {SLOTS_MAX} slots")),
    }
}

/// The remark becomes part of a ledger entry.
fn remark(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= REMARK_CHARACTERS_MAX;
    if fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("a remark has 1 to {REMARK_CHARACTERS_MAX} characters in one line"))
    }
}

/// The operator's name becomes part of a ledger entry.
fn operator(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() <= OPERATOR_CHARACTERS_MAX && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("an operator's name has at most {OPERATOR_CHARACTERS_MAX} characters in one line"))
    }
}

/// `ReportScrapRequest.operator` in provisioning.proto.
const OPERATOR_CHARACTERS_MAX: usize = 64;

/// `ReportScrapRequest.reason` in provisioning.proto.
const REMARK_CHARACTERS_MAX: usize = 256;

/// The most slots of one station: more fixtures than a line computer has ports for.
const SLOTS_MAX: usize = 64;

/// The program's name in error messages.
pub const PROGRAM: &str = "touchmark-station";
