//! `touchmark-station finish`.

use cli::{Status, count};
use identity::DeviceId;

use super::order::same_installation;
use super::{Failure, Job, RunOutput, Station, plan, say};
use crate::arguments::FinishArguments;
use crate::console::Console;
use crate::journal::work_orders;
use crate::line::Intake;
use crate::mode::Mode;
use crate::units::Supply;

pub(super) async fn run(arguments: FinishArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let station = station.operated_by(arguments.operator.as_deref());
    let mut run_output = RunOutput::open(&arguments.output, &station.settings.bench, console)?;
    if arguments.link.to_string().contains("{serial}") {
        let text =
            "a unit says itself which one it is: a link with {serial} cannot be opened before; use {slot}";
        return Err(Failure::Usage(text.to_owned()));
    }
    let work_order = arguments.work_order;
    if !work_orders(&station.journal.directory)?.contains(&work_order) {
        let text = format!("the journal has no work order {work_order}: this station made none of its units");
        return Err(Failure::WorkOrder(text));
    }
    let (journal, known) = station.work_order(&work_order)?;
    let deferred = known.units.values().filter(|unit| unit.is_deferred() && !unit.scrapped);
    let (refused, waiting): (Vec<_>, Vec<_>) = deferred.partition(|unit| unit.progress.refusal.is_some());
    let waiting = waiting.len() as u64;
    if !refused.is_empty() {
        let units = count(refused.len() as u64, "unit");
        console.complain(&format!(
            "{work_order}: {units} whose certificates the CA refused are not finished: {REFUSED_NEXT}"
        ));
    }
    if waiting == 0 {
        say("no unit waits for its certificate")?;
        return Ok(Status::Done);
    }
    for slot in [1, arguments.slots] {
        arguments.link.reaches(slot)?;
    }
    let answer = station.ca.work_order(&work_order).await?;
    let order = answer.work_order.clone().unwrap_or_default();
    same_installation(&known, &order)?;
    let product = plan::parse_product(&order.product)?;
    let stand_in = DeviceId { product: product.clone(), serial: plan::stand_in()? };
    if !arguments.output.json {
        let units = count(waiting, "unit");
        console.complain(&format!("{work_order}: {units} to finish; insert them in any order. Those that have left fetch theirs at first boot: Ctrl-C ends without them"));
    }
    let job = Job {
        mode: Mode::Device,
        supply: Supply::of_people(waiting),
        intake: Intake::Devices { stand_in },
        finishes: true,
        ..Job::of(&answer, product, (arguments.link, arguments.slots), known)
    };
    let summary = station.line(job, station.settings.reserve, journal, &mut run_output).await?;
    Ok(run_output.finish(&work_order, &summary))
}

const REFUSED_NEXT: &str = "`touchmark-station report --units` says why; where the cause is mended, `touchmark-station reconcile` asks again";
