//! Limits on calls in flight.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};

use authority::CallerRefused;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::peer::{Identity, Peer};
use super::super::quota::{PerClientQuota, QuotaPermit};
use super::methods::Method;
use crate::grpc::CallRejected;
use crate::network_limit::Network;

/// The limits for each kind of client.
pub(super) struct CallLimits {
    quota: Arc<PerClientQuota>,
    /// Of clients without a certificate, which may call health only.
    anonymous: SharedByNetwork,
    /// Of clients that only proved a key.
    bare_keys: SharedByNetwork,
    /// Of clients whose certificate is refused.
    refused: SharedByNetwork,
}

/// The right to one call, given back on drop.
pub(super) enum CallPermit {
    /// Of a principal's quota.
    Principal { _quota: QuotaPermit },
    /// May be evicted for another call.
    Evictable(Arc<CancellationToken>),
}

/// Calls in flight, the oldest first. When the limit is reached, a new one evicts the oldest of the network
/// that has most.
#[derive(Default)]
struct SharedByNetwork(Mutex<VecDeque<(Network, Weak<CancellationToken>)>>);

impl CallLimits {
    pub(super) fn new(quota: Arc<PerClientQuota>) -> Self {
        Self {
            quota,
            anonymous: SharedByNetwork::default(),
            bare_keys: SharedByNetwork::default(),
            refused: SharedByNetwork::default(),
        }
    }

    /// A permit for one call of this client.
    pub(super) fn acquire(&self, method: &Method, peer: Option<&Peer>) -> Result<CallPermit, CallRejected> {
        let anonymous = (&Identity::Anonymous, Network::of(Ipv4Addr::UNSPECIFIED.into()));
        let (identity, network) = peer.map_or(anonymous, |peer| (&peer.identity, peer.network));
        let shared = match identity {
            Identity::Principal { usage, .. } => {
                let quota = self.quota.acquire_call(usage).ok_or(CallRejected::Overloaded)?;
                return Ok(CallPermit::Principal { _quota: quota });
            }
            Identity::Refused => &self.refused,
            Identity::BareKey => &self.bare_keys,
            Identity::Anonymous if method.open => &self.anonymous,
            Identity::Anonymous => return Err(CallRejected::Caller(CallerRefused::Anonymous)),
        };
        Ok(CallPermit::Evictable(shared.acquire(network)))
    }
}

impl CallPermit {
    /// Cancelled when the call is evicted; `None`: it never is.
    pub(super) fn evicted(&self) -> Option<CancellationToken> {
        match self {
            Self::Principal { .. } => None,
            Self::Evictable(evicted) => Some(evicted.as_ref().clone()),
        }
    }
}

impl SharedByNetwork {
    /// A health check or a refusal takes milliseconds, and a client that watches health can watch again.
    fn acquire(&self, network: Network) -> Arc<CancellationToken> {
        let mut calls = self.0.lock();
        if calls.len() >= EVICTABLE_CALLS_MAX {
            calls.retain(|(_, call)| call.strong_count() > 0);
        }
        if calls.len() >= EVICTABLE_CALLS_MAX
            && let Some((_, oldest)) = oldest_of_largest(&calls).and_then(|index| calls.remove(index))
            && let Some(oldest) = oldest.upgrade()
        {
            oldest.cancel();
        }
        let evicted = Arc::new(CancellationToken::new());
        calls.push_back((network, Arc::downgrade(&evicted)));
        evicted
    }
}

/// The index of the oldest call of the network that has most calls; of several such networks, the oldest of
/// all.
fn oldest_of_largest(calls: &VecDeque<(Network, Weak<CancellationToken>)>) -> Option<usize> {
    let mut counts: HashMap<Network, usize> = HashMap::new();
    for (network, _) in calls {
        *counts.entry(*network).or_default() += 1;
    }
    let most = counts.values().max()?;
    calls.iter().position(|(network, _)| counts.get(network) == Some(most))
}

/// Calls in flight of anonymous clients, of bare keys, and of refused clients, each.
const EVICTABLE_CALLS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_network_that_fills_the_limit_evicts_its_own_calls_only() {
        let calls = SharedByNetwork::default();
        let network = |address: &str| Network::of(address.parse::<IpAddr>().unwrap());
        let honest = calls.acquire(network("192.0.2.1"));
        let flood: Vec<_> =
            (0..3 * EVICTABLE_CALLS_MAX).map(|_| calls.acquire(network("198.51.100.1"))).collect();
        assert!(!honest.is_cancelled());
        let evicted = flood.iter().take_while(|call| call.is_cancelled()).count();
        assert_eq!(evicted, 2 * EVICTABLE_CALLS_MAX + 1, "the oldest go first");
        assert!(flood[evicted..].iter().all(|call| !call.is_cancelled()));
    }
}
