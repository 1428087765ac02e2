//! Serial numbers that are given up: no unit has a certificate for them, and none ever gets one.

use identity::{DeviceId, Principal, Role};

use super::birth::order_is_not_stopped;
use super::reservation::{station_of, why_not_free};
use super::{Outcome, Rules, Words, record};
use crate::{
    Conflict, Decision, Event, ReservedUnitState, View, WorkOrderFacts, WorkOrderId, WorkOrderState,
};

impl<V: View> Rules<'_, V> {
    /// Stations give up what is free or reserved for them; operators also what is out for a station. It is
    /// spent from the quota, if it was not already.
    pub(super) fn give_up_unit(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        words: Words<'_>,
    ) -> Outcome<Decision, V> {
        let order = self.order_of_caller(caller, work_order)?;
        if let Some(entry) = self.view.given_up(device)? {
            return Ok(Decision::Replay(entry));
        }
        if order.state != WorkOrderState::Paused {
            order_is_not_stopped(&order)?;
        }
        let terms = &order.terms;
        if terms.product != device.product {
            return Err(Conflict::ProductNotInWorkOrder { work_order, device: device.clone() }.into());
        }
        if !terms.serials.contains(&device.serial) {
            return Err(Conflict::SerialNotInWorkOrder { work_order, device: device.clone() }.into());
        }
        if self.view.device(device)?.is_some() {
            return Err(Conflict::UnitMade(device.clone()).into());
        }
        if !self.is_out_for(caller, &order, device)? && order.counts.spent() >= terms.quantity {
            return Err(Conflict::WorkOrderExhausted { work_order, quantity: terms.quantity }.into());
        }
        let (reason, operator) = (words.reason.to_owned(), words.operator.to_owned());
        Ok(record(Event::UnitGivenUp { work_order, device: device.clone(), reason, operator }))
    }

    /// Whether the unit is out under this order, so that its quota is spent; an error if the caller may not
    /// give it up.
    fn is_out_for(
        &self,
        caller: Option<&Principal>,
        order: &WorkOrderFacts,
        device: &DeviceId,
    ) -> Outcome<bool, V> {
        let Some(unit) = self.view.reserved_unit(device)? else { return Ok(false) };
        if unit.state != ReservedUnitState::Out {
            return Err(why_not_free(unit.state, device.clone()).into());
        }
        let operator = matches!(caller, Some(Principal::Named { role: Role::Operator, .. }));
        let may = self.view.reservation(unit.reservation)?.is_some_and(|known| {
            known.work_order == order.id && (operator || station_of(caller) == Some(&known.station))
        });
        if may { Ok(true) } else { Err(Conflict::UnitReserved(device.clone()).into()) }
    }
}
