//! Limits on calls in flight.

use std::net::Ipv4Addr;
use std::sync::Arc;

use authority::CallerRefused;
use tokio_util::sync::CancellationToken;

use super::super::peer::{Identity, Peer};
use super::super::quota::{PerClientQuota, QuotaPermit};
use super::methods::Method;
use crate::grpc::CallRejected;
use crate::network_limit::{Network, NetworkLimit, NetworkPermit};

pub(super) struct CallLimits {
    quota: Arc<PerClientQuota>,
    anonymous: Arc<NetworkLimit>,
    bare_keys: Arc<NetworkLimit>,
    refused: Arc<NetworkLimit>,
}

/// The right to one call, given back on drop.
pub(super) enum CallPermit {
    Principal {
        _quota: QuotaPermit,
    },
    /// May be evicted for another call, which takes milliseconds or can be made again. Never active.
    Evictable(NetworkPermit),
}

impl CallLimits {
    pub(super) fn new(quota: Arc<PerClientQuota>) -> Self {
        let limit = || NetworkLimit::new(EVICTABLE_CALLS_MAX);
        Self { quota, anonymous: limit(), bare_keys: limit(), refused: limit() }
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
        let (permit, _) = shared.acquire_for(network).ok_or(CallRejected::Overloaded)?;
        Ok(CallPermit::Evictable(permit))
    }
}

impl CallPermit {
    /// Cancelled when the call is evicted; `None`: it never is.
    pub(super) fn evicted(&self) -> Option<CancellationToken> {
        match self {
            Self::Principal { .. } => None,
            Self::Evictable(permit) => Some(permit.token()),
        }
    }
}

/// Calls in flight of anonymous clients, of bare keys, and of refused clients, each.
const EVICTABLE_CALLS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_network_that_fills_the_limit_evicts_its_own_calls_only() {
        let limit = NetworkLimit::new(EVICTABLE_CALLS_MAX);
        let acquired = |address: &str| limit.acquire(address.parse().unwrap()).unwrap().0;
        let evicted = |permit: &NetworkPermit| permit.evicted().now_or_never().is_some();
        let honest = acquired("192.0.2.1");
        let flood: Vec<_> = (0..3 * EVICTABLE_CALLS_MAX).map(|_| acquired("198.51.100.1")).collect();
        assert!(!evicted(&honest));
        let count = flood.iter().take_while(|permit| evicted(permit)).count();
        assert_eq!(count, 2 * EVICTABLE_CALLS_MAX + 1, "the oldest go first");
        assert!(flood[count..].iter().all(|permit| !evicted(permit)));
    }
}
