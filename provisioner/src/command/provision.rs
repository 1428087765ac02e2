//! `touchmark-station provision`.

use cli::{Status, count};
use identity::{Clock, DeviceId, SystemClock};

use super::intake::{Source, mode, open_scanners};
use super::order::KnownOrder;
use super::plan::{Plan, RunRequest};
use super::survey::end_units_without_certificate;
use super::{Failure, RunOutput, Station, limits, plan, say, survey};
use crate::arguments::ProvisionArguments;
use crate::console::Console;
use crate::journal::{JournalState, Record, Writer};
use crate::line::Summary;
use crate::offline::Offline;
use crate::reconcile::{Reconciled, confirm, reconcile, unconfirmed, waiting};
use crate::session::Step;
use crate::stock::ReserveTerms;
use crate::wire::time;

pub(super) async fn run(arguments: ProvisionArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let mut station = station.operated_by(arguments.operator.as_deref());
    let offline = station.settings.offline;
    if arguments.offline && offline == Offline::Never {
        let text =
            "--offline needs offline = \"allowed\" in station.toml: units would leave without certificates";
        return Err(Failure::Usage(text.to_owned()));
    }
    if offline == Offline::Allowed {
        station.ca = station.ca.that_may_be_away();
    }
    let bench = &station.settings.bench;
    // The list is read before anything else, so that a mistyped name costs nothing.
    let source = Source::open(&arguments, mode(&arguments, bench)?)?;
    let mut run_output = RunOutput::open(&arguments.output, bench, console)?;
    let mut order = station.order(&arguments.work_order, !arguments.offline).await?;
    let request = RunRequest {
        source,
        product: arguments.product.as_deref(),
        limit: arguments.limit,
        link: arguments.link,
        slots: arguments.slots,
        bench,
        offline,
    };
    let product = plan::product(&order.answer, &request)?;
    let reworks = prepare(&station, &mut order, arguments.dry_run, console).await?;
    let age = order.age();
    let KnownOrder { answer, journal, known, .. } = order;
    let mut plan = Plan::new(&station.ca, &answer, product, known, request, reworks).await?;
    if let Some(age) = age {
        plan.description.push_str(&format!("\norder as of   {age}"));
    }
    plan.description.push_str(&limits::text(&station.settings, &plan.job));
    if arguments.dry_run {
        say(&plan.description)?;
        return Ok(if plan.missing > 0 && !plan.taken.is_empty() { Status::NotGood } else { Status::Done });
    }
    if !arguments.output.json {
        console.complain(&plan.description);
    }
    let mut summary = match plan.stop {
        Some(_) if plan.job.supply.left == 0 => Summary::default(),
        _ => {
            let scanner = arguments.scanner.or_else(|| bench.scanner.clone());
            let _keyboard = open_scanners(&mut plan.job.intake, scanner)?;
            let keeps = station.settings.reserve.keeps || arguments.keep_reservation;
            let terms = ReserveTerms { keeps, ..station.settings.reserve };
            station.line(plan.job, terms, journal, &mut run_output).await?
        }
    };
    summary.done_before = summary.done_before.saturating_add(plan.done);
    summary.left = summary.left.saturating_add(plan.withheld);
    summary.stop = summary.stop.or(plan.stop);
    for (whose, count) in plan.taken {
        *summary.skipped.entry(whose.to_owned()).or_default() += count;
    }
    Ok(run_output.finish(&arguments.work_order, &summary))
}

/// Compares the journal with the CA's records, unless the CA cannot be asked. Returns the number of reworks.
async fn prepare(
    station: &Station,
    order: &mut KnownOrder,
    dry_run: bool,
    console: &Console,
) -> Result<u64, Failure> {
    if order.of.is_some() {
        return Ok(0);
    }
    let recorded = (!dry_run).then_some(&order.journal);
    let terms = order.answer.work_order.clone().unwrap_or_default();
    if let Some(journal) = recorded {
        order.keep().await?;
        reconcile_first(station, journal, &terms.id, &mut order.known, console).await?;
    }
    let reworks = survey::clear_superseded(&station.ca, &terms.id, recorded, &mut order.known).await?;
    if let Some(journal) = recorded {
        let now = order.answer.now.as_ref().map(time).or_else(|| Some(SystemClock.now()));
        end_units_without_certificate(&station.ca, &terms, now, journal, &mut order.known).await?;
    }
    Ok(reworks)
}

/// Has the certificates issued that were deferred in an earlier run.
async fn reconcile_first(
    station: &Station,
    journal: &Writer,
    work_order: &str,
    known: &mut JournalState,
    console: &Console,
) -> Result<(), Failure> {
    let (waiting, unconfirmed) = (waiting(known, false), unconfirmed(known));
    if waiting.is_empty() && unconfirmed.is_empty() {
        return Ok(());
    }
    let mut steps = Vec::new();
    let mut told = |device: &DeviceId, answer| match answer {
        Reconciled::Issued(certificate) => steps.push((device.clone(), Step::Issued(certificate))),
        Reconciled::Refused(refusal) => {
            console.complain(&format!("{device} gets no certificate: {refusal}"));
            let step = Step::Refused { reason: refusal.reason, message: refusal.message };
            steps.push((device.clone(), step));
        }
        Reconciled::Confirmed => steps.push((device.clone(), Step::Confirmed)),
        Reconciled::Busy(_) | Reconciled::Later(_) => {}
    };
    let mut done = reconcile(&station.ca, journal, work_order, &waiting, &mut told).await;
    if done.is_ok() {
        done = confirm(&station.ca, journal, work_order, unconfirmed, &mut told).await;
    }
    let all = count(waiting.len() as u64, "deferred certificate");
    let issued = steps.iter().filter(|(_, step)| matches!(step, Step::Issued(_))).count();
    console.complain(&format!("{all}: {issued} issued now"));
    for (device, step) in steps {
        known.add(Record::Step { device, step });
    }
    if let Err(error) = done {
        console.complain(&format!("the others wait for touchmark-station reconcile: {error}"));
    }
    Ok(())
}
