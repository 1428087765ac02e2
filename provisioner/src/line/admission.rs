//! Whether a unit that people bring may be made, before anything is begun.

use identity::DeviceId;

use super::LineShared;
use super::making::stops_the_line;
use crate::journal::UnitRecord;
use crate::offline::is_over;
use crate::session::{Assignment, Outcome};

/// The answer about one unit.
#[derive(Debug)]
pub(super) enum Admission {
    Welcome,
    /// Nothing is begun, and why.
    Refused(String),
    /// The line stops: no unit can be made now.
    Stopped,
}

impl LineShared {
    /// Asks the journal and the CA about a unit. Changes nothing.
    pub(super) async fn admission(&self, device: &DeviceId) -> Admission {
        let known = self.known.lock().get(device).cloned().unwrap_or_default();
        if known.is_deferred() {
            return Admission::Refused(DEFERRED.to_owned());
        }
        if self.context.ca.is_away() {
            return self.admission_without_the_ca(device, &known);
        }
        let on_record = match self.context.on_record(device).await {
            Ok(on_record) => on_record,
            Err(Outcome::CaUnreachable(_)) if self.context.deferrals.are_allowed() => {
                return self.admission_without_the_ca(device, &known);
            }
            Err(outcome) => return self.refused(&outcome),
        };
        if let Some(taken) = known.unavailable() {
            return Admission::Refused(taken.to_string());
        }
        let mut progress = known.progress;
        if let Some(step) = on_record.supersedes(&progress) {
            progress.apply(&step);
        }
        if progress.passed {
            let certificate = progress.serial_number().map(|number| format!(", its certificate is {number}"));
            return Admission::Refused(format!("it has passed already{}", certificate.unwrap_or_default()));
        }
        match on_record.assignment(&progress, Assignment::Named) {
            Ok(_) => Admission::Welcome,
            Err(outcome) => self.refused(&outcome),
        }
    }

    fn admission_without_the_ca(&self, device: &DeviceId, known: &UnitRecord) -> Admission {
        if let Some(taken) = known.unavailable() {
            return Admission::Refused(taken.to_string());
        }
        if known.progress.passed {
            return Admission::Refused("it has passed already".to_owned());
        }
        let (stock, now) = (&self.context.stock, self.context.clock.now());
        match stock.ends_at(&device.serial) {
            Some(ends_at) if now >= ends_at && known.progress.asked.is_none() => {
                Admission::Refused(is_over(ends_at, now))
            }
            Some(_) => Admission::Welcome,
            None => Admission::Refused(NOT_RESERVED.to_owned()),
        }
    }

    fn refused(&self, outcome: &Outcome) -> Admission {
        match stops_the_line(outcome) {
            Some(stop) => {
                self.stop_for(stop);
                Admission::Stopped
            }
            None => Admission::Refused(outcome.to_string()),
        }
    }
}

const DEFERRED: &str =
    "it is made, and its certificate is deferred: touchmark-station finish gives it to the unit";

const NOT_RESERVED: &str = "the CA cannot be asked, and the serial number is not reserved for this station";
