//! `touchmark-station provision`.

use cli::Status;

use super::intake::{Source, mode, open_scanners};
use super::plan::{Plan, RunRequest};
use super::survey::end_units_without_certificate;
use super::{Failure, RunOutput, Station, limits, plan, say, survey};
use crate::arguments::ProvisionArguments;
use crate::console::Console;
use crate::line::Summary;
use crate::stock::ReserveTerms;
use crate::wire::time;

pub(super) async fn run(arguments: ProvisionArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let station = station.operated_by(arguments.operator.as_deref());
    let bench = &station.settings.bench;
    // The list is read before anything else, so that a mistyped name costs nothing.
    let source = Source::open(&arguments, mode(&arguments, bench)?)?;
    let mut run_output = RunOutput::open(&arguments.output, console)?;
    let answer = station.ca.work_order(&arguments.work_order).await?;
    let (journal, mut known) = station.work_order(&arguments.work_order)?;
    let request = RunRequest {
        source,
        product: arguments.product.as_deref(),
        limit: arguments.limit,
        link: arguments.link,
        slots: arguments.slots,
        bench,
    };
    let product = plan::product(&answer, &request)?;
    let recorded = (!arguments.dry_run).then_some(&journal);
    let reworks = survey::clear_superseded(&station.ca, &arguments.work_order, recorded, &mut known).await?;
    let now = answer.now.as_ref().map(time);
    if let (Some(journal), Some(order)) = (recorded, &answer.work_order) {
        end_units_without_certificate(&station.ca, order, now, journal, &mut known).await?;
    }
    let mut plan = Plan::new(&station.ca, &answer, product, known, request, reworks).await?;
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
