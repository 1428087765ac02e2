//! The commands: read what is asked, make a plan, run the line, tell what became of it.

mod plan;
mod provision;
mod report;
mod resume;
mod scrap;
mod signals;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command, Output};
use crate::ca::{Ca, CaError, advice};
use crate::config::{ConfigError, Settings};
use crate::console::Console;
use crate::journal::{Journal, JournalError, Known, Record, RunStart, Writer};
use crate::line::{Line, Stop, Summary};
use crate::link::{LinkSpec, LinkSpecError};
use crate::progress::Progress;
use crate::report::ReportFile;
use crate::session::Kit;
use crate::slot::Bench;
use crate::units::{ListError, PatternError, Supply};
use signals::Signals;

/// Runs one command and returns the exit status.
///
/// # Errors
/// When it failed as a whole: exit status 1.
pub async fn run(arguments: Arguments, console: &Console) -> Result<u8, Failure> {
    match arguments.command {
        Command::Provision(arguments) => provision::run(arguments, console).await,
        Command::Resume(arguments) => resume::run(arguments, console).await,
        Command::Scrap(arguments) => scrap::run(arguments, console).await,
        Command::Report(arguments) => report::run(&arguments),
    }
}

/// What a run needs of the outside.
struct Station {
    settings: Settings,
    ca: Ca,
    journal: Journal,
}

impl Station {
    fn open(config: &Path) -> Result<Self, Failure> {
        let settings = settings(config)?;
        let ca = Ca::new(&settings.server, settings.connector.clone(), settings.ca_patience)?;
        let journal = Journal::open(&settings.journal)?;
        Ok(Self { settings, ca, journal })
    }

    /// The journal of a work order, with what was torn off its end told.
    fn work_order(&self, work_order: &str) -> Result<(Writer, Known), Failure> {
        let (writer, known) = self.journal.work_order(work_order)?;
        if let Some(torn) = known.torn {
            tracing::warn!(
                torn.bytes = torn.bytes,
                "the end of the journal of {work_order} was torn and is cut; what it would have said was not acknowledged"
            );
        }
        Ok((writer, known))
    }

    /// Runs a line to its end, shows it, and returns what became of it.
    async fn line(&self, job: Job, journal: Writer, output: &mut Shown) -> Result<Summary, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let since_epoch = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let start = RunStart {
            at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            link: job.link.to_string(),
            slots: job.slots,
        };
        journal.record(&Record::Run(start)).await?;
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let signals = Signals::new().map_err(Failure::Signals)?;
        let watch = tokio::spawn(signals.watch(stop.clone(), cut.clone(), output.console.clone()));
        let total = job.supply.left();
        let bench = Bench {
            work_order: job.work_order,
            kit: job.kit,
            link: job.link,
            ca: self.ca.clone(),
            journal,
            limits: self.settings.limits,
            clock,
            cut,
        };
        let line = Line { bench, supply: job.supply, slots: job.slots, known: job.known.units, stop };
        let summary = output.follow(line, total).await;
        watch.abort();
        summary
    }
}

/// One run of a line.
struct Job {
    work_order: String,
    kit: Arc<Kit>,
    link: LinkSpec,
    slots: usize,
    supply: Supply,
    known: Known,
}

/// Where a run is told: terminal, plain lines or JSON, and the report file.
struct Shown {
    json: bool,
    report: Option<ReportFile>,
    console: Console,
}

impl Shown {
    fn open(output: &Output, console: &Console) -> Result<Self, Failure> {
        let report = output.report.as_deref().map(|path| {
            ReportFile::open(path).map_err(|source| Failure::Report { path: path.to_owned(), source })
        });
        Ok(Self { json: output.json, report: report.transpose()?, console: console.clone() })
    }

    async fn follow(&mut self, line: Line, total: u64) -> Result<Summary, Failure> {
        let mut progress = Progress::new(self.json, line.slots, total, &self.console);
        let (events, mut happened) = tokio::sync::mpsc::channel(EVENTS_MAX);
        let stop = line.stop.clone();
        let running = tokio::spawn(line.run(events));
        let mut report_lost = None;
        while let Some(event) = happened.recv().await {
            if let (crate::line::LineEvent::Ended(report), Some(file)) = (&event, &mut self.report)
                && let Err(error) = file.add(report)
            {
                tracing::error!(%error, "the report cannot be written, the line stops");
                stop.cancel();
                report_lost = Some(error);
            }
            progress.show(&event);
        }
        progress.finish();
        let mut summary = running.await.map_err(|error| Failure::Line(error.to_string()))?;
        if let Some(error) = report_lost {
            summary.stop =
                Some(Stop::JournalLost { detail: format!("the report cannot be written: {error}") });
        }
        Ok(summary)
    }

    /// Tells what became of a run and returns the exit status.
    fn finish(&self, work_order: &str, summary: &Summary) -> u8 {
        let text =
            if self.json { plan::summary_json(work_order, summary) } else { plan::summary_text(summary) };
        let results = diagnostics::results();
        results.put(format!("{text}\n").as_bytes());
        results.flush(RESULTS_MAX);
        let status = self.status(summary);
        match results.lost() {
            0 => status,
            lost => {
                self.console.complain(&format!(
                    "error: {lost} lines could not be written to standard output; `touchmark-station report` has what became of the units"
                ));
                if status == 0 { 1 } else { status }
            }
        }
    }

    /// Tells why a line stopped and returns the exit status.
    fn status(&self, summary: &Summary) -> u8 {
        match &summary.stop {
            Some(Stop::Refused { reason, message }) => {
                self.console
                    .complain(&format!("the line stopped: {message} ({reason})\n  {}", advice(reason)));
                4
            }
            Some(Stop::JournalLost { detail }) => {
                self.console.complain(&format!("the line stopped: {detail}"));
                4
            }
            Some(Stop::Interrupted) => {
                if summary.unfinished() > 0 {
                    self.console.complain(
                        "cut off; what was under way is finished by the same command or by: touchmark-station resume",
                    );
                }
                5
            }
            None if summary.failed() > 0 => 3,
            None => 0,
        }
    }
}

fn settings(config: &Path) -> Result<Settings, Failure> {
    Ok(Settings::read(config, |variable| std::env::var(variable).ok())?)
}

/// Prints a result. A reader that has gone away is nobody to tell.
fn say(text: &str) -> Result<(), Failure> {
    diagnostics::print(&format!("{text}\n")).map_err(Failure::Print)
}

/// Why a command failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The address of the CA cannot be used.
    #[error("the address of the CA cannot be used")]
    Address(#[from] tonic::transport::Error),
    /// The CA does not give the work order.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The list of serials has mistakes.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list of serials cannot be read.
    #[error("the list {path} cannot be read")]
    ListFile {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The report cannot be written.
    #[error("the report {path} cannot be written")]
    Report {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The link cannot be used for a device.
    #[error(transparent)]
    Link(#[from] LinkSpecError),
    /// The work order's range cannot be read.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The work order cannot be worked to as asked.
    #[error("{0}")]
    WorkOrder(String),
    /// The system does not let us take signals.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A result cannot be written.
    #[error("standard output cannot be written")]
    Print(#[source] std::io::Error),
    /// The line itself broke.
    #[error("the line broke: {0}")]
    Line(String),
}

/// How long the end waits for whoever reads the results.
const RESULTS_MAX: Duration = Duration::from_secs(10);

/// Events that wait to be shown: two for each of 64 slots.
const EVENTS_MAX: usize = 128;
