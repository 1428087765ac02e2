//! A limit on the connections of unauthenticated clients (TLS handshakes, plain HTTP), shared fairly by
//! network.
//!
//! When the limit is reached, a new connection evicts an old one, of the network that has most: first an idle
//! one (no complete request), the oldest first; then one that is being answered.

mod network;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use network::Network;

pub(crate) struct NetworkLimit {
    max: usize,
    permits: Mutex<Permits>,
}

#[derive(Default)]
struct Permits {
    /// Incremented at each change of a permit: identifies it, and orders permits by age.
    last_change: u64,
    count: usize,
    networks: HashMap<Network, NetworkPermits>,
}

/// The permits of one network by the number of their last change: the first is the oldest.
#[derive(Default)]
struct NetworkPermits {
    /// Without a complete request: half a handshake, head or body, or nothing since the last response.
    idle: BTreeMap<u64, CancellationToken>,
    /// Being answered, and since when nothing was taken of the response.
    active: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// The right to one connection, given back on drop.
pub(crate) struct NetworkPermit {
    limit: Arc<NetworkLimit>,
    network: Network,
    state: Mutex<State>,
    cancel: CancellationToken,
}

#[derive(Clone, Copy)]
struct State {
    change: u64,
    active: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquired {
    Free,
    Evicted,
}

impl NetworkLimit {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, permits: Mutex::default() })
    }

    /// `None`: the limit is reached, this network has most permits, and all are active and not stalled.
    pub(crate) fn acquire(self: &Arc<Self>, from: IpAddr) -> Option<(NetworkPermit, Acquired)> {
        self.acquire_for(Network::of(from))
    }

    pub(crate) fn acquire_for(self: &Arc<Self>, network: Network) -> Option<(NetworkPermit, Acquired)> {
        let mut permits = self.permits.lock();
        let mut acquired = Acquired::Free;
        if permits.count >= self.max {
            permits.evict(network, Instant::now())?.cancel();
            acquired = Acquired::Evicted;
        }
        let (change, cancel) = (permits.next_change(), CancellationToken::new());
        permits.count += 1;
        permits.networks.entry(network).or_default().idle.insert(change, cancel.clone());
        drop(permits);
        let state = Mutex::new(State { change, active: false });
        Some((NetworkPermit { limit: Arc::clone(self), network, state, cancel }, acquired))
    }
}

impl NetworkPermit {
    /// Returns when the connection was evicted and must be closed.
    pub(crate) async fn evicted(&self) {
        self.cancel.cancelled().await;
    }

    /// A token that is cancelled when it is evicted.
    pub(crate) fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// The client has sent a request, or has taken another part of its response.
    pub(crate) fn mark_active(&self) {
        self.mark(true);
    }

    /// The client has its response; its next request is awaited.
    pub(crate) fn mark_idle(&self) {
        self.mark(false);
    }

    fn mark(&self, active: bool) {
        let mut state = self.state.lock();
        let mut permits = self.limit.permits.lock();
        // An evicted permit stays evicted.
        if !permits.remove(self.network, *state) {
            return;
        }
        *state = State { change: permits.next_change(), active };
        permits.count += 1;
        let network = permits.networks.entry(self.network).or_default();
        if active {
            network.active.insert(state.change, (Instant::now(), self.cancel.clone()));
        } else {
            network.idle.insert(state.change, self.cancel.clone());
        }
    }
}

impl Drop for NetworkPermit {
    fn drop(&mut self) {
        let state = *self.state.get_mut();
        self.limit.permits.lock().remove(self.network, state);
    }
}

impl Permits {
    fn next_change(&mut self) -> u64 {
        self.last_change += 1;
        self.last_change
    }

    /// Removes a permit; whether it was there.
    fn remove(&mut self, network: Network, state: State) -> bool {
        let Some(permits) = self.networks.get_mut(&network) else { return false };
        let removed = match state.active {
            true => permits.active.remove(&state.change).is_some(),
            false => permits.idle.remove(&state.change).is_some(),
        };
        if permits.count() == 0 {
            self.networks.remove(&network);
        }
        self.count -= usize::from(removed);
        removed
    }

    /// Of the network that has most. Active connections of one network do not evict each other.
    fn evict(&mut self, newcomer: Network, now: Instant) -> Option<CancellationToken> {
        // Of several networks with as many, the one with the oldest idle permit.
        let (largest, permits) = self.networks.iter().max_by_key(|(_, permits)| {
            (permits.count(), permits.idle.keys().next().map(|oldest| Reverse(*oldest)))
        })?;
        let largest = *largest;
        let (state, cancel) = match (permits.idle.iter().next(), permits.active.iter().next()) {
            (Some((change, cancel)), _) => (State { change: *change, active: false }, cancel.clone()),
            (None, Some((change, (since, cancel))))
                if largest != newcomer || now.saturating_duration_since(*since) >= STALLED_AFTER =>
            {
                (State { change: *change, active: true }, cancel.clone())
            }
            _ => return None,
        };
        self.remove(largest, state);
        Some(cancel)
    }
}

impl NetworkPermits {
    fn count(&self) -> usize {
        self.idle.len() + self.active.len()
    }
}

/// A client that takes no part of its response for this long can be evicted. A part is up to 64 KiB of a CRL,
/// so only readers slower than 64 KiB/s are at risk, and only while the limit is reached.
const STALLED_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
