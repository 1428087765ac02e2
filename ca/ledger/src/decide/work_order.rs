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
