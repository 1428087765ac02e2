//! What is known of a work order: the CA's answer, or the last one that the journal has.

use std::time::SystemTime;

use identity::{Clock, SystemClock};
use prost::Message;
use proto::v1;

use super::{Failure, Station};
use crate::ca::CaError;
use crate::journal::{JournalError, JournalState, OrderFacts, Record, Writer, work_orders};
use crate::offline::Offline;
use crate::slot::clock_difference;
use crate::wire::time;

/// A work order to work on.
pub(super) struct KnownOrder {
    pub(super) answer: v1::GetWorkOrderResponse,
    /// When the CA said it, if it cannot be asked now.
    pub(super) of: Option<SystemTime>,
    pub(super) journal: Writer,
    pub(super) known: JournalState,
}

impl Station {
    /// Asks the CA about an order. Where that is not possible and allowed, what it answered last is used.
    pub(super) async fn order(&self, work_order: &str, asks: bool) -> Result<KnownOrder, Failure> {
        let answered = match asks {
            true => self.ca.work_order(work_order).await,
            false => Err(CaError::Unreachable("it is not asked (--offline)".to_owned())),
        };
        match answered {
            Ok(answer) => {
                let (journal, known) = self.work_order(work_order)?;
                same_installation(&known, &answer.work_order.clone().unwrap_or_default())?;
                Ok(KnownOrder { answer, of: None, journal, known })
            }
            Err(error @ CaError::Unreachable(_)) if self.settings.offline == Offline::Allowed => {
                self.ca.leave();
                if !work_orders(&self.journal.directory)?.iter().any(|known| known == work_order) {
                    return Err(never_seen(work_order, &error));
                }
                let (journal, known) = self.work_order(work_order)?;
                let facts = known.order.clone().ok_or_else(|| never_seen(work_order, &error))?;
                let damaged =
                    |_| Failure::WorkOrder(format!("what the journal has of {work_order} cannot be read"));
                let answer = v1::GetWorkOrderResponse::decode(facts.answer.as_slice()).map_err(damaged)?;
                // Its time is past: the station's clock says what is open now.
                let answer = v1::GetWorkOrderResponse { now: None, ..answer };
                Ok(KnownOrder { answer, of: Some(facts.at), journal, known })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl KnownOrder {
    /// Keeps the CA's answer for times when it cannot be asked, if the clocks agree.
    pub(super) async fn keep(&self) -> Result<(), Failure> {
        let now = SystemClock.now();
        let of_ca = self.answer.now.as_ref().map(time);
        if self.of.is_some() || of_ca.is_none_or(|of_ca| clock_difference(now, of_ca).is_some()) {
            return Ok(());
        }
        let facts = OrderFacts { at: now, answer: self.answer.encode_to_vec() };
        Ok(self.journal.record(&Record::Order(facts)).await?)
    }

    /// How old the facts are, for people; `None`: they are of now.
    pub(super) fn age(&self) -> Option<String> {
        let of = self.of?;
        let age = SystemClock.now().duration_since(of).unwrap_or_default();
        let age = std::time::Duration::from_secs(age.as_secs());
        Some(format!(
            "{}, {} ago: the CA cannot be asked now",
            humantime::format_rfc3339_seconds(of),
            humantime::format_duration(age)
        ))
    }
}

/// An error if the order of this id that the journal knows is not the CA's: numbers of orders begin anew at
/// each CA, and serial numbers often do.
pub(super) fn same_installation(known: &JournalState, of_ca: &v1::WorkOrder) -> Result<(), JournalError> {
    let known = known.order.as_ref();
    let known = known.and_then(|facts| v1::GetWorkOrderResponse::decode(facts.answer.as_slice()).ok());
    let Some(known) = known.and_then(|answer| answer.work_order) else { return Ok(()) };
    if known.created_at == of_ca.created_at {
        return Ok(());
    }
    let words = |order: &v1::WorkOrder| {
        let at = order.created_at.as_ref().map(time);
        at.map_or_else(
            || "an unknown time".to_owned(),
            |at| humantime::format_rfc3339_seconds(at).to_string(),
        )
    };
    let (journal, ca) = (words(&known), words(of_ca));
    Err(JournalError::OtherInstallation { work_order: known.id, journal, ca })
}

fn never_seen(work_order: &str, error: &CaError) -> Failure {
    Failure::WorkOrder(format!(
        "{error}; this journal has no answer of it about {work_order}, so nothing is known of its units, trust anchors and address: \
         run provision --keep-reservation once while the CA answers"
    ))
}
