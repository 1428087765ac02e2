//! `touchmark-ca archive`: moves old ledger files into archives, lists and verifies those.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use diagnostics::tell;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use store::archive::{
    ArchiveRecord, ArchiveSettings, Archives, Manifest, Mover, Verified, archived, archives_in,
    sealed_segments, verify,
};
use store::{LogError, StoreSettings};

use crate::arguments::{ArchivesOf, CreateArguments};

/// Why archives were not made or are not good.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nobody said where archives go.
    #[error("there is no directory for archives")]
    NoDirectory,
    /// Some are not what their manifest says. All faults were told.
    #[error("{faults} of the archives are damaged or missing")]
    Faults {
        /// Their number.
        faults: usize,
    },
    /// The directory has no manifest.
    #[error("{} has no manifest.json", .directory.display())]
    NoManifest {
        /// The directory.
        directory: PathBuf,
    },
    /// What was done could not be printed.
    #[error("cannot write to stdout")]
    Told,
    /// The ledger or an archive cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Moves segments, oldest first, and tells `moved` each archive. Returns how many ledger files are left as
/// they are, besides the last one.
///
/// # Errors
/// As the disk says. What was told is moved.
pub fn create(
    store: &StoreSettings,
    arguments: &CreateArguments,
    now: SystemTime,
    mut moved: impl FnMut(&ArchiveRecord) -> Result<(), ArchiveError>,
) -> Result<usize, ArchiveError> {
    let to = arguments.to.as_deref().or_else(|| store.archive_dir()).ok_or(ArchiveError::NoDirectory)?;
    let ledger = store.ledger();
    let mut segments = sealed_segments(&ledger)?;
    let all = segments.len();
    match arguments.older_than_days {
        Some(days) => {
            let before = now.checked_sub(DAY * days).unwrap_or(SystemTime::UNIX_EPOCH);
            segments.truncate(segments.iter().take_while(|(_, until)| *until < before).count());
        }
        None => segments.truncate(all.saturating_sub(arguments.keep_segments.unwrap_or(SEGMENTS_KEPT))),
    }
    let bytes: u64 =
        segments.iter().map(|(segment, _)| segment.path.metadata().map_or(0, |it| it.len())).sum();
    let mut progress = Progress::new(READ_FOR_EACH_BYTE * bytes, arguments.json);
    let mut mover = Mover::begin(&ledger, to, ArchiveSettings::default())?;
    for (segment, _) in &segments {
        let record = mover.move_segment(segment, &mut |bytes| progress.read(bytes))?;
        progress.hide(|| moved(&record))?;
    }
    progress.end();
    Ok(all - segments.len())
}

/// The archives of a ledger, or in a directory.
///
/// # Errors
/// When there is no manifest, or it cannot be read.
pub fn list(directory: Option<&Path>, store: Option<&StoreSettings>) -> Result<Manifest, ArchiveError> {
    match (directory, store) {
        (Some(directory), _) => archives_in(directory)?
            .ok_or_else(|| ArchiveError::NoManifest { directory: directory.to_owned() }),
        (None, Some(store)) => Ok(archived(&store.ledger())?),
        (None, None) => Ok(Manifest::default()),
    }
}

/// Verifies all archives in these directories.
///
/// # Errors
/// When a directory has no manifest. What is wrong with an archive is in the answer.
pub fn verify_all(directories: &[PathBuf], json: bool) -> Result<Verified, ArchiveError> {
    let mut all = Verified::default();
    for directory in directories {
        let manifest = list(Some(directory), None)?;
        let bytes = manifest.archives().iter().map(|record| record.segment_bytes).sum();
        let mut progress = Progress::new(bytes, json);
        let verified = verify(directory, &mut |bytes| progress.read(bytes))?;
        progress.end();
        all.archives += verified.archives;
        all.entries += verified.entries;
        all.bytes += verified.bytes;
        all.segment_bytes += verified.segment_bytes;
        // Archives in several directories are of one ledger; only one of them has the first entry.
        all.root = if directories.len() == 1 { verified.root } else { None };
        all.faults.extend(verified.faults);
    }
    Ok(all)
}

/// The directories in which the archives of a ledger are.
///
/// # Errors
/// When its manifest cannot be read.
pub fn directories_of(store: &StoreSettings) -> Result<Vec<PathBuf>, ArchiveError> {
    let archives = Archives::of(&store.ledger(), store.archive_dir().map(Path::to_owned))?;
    let paths = archives.manifest();
    let paths = paths.archives().iter().map(|record| archives.path_of(record));
    let mut directories: Vec<_> = paths.filter_map(|path| path.parent().map(Path::to_owned)).collect();
    directories.sort_unstable();
    directories.dedup();
    Ok(directories)
}

/// Where the archives of these arguments are: the directory, or the settings of its ledger.
pub fn place<'a, E>(
    of: Option<ArchivesOf<'a>>,
    read: impl FnOnce(&Path) -> Result<StoreSettings, E>,
) -> Result<(Option<&'a Path>, Option<StoreSettings>), E> {
    match of {
        Some(ArchivesOf::Directory(directory)) => Ok((Some(directory), None)),
        Some(ArchivesOf::Config(config)) => Ok((None, Some(read(config)?))),
        None => Ok((None, None)),
    }
}

/// An archive, for people.
pub fn line(record: &ArchiveRecord) -> String {
    let time = |at: &Option<String>| at.as_deref().map_or("?", |at| at.get(..10).unwrap_or(at)).to_owned();
    format!(
        "{}  entries {} to {}, {} to {}, {} of {} bytes",
        record.directory.join(&record.file).display(),
        record.first_entry,
        record.next().saturating_sub(1),
        time(&record.first_at),
        time(&record.last_at),
        record.bytes,
        record.segment_bytes,
    )
}

/// An archive, for programs. Numbers of entries are text, as everywhere.
pub fn object(record: &ArchiveRecord) -> Value {
    json!({
        "file": record.directory.join(&record.file),
        "first_entry": record.first_entry.to_string(),
        "last_entry": record.next().saturating_sub(1).to_string(),
        "first_at": record.first_at,
        "last_at": record.last_at,
        "bytes": record.bytes,
        "sha256": record.sha256,
        "ledger_file": record.segment,
        "ledger_bytes": record.segment_bytes,
        "ledger_sha256": record.segment_sha256,
    })
}

/// A bar on a terminal; a line now and then elsewhere; nothing for programs.
struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
    told: Instant,
    read: u64,
    total: u64,
}

impl Progress {
    fn new(total: u64, json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !json).then(|| {
            let style =
                ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} to go");
            let bar = ProgressBar::with_draw_target(Some(total), diagnostics::draw_target());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { lines: bar.is_none() && !json, bar, told: Instant::now(), read: 0, total }
    }

    fn read(&mut self, bytes: u64) {
        self.read += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.read);
        } else if self.lines && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            let percent = self.read.saturating_mul(100) / self.total.max(1);
            tell(&format!("touchmark-ca: {percent} % read"));
        }
    }

    /// Prints something between two states of the bar.
    fn hide<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Complete ledger files that stay as they are unless another number is said: what is read often is new.
const SEGMENTS_KEPT: usize = 8;

/// A segment is checked, compressed and compared.
const READ_FOR_EACH_BYTE: u64 = 3;

const DAY: Duration = Duration::from_secs(86_400);

const LINE_EVERY: Duration = Duration::from_secs(2);
