//! How the units of a run come: from the arguments, the configuration and what standard input is.

use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};
use rustix::stdio::stdin;

use super::Failure;
use crate::arguments::ProvisionArguments;
use crate::config::BenchSettings;
use crate::line::Intake;
use crate::mode::Mode;
use crate::scan::{Input, Keyboard, ScannerPort};

/// Where the units of a run come from.
pub(super) enum Source {
    /// The work order's range or manifest.
    Order,
    /// A list that is there as a whole.
    List(List),
    /// A list that is read line by line.
    Rows {
        list: List,
        input: Input,
    },
    Scans,
    Devices,
}

/// The line's own list.
pub(super) struct List {
    pub(super) path: PathBuf,
    /// Not yet parsed; empty where the list is read line by line.
    pub(super) content: Vec<u8>,
    pub(super) column: Option<String>,
}

/// How units come. The command line wins over the configuration, and `--serials` means a list.
pub(super) fn mode(arguments: &ProvisionArguments, bench: &BenchSettings) -> Result<Mode, Failure> {
    let mode = match (arguments.mode, &arguments.serials, &arguments.scanner) {
        (Some(mode), _, _) => mode,
        (None, Some(_), _) => Mode::List,
        (None, None, Some(_)) => Mode::Scan,
        (None, None, None) => bench.mode.unwrap_or_else(usual_mode),
    };
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    match mode {
        Mode::Scan | Mode::Device if arguments.serials.is_some() => {
            usage("--serials is a list, and goes with --mode list only")
        }
        Mode::Device | Mode::List if arguments.scanner.is_some() => {
            usage("--scanner goes with --mode scan only")
        }
        Mode::Device if arguments.link.to_string().contains("{serial}") => usage(
            "--mode device asks a unit for its serial number: a link with {serial} cannot be opened before; use {slot}",
        ),
        mode => Ok(mode),
    }
}

/// People are at a terminal; scripts have none.
fn usual_mode() -> Mode {
    if std::io::stdin().is_terminal() { Mode::Scan } else { Mode::List }
}

impl Source {
    /// Reads a list, or begins to.
    pub(super) fn open(arguments: &ProvisionArguments, mode: Mode) -> Result<Self, Failure> {
        let path = match (mode, &arguments.serials) {
            (Mode::Scan, _) => return Ok(Self::Scans),
            (Mode::Device, _) => return Ok(Self::Devices),
            (Mode::List, None) => return Ok(Self::Order),
            (Mode::List, Some(path)) => path.clone(),
        };
        let refused = |source| Failure::ListFile { path: path.clone(), source };
        let column = arguments.column.clone();
        if !arguments.dry_run && comes_line_by_line(&path) {
            let input = if is_stdin(&path) { Input::stdin() } else { Input::file(path.clone()) };
            let input = input.map_err(refused)?;
            return Ok(Self::Rows { list: List { path, content: Vec::new(), column }, input });
        }
        let content = cli::read_file(&path, lists::LIST_BYTES_MAX).map_err(refused)?;
        Ok(Self::List(List { path, content, column }))
    }
}

impl List {
    /// Whether the keyboard is free for other things.
    pub(super) fn leaves_the_keyboard(&self) -> bool {
        !is_stdin(&self.path)
    }
}

/// Opens what people scan with, if units are scanned. The terminal is set back when the value is dropped.
pub(super) fn open_scanners(
    intake: &mut Intake,
    scanner: Option<ScannerPort>,
) -> Result<Option<Keyboard>, Failure> {
    let Intake::Scans(scans) = intake else { return Ok(None) };
    let keyboard = Keyboard::take().map_err(Failure::Scanner)?;
    if keyboard.is_some() || scanner.is_none() {
        scans.inputs.push((Input::stdin().map_err(Failure::Scanner)?, keyboard.is_some()));
    }
    if let Some(scanner) = scanner {
        scanner.may_be_a_port().map_err(Failure::Usage)?;
        scans.inputs.push((Input::scanner(scanner), false));
    }
    Ok(keyboard)
}

fn is_stdin(path: &Path) -> bool {
    path.to_str() == Some("-")
}

/// Whether a list is a pipe, a socket or a terminal: its end may be far away.
fn comes_line_by_line(path: &Path) -> bool {
    if is_stdin(path) {
        let kind = fstat(stdin()).map(|stat| FileType::from_raw_mode(stat.st_mode));
        return std::io::stdin().is_terminal()
            || kind.is_ok_and(|kind| matches!(kind, FileType::Fifo | FileType::Socket));
    }
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo() || found.file_type().is_socket())
}
