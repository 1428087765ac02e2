//! Feeds a line with units of its work order, in blocks that the CA reserves for this station.

use std::collections::BTreeMap;
use std::sync::Arc;

use identity::DeviceId;
use proto::v1::Reason;

use super::making::stops_the_line;
use super::{LineShared, Stop, Summary};
use crate::ca::CA_UNREACHABLE;
use crate::session::Outcome;
use crate::stock::StockError;
use crate::units::Unit;

/// Keeps a few units waiting, until enough are made, the order has no more, or the line stops.
pub(super) async fn feed(shared: Arc<LineShared>) {
    loop {
        let changed = shared.changed.notified();
        if shared.stop.is_cancelled() {
            return;
        }
        let wanted = {
            let supply = shared.supply.lock();
            if supply.waits() < WAITING_MIN { supply.wants() } else { 0 }
        };
        if wanted == 0 {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = changed => continue,
            }
        }
        match shared.context.stock.take(wanted).await {
            Ok(serials) => {
                let product = &shared.context.product;
                let device = |serial| DeviceId { product: product.clone(), serial };
                let unit = |serial| Unit { device: device(serial), columns: BTreeMap::new(), slot: None };
                shared.with_supply(|supply| serials.into_iter().map(unit).for_each(|unit| supply.add(unit)));
            }
            Err(error) => return shared.no_more(error).await,
        }
    }
}

impl LineShared {
    /// No further units are reserved: the order has no more, or the line stops.
    async fn no_more(&self, error: StockError) {
        match error.refusal() {
            Some(refusal) if refusal.is(Reason::WorkOrderExhausted) => {
                self.say(format!("no further units are made here: {}", refusal.message)).await;
                self.with_supply(|supply| supply.end_short());
            }
            _ => {
                let words = error.to_string();
                let stop = stops_the_line(&Outcome::from(error));
                self.stop_for(stop.unwrap_or(Stop::LinkUnusable(words)));
            }
        }
    }

    /// Returns the reserved units that no unit was told, unless they are kept or the CA is away.
    pub(super) async fn give_back(&self, summary: &Summary) {
        if self.context.stock.keeps() {
            return;
        }
        let is_away = matches!(&summary.stop, Some(Stop::JournalLost(_) | Stop::ClockWrong(_)))
            || matches!(&summary.stop, Some(Stop::Refused { reason, .. }) if reason == CA_UNREACHABLE);
        if is_away {
            return;
        }
        if let Err(error) = self.context.stock.give_back(false).await {
            tracing::warn!("reserved units were not returned: {error}; the next run returns them");
        }
    }
}

/// A block is asked for while so many units still wait, so that no slot waits for the CA.
const WAITING_MIN: usize = 8;
