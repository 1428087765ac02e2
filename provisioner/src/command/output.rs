//! Shows a run while it goes on, reports it, and says why it stopped.

use std::time::Duration;

use cli::{Complaint, Status, count};
use proto::v1::Reason;
use tokio::sync::mpsc::channel;
use tokio::time::Instant;

use super::{Failure, labels, summary};
use crate::arguments::{Output, PROGRAM};
use crate::ca::{CLOCK, advice, exit_status};
use crate::config::BenchSettings;
use crate::console::Console;
use crate::labels::Labels;
use crate::line::{Line, LineEvent, Operator, Stop, Summary};
use crate::metrics::Figures;
use crate::on_fail::{Alarm, OnFail};
use crate::progress::Progress;
use crate::report::{ReportFile, UnitOutcome, UnitReport};
use crate::screen::{self, View};

pub(super) struct RunOutput {
    json: bool,
    shows_screen: bool,
    report: Option<ReportFile>,
    labels: Option<Labels>,
    on_fail: OnFail,
    pub(super) console: Console,
}

impl RunOutput {
    pub(super) fn open(output: &Output, bench: &BenchSettings, console: &Console) -> Result<Self, Failure> {
        let report = output.report.as_deref().map(|path| {
            ReportFile::open(path).map_err(|source| Failure::Report { path: path.to_owned(), source })
        });
        let labels = output.labels.as_deref().map(Labels::open).transpose()?;
        let shows_screen = (output.screen || (bench.has_screen && !output.plain)) && !output.json;
        let shows_screen = shows_screen
            && screen::why_not()
                .inspect(|why| {
                    console.complain(&format!("no screen is shown, because {why}; plain lines follow"))
                })
                .is_none();
        Ok(Self {
            json: output.json,
            shows_screen,
            report: report.transpose()?,
            labels,
            on_fail: bench.on_fail.clone(),
            console: console.clone(),
        })
    }

    pub(super) fn shows_screen(&self) -> bool {
        self.shows_screen
    }

