//! Making, pausing, resuming and closing work orders. Who may do so is settled before (roles); here is what
//! may follow what.

use super::{Outcome, Rules, record};
use crate::{Conflict, Decision, Event, View, WorkOrderFacts, WorkOrderId, WorkOrderState, WorkOrderTerms};

impl<V: View> Rules<'_, V> {
    pub(super) fn create_work_order(&self, terms: &WorkOrderTerms) -> Outcome<Decision, V> {
        terms.check(self.now).map_err(Conflict::TermsRefused)?;
        let work_order = WorkOrderId(self.view.work_orders()? + 1);
        Ok(record(Event::WorkOrderCreated { work_order, terms: terms.clone() }))
    }

    /// An order ends once no unit of it is out: what is made of those would have no order to be issued under.
    pub(super) fn close_work_order(&self, work_order: WorkOrderId) -> Outcome<Decision, V> {
        let order = self.view.work_order(work_order)?;
        if let Some(units @ 1..) = order.map(|order| order.counts.reserved) {
            return Err(Conflict::ReservationsOut { work_order, units }.into());
        }
        self.change_order(work_order, WorkOrderState::Closed, Event::WorkOrderClosed(work_order))
    }

    /// An order moves between open and paused at will, and to closed once.
    pub(super) fn change_order(
        &self,
        work_order: WorkOrderId,
        state: WorkOrderState,
        event: Event,
    ) -> Outcome<Decision, V> {
        let order: WorkOrderFacts =
            self.view.work_order(work_order)?.ok_or(Conflict::NoSuchWorkOrder(work_order))?;
        if order.state == state {
            return Ok(Decision::Replay(order.changed));
        }
        if order.state == WorkOrderState::Closed {
            return Err(Conflict::WorkOrderNotOpen { work_order, state: order.state }.into());
        }
        Ok(record(event))
    }
}
