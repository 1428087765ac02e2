//! The commands: read the arguments, make a plan, run the line, report.

mod doctor;
mod failure;
mod finish;
mod intake;
mod job;
mod labels;
mod limits;
mod order;
mod output;
mod plan;
mod provision;
mod reconcile;
mod report;
mod resume;
mod signals;
mod summary;
mod survey;
mod unit_end;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cli::{Complaint, Status, completion_script};
use identity::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command, PROGRAM};
use crate::ca::Ca;
use crate::config::Settings;
use crate::console::Console;
use crate::crew::Crew;
use crate::journal::{FoundJournal, Journal, JournalState, Record, RunStart, Writer, known, work_orders};
use crate::line::{Intake, Line, Pausing, SilenceMonitor, Summary};
use crate::link::damage_pause;
use crate::metrics::{Exporter, Figures};
use crate::mode::Mode;
use crate::offline::{self, Deferrals, Offline};
use crate::report::milliseconds;
use crate::scan::{Keyboard, is_at_the_keyboard};
use crate::session::{Limits, Refusal};
use crate::slot::{LineContext, OrderWatch};
use crate::stock::{ReserveTerms, Stock};
use failure::Failure;
use job::Job;
use output::RunOutput;
use signals::Signals;
use unit_end::UnitEnd;

/// Runs one command and returns the exit status.
///
/// # Errors
/// When the command failed as a whole. A unit that failed is a status, not an error.
pub async fn run(arguments: Arguments, console: &Console) -> Result<Status, Complaint> {
    let outcome = match arguments.command {
        Command::Provision(arguments) => provision::run(arguments, console).await,
        Command::Resume(arguments) => resume::run(arguments, console).await,
        Command::Scrap(arguments) => unit_end::run(UnitEnd::Scrap, arguments, console).await,
        Command::Rework(arguments) => unit_end::run(UnitEnd::Rework, arguments, console).await,
        Command::GiveUp(arguments) => unit_end::run(UnitEnd::GiveUp, arguments, console).await,
        Command::Reconcile(arguments) => reconcile::run(arguments, console).await,
        Command::Finish(arguments) => finish::run(arguments, console).await,
        Command::Labels(arguments) => labels::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Completions { shell } => {
            say(completion_script::<Arguments>(PROGRAM, shell).trim_end()).map(|()| Status::Done)
        }
    };
    outcome.map_err(|failure| failure.complaint())
}

struct Station {
    settings: Settings,
    ca: Ca,
    journal: Journal,
    crew: Crew,
    figures: Figures,
}

impl Station {
    fn open(config: &Path, console: &Console) -> Result<Self, Failure> {
        let settings = settings(config)?;
        let figures = Figures::new();
        let ca = Ca::new(&settings.server, settings.connector.clone(), settings.ca_patience)?;
        let journal = Journal::open(&journal_directory(&settings, console)?)?;
        let crew = Crew::new(settings.shifts.clone(), Arc::new(SystemClock));
        let (ca, journal) =
            (ca.with_figures(figures.ca.clone()), journal.counting(figures.journal_syncs.clone()));
        Ok(Self { settings, ca, journal, crew, figures })
    }

    /// With whoever works from the beginning.
    fn operated_by(self, operator: Option<&str>) -> Self {
        if let Some(operator) = operator {
            self.crew.set_operator(operator);
        }
        self
    }

    /// The journal of a work order. Logs what was torn off its end.
    fn work_order(&self, work_order: &str) -> Result<(Writer, JournalState), Failure> {
        let (writer, known) = self.journal.work_order(work_order)?;
        if known.torn_bytes > 0 {
            tracing::warn!(
                torn.bytes = known.torn_bytes,
                "the end of the journal of {work_order} was torn and is cut; what it would have said was not acknowledged"
            );
        }
        Ok((writer, known))
    }

