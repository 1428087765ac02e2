//! Keeps reserved units in hand where people bring the units, for a line that may lose the CA.

use std::sync::Arc;

use super::LineShared;
use crate::ca::CaError;
use crate::session::Refusal;
use crate::stock::StockError;

/// Takes a further block whenever few units are left in hand, until the order has no more or the line stops.
pub(super) async fn feed(shared: Arc<LineShared>) {
    let stock = &shared.context.stock;
    if !stock.keeps() {
        return;
    }
    loop {
        let changed = shared.changed.notified();
        if shared.stop.is_cancelled() {
            return;
        }
        if !stock.runs_low() || shared.context.ca.is_away() {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = changed => continue,
            }
        }
        match stock.take_block().await {
            Ok(()) => shared.tell_reserved().await,
            // The unit that is asked about next says so too.
            Err(StockError::Ca(CaError::Unreachable(_))) => tokio::select! {
                () = shared.stop.cancelled() => return,
                () = changed => {}
            },
            Err(error) => {
                let is_usual = error.refusal().is_some_and(Refusal::is_about_the_order);
                if is_usual {
                    tracing::info!("no further units are reserved ahead: {error}");
                } else {
                    tracing::warn!("no further units are reserved ahead: {error}");
                }
                return;
            }
        }
    }
}
