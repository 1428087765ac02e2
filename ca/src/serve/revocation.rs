//! Closes what is open of those whose certificates were withdrawn: a hold or a revocation ends the connections that the certificate opened,
//! and everything on them.

use std::collections::BTreeMap;
use std::time::Duration;

use authority::{Authority, FeedCursor, Refused};
use identity::Principal;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::connection_limits::ConnectionLimits;
use super::peer::Peer;

/// Follows the ledger until it is dropped, by the task that accepts connections.
pub(super) async fn close_revoked(authority: &Authority, connection_limits: &ConnectionLimits) {
    let mut changed = authority.status_changes();
    let mut place = authority.feed_now();
    let mut rounds = interval(ROUND_INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds.tick().await;
    loop {
        tokio::select! {
            _ = changed.changed() => match follow(authority, connection_limits, place).await {
                Ok(reached) => place = reached,
                Err(why) => {
                    warn!(%why, "it cannot be told whose connections must be closed; trying again");
                    tokio::time::sleep(FAILURE_PAUSE).await;
                    changed.mark_changed();
                }
            },
            // A certificate also expires, and no ledger entry says so.
            _ = rounds.tick() => {
                let mut closed = Closed::default();
                for peer in connection_limits.all() {
                    closed.look_at(authority, &peer).await;
                }
            }
        }
    }
}

/// Closes the connections of what was withdrawn behind the place; where the ledger's end is.
async fn follow(
    authority: &Authority,
    connection_limits: &ConnectionLimits,
    mut place: FeedCursor,
) -> Result<FeedCursor, Refused> {
    let mut closed = Closed::default();
    while let Some(page) = authority.feed_page(place).await? {
        for change in &page.changes {
            for peer in connection_limits.with(&change.serial_number) {
                closed.look_at(authority, &peer).await;
            }
        }
        place = page.next;
    }
    Ok(place)
}

/// Connections that were closed, for the log: one line for each principal, however many it had.
#[derive(Default)]
struct Closed(BTreeMap<Principal, usize>);

impl Closed {
    /// Closes the connection if its certificate is no longer good.
    async fn look_at(&mut self, authority: &Authority, peer: &Peer) {
        let Some(caller) = peer.caller() else { return };
        if let Err(Refused::Caller(why)) = authority.check_caller(caller).await {
            peer.revoked.set(why);
            *self.0.entry(caller.principal().clone()).or_default() += 1;
        }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        for (principal, connections) in &self.0 {
            info!(%principal, connections, "closed the connections of {principal}: its certificate is no longer good");
        }
    }
}

/// How often every open connection is looked at: 8,192 of them take some milliseconds.
const ROUND_INTERVAL: Duration = Duration::from_secs(30);

/// A store that cannot be read is not read better by asking more often.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
