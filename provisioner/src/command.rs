//! The commands: read the arguments, make a plan, run the line, report.

mod failure;
mod plan;
mod provision;
mod report;
mod resume;
mod scrap;
mod signals;
mod survey;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cli::{Complaint, Status, completion_script, count};
use identity::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command, Output, PROGRAM};
use crate::ca::{CLOCK, Ca, advice};
use crate::config::Settings;
use crate::console::Console;
use crate::journal::{FoundJournal, Journal, JournalState, Record, RunStart, Writer};
use crate::line::{Line, SilenceMonitor, Stop, Summary};
use crate::link::LinkSpec;
use crate::progress::Progress;
use crate::report::ReportFile;
use crate::session::ProvisioningBundle;
use crate::slot::LineContext;
use crate::units::Supply;
use signals::Signals;

use failure::Failure;

/// Runs one command and returns the exit status.
///
/// # Errors
/// When the command failed as a whole. A unit that failed is a status, not an error.
pub async fn run(arguments: Arguments, console: &Console) -> Result<Status, Complaint> {
    let outcome = match arguments.command {
        Command::Provision(arguments) => provision::run(arguments, console).await,
        Command::Resume(arguments) => resume::run(arguments, console).await,
        Command::Scrap(arguments) => scrap::run(arguments, console).await,
        Command::Report(arguments) => report::run(&arguments),
        Command::Completions { shell } => {
            say(completion_script::<Arguments>(PROGRAM, shell).trim_end()).map(|()| Status::Done)
        }
    };
    outcome.map_err(|failure| failure.complaint())
}

/// What a run needs: configuration, CA and journal.
struct Station {
    settings: Settings,
    ca: Ca,
    journal: Journal,
}

impl Station {
    fn open(config: &Path, console: &Console) -> Result<Self, Failure> {
        let settings = settings(config)?;
        let ca = Ca::new(&settings.server, settings.connector.clone(), settings.ca_patience)?;
        let journal = Journal::open(&journal_directory(&settings, console)?)?;
        Ok(Self { settings, ca, journal })
    }

    /// The journal of a work order. Logs what was torn off its end.
    fn work_order(&self, work_order: &str) -> Result<(Writer, JournalState), Failure> {
        let (writer, known) = self.journal.work_order(work_order)?;
        if let Some(torn) = known.torn {
            tracing::warn!(
                torn.bytes = torn.bytes,
                "the end of the journal of {work_order} was torn and is cut; what it would have said was not acknowledged"
            );
        }
        Ok((writer, known))
    }

    /// Runs a line to its end, shows its progress, and returns the summary.
    async fn line(&self, job: Job, journal: Writer, output: &mut RunOutput) -> Result<Summary, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let since_epoch = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let start = RunStart {
            at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            link: job.link.to_string(),
            slots: job.slots,
        };
        journal.record(&Record::Run(start)).await?;
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let signals = Signals::new().map_err(Failure::Signals)?;
        let watch = tokio::spawn(signals.watch(stop.clone(), abort.clone(), output.console.clone()));
        let total = job.supply.left();
        let context = LineContext {
            work_order: job.work_order,
            bundle: job.bundle,
            link: job.link,
            ca: self.ca.clone(),
            journal,
            limits: self.settings.limits,
            clock,
            abort,
            events: None,
            silence: SilenceMonitor::default(),
        };
        let line = Line { context, supply: job.supply, slots: job.slots, known: job.known.units, stop };
        let summary = output.follow(line, total).await;
        watch.abort();
        summary
    }
}

/// One run of a line.
struct Job {
    work_order: String,
    bundle: Arc<ProvisioningBundle>,
    link: LinkSpec,
    slots: usize,
    supply: Supply,
    known: JournalState,
}

/// Where a run is shown: terminal, plain lines or JSON, and the report file.
struct RunOutput {
    json: bool,
    report: Option<ReportFile>,
    console: Console,
}

