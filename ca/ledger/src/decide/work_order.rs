//! Making, pausing, resuming and closing work orders. Who may do so is settled before (roles); here is what
//! may follow what.

use super::{Outcome, Rules, Stop, record};
use crate::{Conflict, Decision, Event, View, WorkOrderFacts, WorkOrderId, WorkOrderState, WorkOrderTerms};

impl<V: View> Rules<'_, V> {
    pub(super) fn create_work_order(&self, terms: &WorkOrderTerms) -> Outcome<Decision, V::Fault> {
        terms.check(self.now).map_err(Conflict::TermsRefused)?;
        let work_order = WorkOrderId(self.view.work_orders().map_err(Stop::Fault)? + 1);
        Ok(record(Event::WorkOrderCreated { work_order, terms: terms.clone() }))
    }

    pub(super) fn pause(&self, work_order: WorkOrderId) -> Outcome<Decision, V::Fault> {
        self.change(work_order, WorkOrderState::Paused, Event::WorkOrderPaused { work_order })
    }

    pub(super) fn resume(&self, work_order: WorkOrderId) -> Outcome<Decision, V::Fault> {
        self.change(work_order, WorkOrderState::Open, Event::WorkOrderResumed { work_order })
    }

    pub(super) fn close(&self, work_order: WorkOrderId) -> Outcome<Decision, V::Fault> {
        self.change(work_order, WorkOrderState::Closed, Event::WorkOrderClosed { work_order })
    }

    /// An order moves between open and paused at will, and to closed once.
    fn change(
        &self,
        work_order: WorkOrderId,
        state: WorkOrderState,
        event: Event,
    ) -> Outcome<Decision, V::Fault> {
        let order: WorkOrderFacts = self
            .view
            .work_order(work_order)
            .map_err(Stop::Fault)?
            .ok_or(Conflict::NoSuchWorkOrder(work_order))?;
        if order.state == state {
            return Ok(Decision::Replay(order.changed));
        }
        if order.state == WorkOrderState::Closed {
            return Err(Conflict::WorkOrderNotOpen { work_order, state: order.state }.into());
        }
        Ok(record(event))
    }
}
