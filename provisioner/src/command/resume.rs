//! `touchmark-station resume`.

use cli::{Status, count};

use super::order::same_installation;
use super::survey::end_units_without_certificate;
use super::{Failure, Job, RunOutput, Station, plan, say};
use crate::arguments::ResumeArguments;
use crate::console::Console;
use crate::journal::{JournalState, work_orders};
use crate::line::Stop;
use crate::units::{Supply, Unit};
use crate::wire::time;

pub(super) async fn run(arguments: ResumeArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let station = station.operated_by(arguments.operator.as_deref());
    let mut run_output = RunOutput::open(&arguments.output, &station.settings.bench, console)?;
    let all = match &arguments.work_order {
        Some(work_order) => vec![work_order.clone()],
        None => work_orders(&station.journal.directory)?,
    };
    let mut worst = Status::Done;
    let mut nothing = true;
    for work_order in all {
        let (journal, mut known) = station.work_order(&work_order)?;
        if known.open_units().next().is_none() {
            continue;
        }
        nothing = false;
        let answer = station.ca.work_order(&work_order).await?;
        let order = answer.work_order.clone().unwrap_or_default();
        same_installation(&known, &order)?;
        let now = answer.now.as_ref().map(time);
        let ended = end_units_without_certificate(&station.ca, &order, now, &journal, &mut known).await?;
        if !ended.is_empty() {
            console.complain(&format!(
                "{work_order}: the order issues no further certificates, and {} had none yet: recorded as ended",
                count(ended.len() as u64, "unfinished unit")
            ));
            worst = if worst == Status::Done { Status::NotGood } else { worst };
        }
        let units: Vec<Unit> = known
            .open_units()
            .map(|(device, unit)| Unit { device: device.clone(), columns: unit.columns.clone(), slot: None })
            .collect();
        if units.is_empty() {
            continue;
        }
        let (link, slots) = how(&arguments, &known, &work_order)?;
        if !arguments.output.json {
            console.complain(&format!(
                "{work_order}: finishing {}",
                count(units.len() as u64, "unfinished unit")
            ));
        }
        let product = plan::parse_product(&order.product)?;
        let job =
            Job { supply: Supply::of_list(units, None), ..Job::of(&answer, product, (link, slots), known) };
        let summary = station.line(job, station.settings.reserve, journal, &mut run_output).await?;
        let ended = run_output.finish(&work_order, &summary);
        // The first status that is not good is the exit status.
        worst = if worst == Status::Done { ended } else { worst };
        if summary.stop == Some(Stop::Interrupted) {
            break;
        }
    }
    if nothing && !arguments.output.json {
        say("no unit is unfinished")?;
    }
    Ok(worst)
}

fn how(
    arguments: &ResumeArguments,
    known: &JournalState,
    work_order: &str,
) -> Result<(crate::link::LinkSpec, usize), Failure> {
    let last = known.last_run.as_ref().filter(|last| !last.link.is_empty());
    let link = match (&arguments.link, last) {
        (Some(link), _) => link.clone(),
        (None, Some(last)) => last.link.parse()?,
        (None, None) => {
            let text = format!(
                "the journal of {work_order} does not say how its devices are reached: give --link; units that were scanned, or \
                         that named themselves, are finished by `provision` in the same mode"
            );
            return Err(Failure::WorkOrder(text));
        }
    };
    let slots = arguments.slots.or_else(|| last.map(|last| last.slots)).unwrap_or(1).clamp(1, 64);
    Ok((link, slots))
}
