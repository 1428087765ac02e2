//! `touchmark-station resume`.

use std::sync::Arc;

use cli::Status;

use super::{Failure, Job, Shown, Station, say};
use crate::arguments::ResumeArguments;
use crate::console::Console;
use crate::journal::{Known, work_orders};
use crate::line::Stop;
use crate::units::{Supply, Unit};
use crate::wire::kit;

pub(super) async fn run(arguments: ResumeArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let mut shown = Shown::open(&arguments.output, console)?;
    let all = match &arguments.work_order {
        Some(work_order) => vec![work_order.clone()],
        None => work_orders(station.journal.directory())?,
    };
    let mut worst = Status::Done;
    let mut nothing = true;
    for work_order in all {
        let (journal, known) = station.work_order(&work_order)?;
        let units: Vec<Unit> = known
            .open_units()
            .map(|(device, unit)| Unit { device: device.clone(), columns: unit.columns.clone() })
            .collect();
        if units.is_empty() {
            continue;
        }
        nothing = false;
        let (link, slots) = how(&arguments, &known, &work_order)?;
        if !arguments.output.json {
            let count = units.len();
            console.complain(&format!("{work_order}: {count} under way (will be finished)"));
        }
        let answer = station.ca.work_order(&work_order).await?;
        let job = Job {
            work_order: work_order.clone(),
            kit: Arc::new(kit(&answer)),
            link,
            slots,
            supply: Supply::of_list(units, None),
            known,
        };
        let summary = station.line(job, journal, &mut shown).await?;
        let ended = shown.finish(&work_order, &summary);
        // The first that is not good says the most; what stops one order need not stop the next, but people do.
        worst = if worst == Status::Done { ended } else { worst };
        if summary.stop == Some(Stop::Interrupted) {
            break;
        }
    }
    if nothing && !arguments.output.json {
        say("no unit is under way")?;
    }
    Ok(worst)
}

fn how(
    arguments: &ResumeArguments,
    known: &Known,
    work_order: &str,
) -> Result<(crate::link::LinkSpec, usize), Failure> {
    let last = known.last_run.as_ref();
    let link = match (&arguments.link, last) {
        (Some(link), _) => link.clone(),
        (None, Some(last)) => last.link.parse()?,
        (None, None) => {
            let text =
                format!("the journal of {work_order} does not say how its devices are reached; give --link");
            return Err(Failure::WorkOrder(text));
        }
    };
    let slots = arguments.slots.or_else(|| last.map(|last| last.slots)).unwrap_or(1).clamp(1, 64);
    Ok((link, slots))
}
