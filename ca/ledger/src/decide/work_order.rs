//! Making, pausing, resuming and closing work orders. Who may do so is settled before (roles); here is what
//! may follow what.

use std::sync::Arc;

use identity::Principal;

use super::{Outcome, Rules, record};
use crate::{
    Conflict, Decision, Event, INCOMPLETE_ORDERS_MAX, SerialPart, Serials, TermsRefusal, View,
    WorkOrderFacts, WorkOrderId, WorkOrderState, WorkOrderTerms,
};

impl<V: View> Rules<'_, V> {
    pub(super) fn create_work_order(
        &self,
        caller: Option<&Principal>,
        terms: &WorkOrderTerms,
    ) -> Outcome<Decision, V> {
        terms.check(self.now).map_err(Conflict::TermsRefused)?;
        if terms.serials.outline().is_some() {
            let incomplete = self.view.incomplete_orders()?;
            for id in &incomplete {
                if let Some(order) = self.view.work_order(*id)?
                    && order.created_by.as_ref() == caller
                    && order.terms.are_announced_as(terms)
                {
                    return Ok(Decision::Replay(order.created));
                }
            }
            if incomplete.len() >= INCOMPLETE_ORDERS_MAX {
                return Err(Conflict::TooManyIncomplete.into());
            }
        }
        let work_order = WorkOrderId(self.view.work_orders()? + 1);
        Ok(record(Event::WorkOrderCreated { work_order, terms: terms.clone() }))
    }

    /// A part follows what is on record, in the order of the list; what is on record already is not recorded
    /// again. So every serial number is there once, and a sender that was cut off goes on where it was.
    pub(super) fn append_manifest(
        &self,
        work_order: WorkOrderId,
        position: u64,
        serials: &Arc<SerialPart>,
    ) -> Outcome<Decision, V> {
        let order = self.view.work_order(work_order)?.ok_or(Conflict::NoSuchWorkOrder(work_order))?;
        let (Serials::Manifest(list), Some(outline)) = (&order.terms.serials, order.terms.serials.outline())
        else {
            return Err(Conflict::ManifestMismatch { work_order, recorded: order.terms.serials.len() }.into());
        };
        let (recorded, end) = (list.len(), position.saturating_add(serials.len() as u64));
        let is_recorded = end <= recorded && serials.len() > 0;
        if is_recorded && list.texts_from(position).take(serials.len()).eq(serials.texts()) {
            return Ok(Decision::Replay(order.changed));
        }
        if order.state != WorkOrderState::Incomplete {
            return Err(Conflict::WorkOrderNotOpen { work_order, state: order.state }.into());
        }
        let follows = position == recorded && list.last().is_none_or(|last| last < serials.first());
        if !follows || serials.len() == 0 || end > outline.len {
            return Err(Conflict::ManifestMismatch { work_order, recorded }.into());
        }
        if let Some(character) = serials.unencodable() {
            return Err(Conflict::from(TermsRefusal::SerialNotEncodable { character }).into());
        }
        Ok(record(Event::ManifestPart { work_order, serials: Arc::clone(serials), last: end == outline.len }))
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
        // What waits for its manifest can only be closed.
        let is_incomplete = order.state == WorkOrderState::Incomplete && state != WorkOrderState::Closed;
        if order.state == WorkOrderState::Closed || is_incomplete {
            return Err(Conflict::WorkOrderNotOpen { work_order, state: order.state }.into());
        }
        Ok(record(event))
    }
}
