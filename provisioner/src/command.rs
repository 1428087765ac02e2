//! The commands: read what is asked, make a plan, run the line, tell what became of it.

mod failure;
mod plan;
mod provision;
mod report;
mod resume;
mod scrap;
mod status;
mod survey;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command, Output};
use crate::ca::{Ca, advice};
use crate::config::Settings;
use crate::console::Console;
use crate::journal::{Journal, Known, Record, RunStart, Settled, Writer};
use crate::line::{Line, Stop, Summary};
use crate::link::LinkSpec;
use crate::progress::Progress;
use crate::report::ReportFile;
use crate::session::Kit;
use crate::slot::Bench;
use crate::units::Supply;

pub use failure::Failure;

/// Runs one command and returns the exit status.
///
/// # Errors
/// When it failed as a whole: exit status [`Failure::exit_status`].
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
    fn open(config: &Path, console: &Console) -> Result<Self, Failure> {
        let settings = settings(config)?;
        let ca = Ca::new(&settings.server, settings.connector.clone(), settings.ca_patience)?;
        let journal = Journal::open(&settled(&settings, console)?)?;
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
        let watch = tokio::spawn(watch_signals(stop.clone(), cut.clone(), output.console.clone()));
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
            events: None,
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
        say(&text);
        let summary_status =
            if summary.failed() > 0 || summary.not_made() > 0 { status::NOT_ALL_GOOD } else { status::DONE };
        let Some(stop) = &summary.stop else {
            if summary.not_made() > 0 {
                self.console.error(&not_made(work_order, summary), Some(NOT_MADE_NEXT));
            }
            return summary_status;
        };
        match stop {
            // The order is complete, and this station has done its part.
            // This station has done its part.
            Stop::Refused { reason, message } if reason == EXHAUSTED && summary.is_complete() => {
                self.console.complain(message);
                summary_status
            }
            Stop::Refused { reason, message } => {
                self.console.error(&format!("the line stopped: {message} ({reason})"), Some(advice(reason)));
                failure::of_refusal(reason)
            }
            Stop::JournalLost { detail } => {
                self.console.error(&format!("the line stopped: {detail}"), None);
                status::FAILED
            }
            Stop::LinkUnusable { detail } => {
                let what = format!("the line stopped, for no unit can have caused this: {detail}");
                self.console.error(&what, Some(LINK_NEXT));
                status::FAILED
            }
            Stop::Interrupted => {
                let next = (summary.unfinished() > 0).then_some(INTERRUPTED_NEXT);
                self.console.error("stopped by the operator", next);
                status::NOT_ALL_GOOD
            }
        }
    }
}

/// A number of things in words: `1 unit`, `2 units`.
fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn not_made(work_order: &str, summary: &Summary) -> String {
    let lost = count(summary.not_made(), "unit");
    format!("{lost} of {work_order} cannot be made: serial numbers of the order are used up outside of it")
}

/// Where the journal lies, with what people must know about it told.
fn settled(settings: &Settings, console: &Console) -> Result<PathBuf, Failure> {
    let Settled { directory, moved_from, stayed } = settings.journal.settle()?;
    if let Some(former) = moved_from {
        let (former, directory) = (former.display(), directory.display());
        console.complain(&format!(
            "the journal was moved from {former} to {directory}, apart from the credential"
        ));
    }
    let credentials = settings.credentials.canonicalize().unwrap_or_else(|_| settings.credentials.clone());
    let whole = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    if stayed.is_some() || whole.starts_with(&credentials) {
        let why = stayed.map(|error| format!(" (it cannot be moved: {error})")).unwrap_or_default();
        tracing::warn!(
            "the journal {} lies in the credential directory{why}: whoever replaces that directory loses it; stop the station, move \
             it elsewhere, and name the place with `journal` in the configuration",
            directory.display()
        );
    }
    Ok(directory)
}

fn settings(config: &Path) -> Result<Settings, Failure> {
    Ok(Settings::read(config, |variable| std::env::var(variable).ok())?)
}

/// The first Ctrl-C or SIGTERM stops the line, the second cuts the units off.
async fn watch_signals(stop: CancellationToken, cut: CancellationToken, console: Console) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    for (token, text) in [(stop, STOPPING), (cut, CUTTING_OFF)] {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        console.complain(text);
        token.cancel();
    }
}

/// To standard output. A reader that has gone away is nobody to tell.
fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").ok();
}

const NOT_MADE_NEXT: &str =
    "ask for a work order with serial numbers that were never used: touchmark work-order create";

const LINK_NEXT: &str = "check --link: the command, the address, the cable; touchmark-station provision --help says what it may be";

const INTERRUPTED_NEXT: &str =
    "what was under way is finished by the same command or by: touchmark-station resume";

/// The CA's reason when all units of an order are made.
const EXHAUSTED: &str = "WORK_ORDER_EXHAUSTED";

/// After the first Ctrl-C.
const STOPPING: &str =
    "stopping: the units on the bench are finished, no others are begun; once more cuts them off";

/// After the second.
const CUTTING_OFF: &str = "cutting off the units on the bench";

/// Events that wait to be shown: two for each of 64 slots.
const EVENTS_MAX: usize = 128;
