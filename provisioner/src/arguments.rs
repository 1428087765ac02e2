//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use identity::{DeviceId, DeviceIdError, DeviceSerial, Product};

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

const EXIT_STATUSES: &str = "\
Exit status:
  0  done: all units passed, or their certificates are deferred
  1  failed, or the line stopped: the operator, the link, the journal; the same command may succeed
  2  wrong usage: arguments, or a list with mistakes
  3  the configuration or the station's credential cannot be used
  4  the journal is damaged
  5  not confirmed; nothing was changed
  6  done, but some units failed, were refused, or were not made; or a list that came line by line
     had mistakes; or the doctor found something bad
  7  the CA was not reached, or the order is paused or not yet open: run it again later

Errors go to standard error: what happened, because of what, and what to do next.
Ctrl-C, SIGTERM or SIGHUP (the end of a terminal; not under nohup) stops the line when the units
on the bench are finished; a second one aborts them.";

const RESUME_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station resume --config station.toml";

const RECONCILE_HELP: &str = "\
Exit status: see touchmark-station --help. 6 when the CA refused certificates.

Example:
  touchmark-station reconcile --config station.toml";

const FINISH_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station finish --config station.toml --work-order wo-000017 --slots 4 \\
      --link 'tcp:bench-3:40{slot:02}'";

const LABELS_HELP: &str = "\
A label is PRODUCT_SERIAL.svg and PRODUCT_SERIAL.png: a QR code, and the serial number below it. A
serial number with characters other than A-Z, 0-9 and - is written with - in their place and a
digest behind it. labels.csv has a line for each: serial, product, certificate_serial,
key_fingerprint, code (the text of the QR code), svg, png. The text is
  TM1:CERTIFICATE:KEY:PRODUCT/SERIAL
CERTIFICATE is the serial number of the birth certificate, KEY the SHA-256 of its public key
(SubjectPublicKeyInfo), both hexadecimal. A rework adds a line and replaces the pictures.

Exit status: see touchmark-station --help. 6: units have no label.

Example:
  touchmark-station labels --config station.toml --work-order wo-000017 labels";

const REPORT_HELP: &str = "\
Exit status: see touchmark-station --help. 0 also when units failed: the report says which.

Example:
  touchmark-station report --config station.toml --units --json";

const DOCTOR_HELP: &str = "\
Exit status: see touchmark-station --help. 0 when nothing is bad, 6 when something is, 4 when the
journal is damaged.

Example:
  touchmark-station doctor --config station.toml --slots 8 --link 'tcp:bench-3:40{slot:02}'";

const COMPLETIONS_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station completions bash > /etc/bash_completion.d/touchmark-station";

const SCRAP_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station scrap --config station.toml --work-order wo-000017 --remark 'cracked lens' SN000123";

const REWORK_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station rework --config station.toml --work-order wo-000017 --remark 'new board' SN000123";

const GIVE_UP_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station give-up --config station.toml --work-order wo-000017 --remark 'torn label' SN000124";

const PROVISION_HELP: &str = "\
Links:
  exec:COMMAND    a command for each device, spoken to on its standard input and output;
                  {serial}, {product}, {slot} and {slot:02} are filled in, quotes are as in a
                  shell, and no shell takes part
  tcp:HOST:PORT   a device server; {slot}, {slot:02}, {serial} and {product} are filled in, so that
                  each fixture can have an address of its own: tcp:bench-3:40{slot:02}
  serial:PORT[:BAUD]
                  a serial port: 8N1, raw, no flow control, 115200 baud unless said otherwise, and
                  used by one program at a time. PORT is one of
                    PATH               for example /dev/ttyUSB{slot}, or better a link that keeps
                                       its name, in /dev/serial/by-id or /dev/serial/by-path
                    usb=SERIALNUMBER   the port of the USB adapter with this serial number
                    usb-path=BUS-PORT  the port of the adapter in this socket: usb-path=1-2.{slot}
                  usb=SERIALNUMBER#1 is interface 1 of an adapter with several ports. A list has
                  the ports of the slots in order: serial:usb=A50285BI,A50285BJ:921600. {slot},
                  {slot:02}, {serial} and {product} are filled in. A port that goes away is looked
                  for again, also under another name; the other slots go on meanwhile.

