//! `touchmark-station labels`.

use cli::{Status, count};

use super::{Failure, say, settings};
use crate::arguments::LabelsArguments;
use crate::journal::{known, work_orders};
use crate::labels::{Label, Labels};

pub(super) fn run(arguments: &LabelsArguments) -> Result<Status, Failure> {
    let settings = settings(&arguments.common.config)?;
    let journal = settings.journal.current();
    let mut all = if journal.is_dir() { work_orders(journal)? } else { Vec::new() };
    if let Some(wanted) = &arguments.work_order {
        if !all.contains(wanted) {
            let text = format!("the journal {} has no work order {wanted}", journal.display());
            return Err(Failure::WorkOrder(text));
        }
        all = vec![wanted.clone()];
    }
    let mut labels = Labels::open(&arguments.directory)?;
    let (mut written, mut there) = (0, 0);
    let mut without = Vec::new();
    for work_order in &all {
        let known = known(journal, work_order)?;
        // A scrapped unit is no unit to label.
        for (device, unit) in known.units.iter().filter(|(_, unit)| unit.progress.passed && !unit.scrapped) {
            let certificate = unit.progress.certificate.as_ref();
            match certificate.and_then(|certificate| Label::new(device.clone(), certificate)) {
                None => without.push(device.to_string()),
                Some(label) if labels.add(&label)? => written += 1,
                Some(_) => there += 1,
            }
        }
    }
    if arguments.json {
        say(&serde_json::json!({ "written": written, "there_already": there, "without": without })
            .to_string())?;
    } else {
        let directory = arguments.directory.display();
        say(&format!("{} written to {directory}, {there} there already", count(written, "label")))?;
        for device in &without {
            say(&format!("{device} has no label: {NOT_HERE}"))?;
        }
    }
    Ok(if without.is_empty() { Status::Done } else { Status::NotGood })
}

/// Why a unit that passed has no label.
pub(super) const NOT_HERE: &str = "this station's journal does not have its certificate";
