//! Units of a list that only the CA can tell more about: they wait for it, and others are made meanwhile.

use identity::DeviceId;

use super::LineShared;
use crate::mode::Mode;
use crate::session::Outcome;
use crate::slot::UnitResult;
use crate::units::Unit;

impl LineShared {
    /// Whether a unit of a list cannot be begun while the CA is away: it is new, and not reserved here.
    pub(super) fn needs_the_ca(&self, device: &DeviceId) -> bool {
        if !self.sets_aside() || !self.context.ca.is_away() {
            return false;
        }
        let known = self.known.lock();
        let is_known = known
            .get(device)
            .is_some_and(|unit| unit.progress.is_on_record() || unit.unavailable().is_some());
        !is_known && !self.context.stock.is_in_force(&device.serial)
    }

    /// Whether an attempt ended before anything was begun, because the CA gave no answer.
    pub(super) fn waits_for_the_ca(&self, result: &UnitResult) -> bool {
        self.sets_aside() && !result.begun && matches!(result.outcome, Outcome::CaUnreachable(_))
    }

    /// People who insert a unit are told about it; a list can go on with another one.
    fn sets_aside(&self) -> bool {
        self.context.mode == Mode::List && self.context.deferrals.are_allowed()
    }

    /// Takes back a unit in work that was not begun, until the CA answers again.
    pub(super) async fn set_aside(&self, unit: Unit) {
        let (device, is_first) = (unit.device.clone(), !self.supply.lock().has_aside());
        self.with_supply(|supply| supply.set_aside(unit));
        if is_first {
            self.say(format!(
                "{device} waits for the CA, and so does each unit that is not reserved for this station"
            ))
            .await;
        }
        // It may have come back meanwhile.
        if !self.context.ca.is_away() {
            self.bring_back();
        }
    }

    pub(super) fn bring_back(&self) {
        self.with_supply(|supply| supply.bring_back());
    }
}