    /// Runs a line. `reads_keys`: the keyboard is there for the screen.
    pub(super) async fn follow(
        &mut self,
        mut line: Line,
        total: Option<u64>,
        figures: &Figures,
        reads_keys: bool,
    ) -> Result<Summary, Failure> {
        figures.begin(line.slots);
        let (asked, requests) = channel(REQUESTS_MAX);
        let mut progress = if self.shows_screen {
            line.operator = Some(Operator { requests, reads_keys });
            Progress::on_screen(view(&line, total).with_keys(reads_keys), &self.console)
        } else {
            Progress::new(self.json, line.slots, total, &self.console)
        };
        let (work_order, mut alarm) =
            (line.context.work_order.clone(), Alarm::new(&self.on_fail, &self.console));
        let (events, mut happened) = channel(EVENTS_MAX);
        let stop = line.stop.clone();
        let running = tokio::spawn(line.run(events));
        let mut lost = None;
        let mut is_stopping = false;
        loop {
            let event = tokio::select! {
                event = happened.recv() => event,
                () = progress.is_due() => {
                    progress.draw();
                    continue;
                }
                () = stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    progress.stop();
                    continue;
                }
            };
            let Some(event) = event else { break };
            if let LineEvent::Key(key) = event
                && let Some(request) = progress.press(key)
            {
                // A key that is held down repeats faster than requests are carried out.
                asked.try_send(request).ok();
            }
            if let LineEvent::Ended(report) = &event {
                if let Err(what) = self.keep(report) {
                    tracing::error!("{what}, the line stops");
                    stop.cancel();
                    lost = Some(what);
                }
                if report.outcome == UnitOutcome::Failed {
                    alarm.call(&work_order, report);
                }
            }
            figures.see(&event);
            progress.show(&event);
        }
        progress.finish();
        drop(progress);
        alarm.end().await;
        let mut summary = running.await.map_err(|error| Failure::Line(error.to_string()))?;
        if let Some(what) = lost {
            summary.stop = Some(Stop::JournalLost(what));
        }
        Ok(summary)
    }

    /// Writes a unit to the report and the labels. The error says what cannot be written.
    fn keep(&mut self, report: &UnitReport) -> Result<(), String> {
        if let Some(file) = &mut self.report {
            file.add(report).map_err(|error| format!("the report cannot be written: {error}"))?;
        }
        let Some(labels) = self.labels.as_mut().filter(|_| report.outcome == UnitOutcome::Passed) else {
            return Ok(());
        };
        match &report.label {
            Some(label) => labels.add(label).map(drop).map_err(|error| diagnostics::error_chain(&error)),
            None => {
                self.console.complain(&format!("{} has no label: {}", report.device, labels::NOT_HERE));
                Ok(())
            }
        }
    }

    pub(super) fn finish(&self, work_order: &str, summary: &Summary) -> Status {
        let text = if self.json { summary::json(work_order, summary) } else { summary::text(summary) };
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

    fn status(&self, work_order: &str, summary: &Summary) -> Status {
        let all_good = summary.failed() == 0
            && summary.not_made() == 0
            && summary.unfinished() == 0
            && summary.list_mistakes == 0;
        let reached = if all_good { Status::Done } else { Status::NotGood };
        let complaint = match &summary.stop {
            None if summary.not_made() > 0 => {
                Complaint::new(PROGRAM, reached, not_made(work_order, summary)).next(NOT_MADE_NEXT)
            }
            None => return reached,
            // This station has done its part.
            Some(Stop::Refused { reason, message })
                if *reason == Reason::WorkOrderExhausted.as_str_name() && summary.is_complete() =>
            {
                self.console.complain(message);
                return reached;
            }
            Some(Stop::Refused { reason, message }) => {
                let what = format!("the line stopped: {message}");
                let complaint = Complaint::new(PROGRAM, exit_status(reason), what).next(advice(reason));
                Complaint { reason: Some(reason.clone()), ..complaint }
            }
            Some(Stop::JournalLost(detail)) => {
                Complaint::new(PROGRAM, Status::Failed, format!("the line stopped: {detail}"))
                    .next("make room or mend the disk, then run the same command again")
            }
            Some(Stop::LinkUnusable(detail)) => {
                let what = format!("the line stopped, because the link does not work for any unit: {detail}");
                Complaint::new(PROGRAM, Status::Failed, what).next(LINK_NEXT)
            }
            Some(Stop::ClockWrong(detail)) => {
                let complaint =
                    Complaint::new(PROGRAM, Status::Failed, format!("the line stopped: {detail}"));
                Complaint { reason: Some(CLOCK.to_owned()), ..complaint.next(CLOCK_NEXT) }
            }
            Some(Stop::SameFailure(detail)) => {
                Complaint::new(PROGRAM, Status::Failed, format!("the line stopped: {detail}")).next(SAME_NEXT)
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

fn view(line: &Line, total: Option<u64>) -> View {
    let (work_order, product) = (line.context.work_order.clone(), line.context.product.to_string());
    View::new(work_order, product, line.slots, total, Instant::now())
}

fn not_made(work_order: &str, summary: &Summary) -> String {
    let lost = count(summary.not_made(), "unit");
    format!("{lost} of {work_order} cannot be made: serial numbers of the order are used up outside of it")
}

const NOT_MADE_NEXT: &str =
    "ask for a work order with serial numbers that were never used: touchmark work-order create";

const LINK_NEXT: &str = "check --link: the command, the address, the cable; touchmark-station provision --help says what it may be";
const CLOCK_NEXT: &str = "compare `date -u` here and at the CA with another clock, set the one that is wrong, then run the same command again";
const SAME_NEXT: &str = "mend the cause, then run the same command again; `pause-after-failures` in station.toml says how many failures stop the line";
const INTERRUPTED_NEXT: &str = "the same command, or touchmark-station resume, finishes the unfinished units";

/// How long the program waits at its end for whoever reads the results.
const RESULTS_MAX: Duration = Duration::from_secs(10);

/// Requests of the operator that wait.
const REQUESTS_MAX: usize = 4;

/// Events that wait to be shown: two for each of 64 slots.
const EVENTS_MAX: usize = 128;
