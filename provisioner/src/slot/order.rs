//! Whether the order goes on, before a unit with a reserved serial number is told it.

use std::time::Duration;

use proto::v1::Reason;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{LineContext, order_refusal};
use crate::ca::CaError;
use crate::session::{Outcome, Refusal};
use crate::wire::time;

/// What the CA said last about the order, shared by all slots.
#[derive(Debug, Default)]
pub(crate) struct OrderWatch {
    last: Mutex<Option<(Instant, Result<(), Outcome>)>>,
}

impl LineContext {
    /// An error if the order or its product stands still. Asks the CA at most once a second, so that a pause
    /// acts on the next unit, and no unit is told a serial number for which it gets no certificate now.
    pub(super) async fn order_goes_on(&self) -> Result<(), Outcome> {
        let begun = Instant::now();
        let mut last = tokio::select! {
            () = self.abort.cancelled() => return Err(Outcome::Cancelled),
            last = self.order.last.lock() => last,
        };
        if self.ca.is_away() {
            return Ok(());
        }
        if let Some((at, answer)) = &*last
            // Another slot has asked while this one waited, or shortly before.
            && (*at >= begun || at.elapsed() < INTERVAL)
        {
            return answer.clone();
        }
        let answer = tokio::select! {
            () = self.abort.cancelled() => return Err(Outcome::Cancelled),
            answer = self.ca.work_order(&self.work_order) => answer,
        };
        let answer = match answer {
            Ok(answer) => {
                let now = answer.now.as_ref().map(time);
                let refusal = order_refusal(&answer.work_order.unwrap_or_default(), now);
                refusal.filter(stands_still).map_or(Ok(()), |refusal| Err(Outcome::Refused(refusal)))
            }
            Err(CaError::Unreachable(_)) if self.deferrals.are_allowed() => Ok(()),
            Err(error) => Err(error.into()),
        };
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// What is reserved has its part of the quantity, also after the order's window.
fn stands_still(refusal: &Refusal) -> bool {
    [Reason::WorkOrderPaused, Reason::ProductPaused, Reason::WorkOrderClosed]
        .into_iter()
        .any(|it| refusal.is(it))
}

const INTERVAL: Duration = Duration::from_secs(1);
