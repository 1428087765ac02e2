//! Shows a run while it goes on, reports it, and says why it stopped.

use std::time::Duration;

use cli::{Complaint, Status, count};
use proto::v1::Reason;

use super::{Failure, summary};
use crate::arguments::{Output, PROGRAM};
use crate::ca::{CLOCK, advice, exit_status};
use crate::console::Console;
use crate::line::{Line, LineEvent, Stop, Summary};
use crate::metrics::Figures;
use crate::progress::Progress;
use crate::report::ReportFile;

pub(super) struct RunOutput {
    json: bool,
    report: Option<ReportFile>,
    pub(super) console: Console,
}

impl RunOutput {
    pub(super) fn open(output: &Output, console: &Console) -> Result<Self, Failure> {
        let report = output.report.as_deref().map(|path| {
            ReportFile::open(path).map_err(|source| Failure::Report { path: path.to_owned(), source })
        });
        Ok(Self { json: output.json, report: report.transpose()?, console: console.clone() })
    }

    pub(super) async fn follow(
        &mut self,
        line: Line,
        total: Option<u64>,
        figures: &Figures,
    ) -> Result<Summary, Failure> {
        figures.begin(line.slots);
        let mut progress = Progress::new(self.json, line.slots, total, &self.console);
        let (events, mut happened) = tokio::sync::mpsc::channel(EVENTS_MAX);
        let stop = line.stop.clone();
        let running = tokio::spawn(line.run(events));
        let mut report_lost = None;
        while let Some(event) = happened.recv().await {
            if let (LineEvent::Ended(report), Some(file)) = (&event, &mut self.report)
                && let Err(error) = file.add(report)
            {
                tracing::error!(%error, "the report cannot be written, the line stops");
                stop.cancel();
                report_lost = Some(error);
            }
            figures.see(&event);
            progress.show(&event);
        }
        progress.finish();
        let mut summary = running.await.map_err(|error| Failure::Line(error.to_string()))?;
        if let Some(error) = report_lost {
            summary.stop = Some(Stop::JournalLost(format!("the report cannot be written: {error}")));
        }
        Ok(summary)
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

/// Events that wait to be shown: two for each of 64 slots.
const EVENTS_MAX: usize = 128;