Modes (--mode, or `mode` in station.toml):
  scan    A barcode scanner types serial numbers, each with Enter. With one slot: insert the unit, scan
          it, go. With several, scan the slot's own code first (SLOT-03, slot 3, or `slot-codes`), or
          the next free slot is taken and shown. Nothing is begun for a scan that cannot be used; the
          reason is shown at once. Ctrl-D ends the run when the units on the bench are finished.
  device  A unit says its own serial number. The CA is asked about it before anything else.
  list    --serials, or the work order, says the units; they are on the fixtures when they are begun.
  In scan and device a fixture without a unit waits: a command that ends or says nothing (exec:), a
  refused connection (tcp:), silence. What is on a slot is asked without telling it anything, so a
  unit that is taken away, or exchanged, is noticed. A unit that is finished stays until it is taken
  away. Scan and device end when as many units have passed as the order, or --limit, allows.

  Without the CA (offline = \"allowed\", or --offline at once): the units that are reserved are locked with
  everything but their certificates; `report` shows them as deferred. Reserve before: a run with
  --keep-reservation does. Everything is checked as usual, the request as the CA will check it. A
  reservation that is over, or a clock that was set, makes no unit. When the CA answers again the line
  asks it as before, and has the certificates issued. By default a line stops without the CA.

  Three failures in a row with the same reason pause the line: mend the cause, then press Enter.
  Where standard input is no terminal, the run ends instead. What no unit can have caused stops the
  line at once: a program or host that does not exist, a refused credential, a wrong clock.

Serials:
  A plain list has one serial number a line; lines that begin with # are comments. A table has a
  header with a column of serial numbers and may have `product`; other columns are kept for the
  report. Commas, semicolons or tabs; UTF-8, or UTF-16 as spreadsheets write it. A serial number
  with a space or quotes, and a row without a digit among others with digits (a total), are
  mistakes. All mistakes are told at once, and nothing is begun. A column `slot` says the slot of a
  unit. A pipe or a terminal is read line by line as it comes: a mistake costs its line alone, is told
  at once and counted (exit status 6).
  Without --serials the units are those of the work order: its range, or its manifest.
  The CA reserves serial numbers for this station before units are told them, in blocks: no other
  station and no other order uses them. What no unit was told goes back at the end of the run.

station.toml:
  server = \"https://ca.example.com:8443\"  the CA
  credentials = \".\"         directory of cert.pem, chain.pem, trust.pem, key.pem (mode 0600)
  journal = \"DIR\"           directory of the journal; by default
                            $STATE_DIRECTORY/journal, or beside the directory of the credential,
                            with -journal behind its name
  connect-timeout-ms = 5000
                            until a connection is made or a port is open
  write-timeout-ms = 10000  until a device takes a frame
  answer-timeout-ms = 3000  a request to a device is sent again after this time
                            A serial line adds to these two the time that the bytes need.
  sends-max = 10            how often one request is sent to a device in all
  noise-bytes-max = 1048576 bytes without a whole frame among them; more end the unit
  port-patience-s = 30      how long a slot waits for its serial port when it is away, or in use by
                            another program; then the slot takes no further units in this run
  device-root = \"/\"         where sys and dev are, for usb= and usb-path=
  ca-patience-s = 60        how long a call is repeated while the CA cannot answer
  reserve-units = 500       the most units of one block, 1 to 1000; by default as the CA is configured
  reserve-hours = 12        how long units of a block may be begun, 1 to 168; by default as the CA is
                            configured
  offline = \"never\"         allowed: while the CA cannot be asked, units that are reserved are made; they get
                            their certificates later (touchmark-station reconcile, finish)
  keep-reservation = false  whether whole blocks are taken, and kept after the run (--keep-reservation)
  mode = \"scan\"             how units come: scan, device or list; --mode overrides it
  scanner = \"PATH[:BAUD]\"   a serial scanner; --scanner overrides it
  slot-codes = [\"A\", \"B\"]   barcodes of the slots 1, 2, …, beside SLOT-01, SLOT-02, …
  operator-prefix = \"OP:\"   a scan that begins so names who makes the units from then on, for the closing report
  [shifts]                  names of shifts and their local times, for the closing report; at the end of the file:
  early = \"06:00-14:00\"     they do not overlap, and may cross midnight
  confirm-slot = false      whether Enter must confirm the slot that is shown for a scan
  probe-interval-ms = 1000  how often a fixture is asked whether a unit is there
  pause-after-failures = 3  so many failures in a row with one reason pause the line; 0 never
  metrics = \"ADDRESS:PORT\"  where a run serves its figures (docs/metrics.md), in plain HTTP at
                            /metrics; a port alone is on the loopback; nowhere unless it is set
  on-fail = \"bell\"         what happens when a unit fails: the terminal's bell, or a command as a list,
                            [\"PROGRAM\", \"ARGUMENT\"], which may take 10 s; no shell takes part. It
                            is told in TOUCHMARK_SERIAL, _SLOT, _REASON, _MESSAGE, _PRODUCT and
                            _WORK_ORDER
  screen = false            whether a run is shown on the whole terminal; --screen and --plain
                            override it
  Paths are relative to the file. TOUCHMARK_STATION_SERVER, TOUCHMARK_STATION_CREDENTIALS,
  TOUCHMARK_STATION_JOURNAL, TOUCHMARK_STATION_MODE, TOUCHMARK_STATION_SCANNER and
  TOUCHMARK_STATION_METRICS override it.

Exit status: see touchmark-station --help.

Examples:
  touchmark-station provision --config station.toml --work-order wo-000017 \\
      --link 'exec:touchmark-agent factory --state devices/{serial} --stdio'
  touchmark-station provision --config station.toml --work-order wo-000017 --mode scan \\
      --slots 4 --link 'tcp:bench-3:40{slot:02}'";
