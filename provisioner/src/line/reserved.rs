//! Feeds a line with units of its work order, in blocks that the CA reserves for this station.

use std::collections::BTreeMap;
use std::sync::Arc;

use cli::count;
use identity::DeviceId;
use proto::v1::Reason;

use super::making::stops_the_line;
use super::{LineShared, Stop, Summary};
use crate::ca::{CA_UNREACHABLE, CaError};
use crate::offline::is_over;
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
            Err(StockError::Ca(CaError::Unreachable(_))) if shared.context.deferrals.are_allowed() => {
                shared.wait_for_the_ca().await;
            }
            Err(error) => return shared.no_more(error).await,
        }
    }
}

impl LineShared {
    /// No reserved unit is left, and the CA cannot be asked for more.
    async fn wait_for_the_ca(&self) {
        let left = match self.context.stock.over() {
            Some((units, ends_at)) => {
                let units = count(units as u64, "reserved unit");
                format!("{units} cannot be begun: {}", is_over(ends_at, self.context.clock.now()))
            }
            None => "no reserved unit is left".to_owned(),
        };
        self.say(format!("{left}; further units wait for the CA")).await;
        let mut away = self.context.ca.away();
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = away.wait_for(|is_away| !is_away) => {}
        }
    }

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
        if self.context.stock.keeps() || self.context.ca.is_away() {
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
