//! Closes the connections of certificates that were revoked, put on hold or have expired.

use std::collections::BTreeMap;
use std::time::Duration;

use authority::{Authority, FeedCursor, Refused};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::connection_limits::ConnectionLimits;
use super::peer::Peer;

/// Follows the status changes of the ledger until it is dropped.
pub(super) async fn close_revoked(authority: &Authority, connection_limits: &ConnectionLimits) {
    let mut changed = authority.status_changes();
    let mut cursor = authority.feed_now();
    let mut rounds = interval(ROUND_INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds.tick().await;
    loop {
        tokio::select! {
            _ = changed.changed() => match follow(authority, connection_limits, cursor).await {
                Ok(reached) => cursor = reached,
                Err(why) => {
                    warn!(%why, "cannot read which certificates were revoked, to close their connections; trying again");
                    tokio::time::sleep(FAILURE_PAUSE).await;
                    changed.mark_changed();
                }
            },
            // No ledger entry says that a certificate has expired.
            _ = rounds.tick() => {
                let mut closed = Closed::default();
                for peer in connection_limits.all() {
                    closed.check(authority, &peer).await;
                }
            }
        }
    }
}

/// Closes the connections of certificates that changed after this cursor; returns the last cursor.
async fn follow(
    authority: &Authority,
    connection_limits: &ConnectionLimits,
    mut cursor: FeedCursor,
) -> Result<FeedCursor, Refused> {
    let mut closed = Closed::default();
    while let Some(page) = authority.feed_page(cursor).await? {
        for change in &page.changes {
            for peer in connection_limits.with(&change.serial_number) {
                closed.check(authority, &peer).await;
            }
        }
        cursor = page.next;
    }
    Ok(cursor)
}

/// Counts closed connections by principal, and logs one line for each when dropped.
#[derive(Default)]
struct Closed(BTreeMap<String, usize>);

impl Closed {
    async fn check(&mut self, authority: &Authority, peer: &Peer) {
        let Some(caller) = peer.caller() else { return };
        if let Err(Refused::Caller(why)) = authority.check_caller(caller).await {
            peer.revoked.set(why);
            *self.0.entry(caller.to_string()).or_default() += 1;
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

/// How often all open connections are checked: 8,192 of them take some milliseconds.
const ROUND_INTERVAL: Duration = Duration::from_secs(30);

const FAILURE_PAUSE: Duration = Duration::from_secs(1);