    /// Runs a line to its end, shows its progress, and returns the summary.
    async fn line(
        &self,
        job: Job,
        terms: ReserveTerms,
        journal: Writer,
        output: &mut RunOutput,
    ) -> Result<Summary, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let since_epoch = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        // `resume` opens the links by itself. Where people insert the units, only they know which is where.
        let link = if job.mode.waits_for_units() { String::new() } else { job.link.to_string() };
        let start = RunStart { at_ms: milliseconds(since_epoch), link, slots: job.slots };
        let deferrals = self.deferrals(&job, &clock)?;
        if self.ca.is_away() {
            deferrals.check_clock().map_err(|detail| Failure::ClockWrong { detail })?;
        }
        journal.record(&Record::Run(start)).await?;
        let parts = (self.ca.clone(), journal.clone(), Arc::clone(&clock));
        let stock = Stock::new(parts, &job.work_order, terms, &job.known, job.first.into_iter(), job.room);
        self.figures.reserve(stock.in_hand_at_any_time());
        if self.ca.is_away() {
            output.console.complain("the CA is not asked: units are made that are reserved already");
        } else {
            reserve_before(&stock, &job.mode).await?;
        }
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let signals = Signals::new().map_err(Failure::Signals)?;
        let watch = tokio::spawn(signals.watch(stop.clone(), abort.clone(), output.console.clone()));
        let total = Some(job.supply.left).filter(|left| *left < u64::MAX);
        let bench = &self.settings.bench;
        let damage_pause = damage_pause(job.link.speed());
        let context = LineContext {
            work_order: job.work_order,
            product: job.product,
            bundle: job.bundle,
            link: job.link,
            link_limits: self.settings.link_limits.clone(),
            ca: self.ca.clone(),
            crew: self.crew.clone(),
            journal,
            stock,
            deferrals,
            order: OrderWatch::default(),
            finishes: job.finishes,
            limits: Limits { damage_pause, ..self.settings.limits },
            clock,
            stop: stop.clone(),
            abort,
            events: None,
            silence: SilenceMonitor::default(),
            mode: job.mode,
            probe_interval: bench.probe_interval,
            figures: self.figures.clone(),
        };
        let pausing = Pausing {
            after_failures: bench.pause_after_failures,
            can_pause: job.can_pause && is_at_the_keyboard(),
        };
        let (supply, intake, slots, known) = (job.supply, job.intake, job.slots, job.known.units);
        // Where units are scanned, the keyboard is taken already.
        let is_scanned = matches!(intake, Intake::Scans(_));
        let wants_keys = output.shows_screen() && pausing.can_pause;
        let keyboard =
            if wants_keys && !is_scanned { Keyboard::take().map_err(Failure::Scanner)? } else { None };
        let reads_keys = wants_keys && (is_scanned || keyboard.is_some());
        let line = Line { context, supply, intake, slots, known, stop, pausing, operator: None };
        let _exporter = self.exporter(&output.console).await;
        let summary = output.follow(line, total, &self.figures, reads_keys).await;
        drop(keyboard);
        watch.abort();
        summary
    }
}

impl Station {
    /// Who may be made without the CA. All journals say which keys there are.
    fn deferrals(&self, job: &Job, clock: &Arc<dyn Clock>) -> Result<Deferrals, Failure> {
        let mut keys = BTreeMap::new();
        if job.offline == Offline::Allowed {
            for other in work_orders(&self.journal.directory)? {
                let known = known(&self.journal.directory, &other)?;
                keys.append(&mut offline::keys(
                    known.units.iter().map(|(device, unit)| (device, &unit.progress)),
                ));
            }
        }
        let latest = job.known.latest.unwrap_or(std::time::UNIX_EPOCH);
        Ok(Deferrals::new(job.offline, Arc::clone(clock), latest, keys))
    }
}

/// Returns what is over, and takes a block for a line that may lose the CA.
async fn reserve_before(stock: &Stock, mode: &Mode) -> Result<(), Failure> {
    stock.give_back(true).await.map_err(Failure::Stock)?;
    if stock.keeps() && mode.waits_for_units() {
        match stock.stock_up().await {
            Err(error) if error.refusal().is_some_and(Refusal::is_about_the_order) => {
                tracing::warn!("no units are reserved ahead: {error}");
            }
            stocked => stocked.map_err(Failure::Stock)?,
        }
    }
    Ok(())
}

impl Station {
    /// Serves the figures, if the configuration says where. A line does not need them to run.
    async fn exporter(&self, console: &Console) -> Option<Exporter> {
        let address = self.settings.metrics?;
        match Exporter::start(address, self.figures.clone()).await {
            Ok(exporter) => Some(exporter),
            Err(error) => {
                console.complain(&format!(
                    "the metrics are not served at {address}: {error}; the line runs without them (`metrics` in station.toml)"
                ));
                None
            }
        }
    }
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

fn settings(config: &Path) -> Result<Settings, Failure> {
    Ok(Settings::read(config, |variable| std::env::var(variable).ok())?)
}

/// Prints a result to standard output. A closed pipe is no error.
fn say(text: &str) -> Result<(), Failure> {
    diagnostics::print(&format!("{text}\n")).map_err(Failure::Print)
}