impl RunOutput {
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
            summary.stop = Some(Stop::JournalLost(format!("the report cannot be written: {error}")));
        }
        Ok(summary)
    }

    /// Prints the summary and returns the exit status.
    fn finish(&self, work_order: &str, summary: &Summary) -> Status {
        let text =
            if self.json { plan::summary_json(work_order, summary) } else { plan::summary_text(summary) };
        let results = diagnostics::results();
        results.put(format!("{text}\n").as_bytes());
        results.flush(RESULTS_MAX);
        let status = self.status(work_order, summary);
        match results.lost() {
            0 => status,
            lost => {
                let what = format!("{lost} lines could not be written to standard output");
                let next = "touchmark-station report has what became of the units";
                self.complain(Complaint::new(PROGRAM, Status::Failed, what).next(next));
                if status == Status::Done { Status::Failed } else { status }
            }
        }
    }

    /// Prints why a line stopped and returns the exit status.
    fn status(&self, work_order: &str, summary: &Summary) -> Status {
        let all_good = summary.failed() == 0 && summary.not_made() == 0 && summary.unfinished() == 0;
        let reached = if all_good { Status::Done } else { Status::NotGood };
        let complaint = match &summary.stop {
            None if summary.not_made() > 0 => {
                Complaint::new(PROGRAM, reached, not_made(work_order, summary)).next(NOT_MADE_NEXT)
            }
            None => return reached,
            // This station has done its part.
            Some(Stop::Refused { reason, message }) if reason == EXHAUSTED && summary.is_complete() => {
                self.console.complain(message);
                return reached;
            }
            Some(Stop::Refused { reason, message }) => stopped_by_the_ca(reason, message),
            Some(Stop::JournalLost(detail)) => {
                Complaint::new(PROGRAM, Status::Failed, format!("the line stopped: {detail}"))
                    .next("make room or mend the disk, then run the same command again")
            }
            Some(Stop::LinkUnusable(detail)) => {
                let what = format!("the line stopped, because the link does not work for any unit: {detail}");
                Complaint::new(PROGRAM, Status::Failed, what).next(LINK_NEXT)
            }
            Some(Stop::ClockWrong(detail)) => {
                let mut complaint =
                    Complaint::new(PROGRAM, Status::Failed, format!("the line stopped: {detail}"));
                complaint.reason = Some(CLOCK.to_owned());
                complaint.next(CLOCK_NEXT)
            }
            Some(Stop::Interrupted) => {
                let complaint = Complaint::new(PROGRAM, Status::Failed, "stopped by the operator");
                if summary.unfinished() > 0 { complaint.next(INTERRUPTED_NEXT) } else { complaint }
            }
        };
        self.complain(complaint)
    }

    fn complain(&self, complaint: Complaint) -> Status {
        self.console.complain(&complaint.text(self.json));
        complaint.status
    }
}

fn not_made(work_order: &str, summary: &Summary) -> String {
    let lost = count(summary.not_made(), "unit");
    format!("{lost} of {work_order} cannot be made: serial numbers of the order are used up outside of it")
}

/// The journal's directory. Tells the operator if the journal was moved or lies in the credential directory.
fn journal_directory(settings: &Settings, console: &Console) -> Result<PathBuf, Failure> {
    let FoundJournal { directory, moved_from, stayed } = settings.journal.locate()?;
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

fn stopped_by_the_ca(reason: &str, message: &str) -> Complaint {
    let status = failure::of_reason(reason);
    let mut complaint = Complaint::new(PROGRAM, status, format!("the line stopped: {message}"));
    complaint.reason = Some(reason.to_owned());
    complaint.next(advice(reason))
}

fn settings(config: &Path) -> Result<Settings, Failure> {
    Ok(Settings::read(config, |variable| std::env::var(variable).ok())?)
}

/// Prints a result to standard output. A closed pipe is no error.
fn say(text: &str) -> Result<(), Failure> {
    diagnostics::print(&format!("{text}\n")).map_err(Failure::Print)
}

const NOT_MADE_NEXT: &str =
    "ask for a work order with serial numbers that were never used: touchmark work-order create";

const LINK_NEXT: &str = "check --link: the command, the address, the cable; touchmark-station provision --help says what it may be";

const CLOCK_NEXT: &str = "compare `date -u` here and at the CA with another clock, set the one that is wrong, then run the same command again";

const INTERRUPTED_NEXT: &str = "the same command, or touchmark-station resume, finishes the unfinished units";

/// The CA's reason when all units of an order are made.
const EXHAUSTED: &str = "WORK_ORDER_EXHAUSTED";

/// How long the program waits at its end for whoever reads the results.
const RESULTS_MAX: Duration = Duration::from_secs(10);

/// Events that wait to be shown: two for each of 64 slots.
const EVENTS_MAX: usize = 128;
