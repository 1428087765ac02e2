//! Limits on calls in flight.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use authority::CallerRefused;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::peer::{Identity, Peer};
use super::super::quota::{PerClientQuota, QuotaPermit};
use super::methods::Method;
use crate::grpc::CallRejected;

/// The limits for each kind of client.
pub(super) struct CallLimits {
    quota: Arc<PerClientQuota>,
    /// Of clients without a certificate, which may call health only.
    anonymous: EvictOldest,
    /// Of clients whose certificate is refused.
    refused: EvictOldest,
}

/// The right to one call, given back on drop.
pub(super) enum CallPermit {
    /// Of a principal's quota.
    Principal { _quota: QuotaPermit },
    /// May be evicted for another call.
    Evictable(Arc<CancellationToken>),
}

/// Calls in flight: when the limit is reached, a new one evicts the oldest.
#[derive(Default)]
struct EvictOldest(Mutex<VecDeque<Weak<CancellationToken>>>);

impl CallLimits {
    pub(super) fn new(quota: Arc<PerClientQuota>) -> Self {
        Self { quota, anonymous: EvictOldest::default(), refused: EvictOldest::default() }
    }

    /// A permit for one call of this client.
    pub(super) fn acquire(&self, method: &Method, peer: Option<&Peer>) -> Result<CallPermit, CallRejected> {
        match peer.map(|peer| &peer.identity) {
            Some(Identity::Principal { usage, .. }) => {
                let quota = self.quota.acquire_call(usage).ok_or(CallRejected::Overloaded)?;
                Ok(CallPermit::Principal { _quota: quota })
            }
            Some(Identity::Refused) => Ok(CallPermit::Evictable(self.refused.acquire())),
            Some(Identity::Anonymous) | None if method.open => {
                Ok(CallPermit::Evictable(self.anonymous.acquire()))
            }
            Some(Identity::Anonymous) | None => Err(CallRejected::Caller(CallerRefused::Anonymous)),
        }
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

impl EvictOldest {
    /// A health check or a refusal takes milliseconds, and a client that watches health can watch again.
    fn acquire(&self) -> Arc<CancellationToken> {
        let mut calls = self.0.lock();
        if calls.len() >= EVICTABLE_CALLS_MAX {
            calls.retain(|call| call.strong_count() > 0);
        }
        if calls.len() >= EVICTABLE_CALLS_MAX
            && let Some(oldest) = calls.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.cancel();
        }
        let evicted = Arc::new(CancellationToken::new());
        calls.push_back(Arc::downgrade(&evicted));
        evicted
    }
}

/// Calls in flight of anonymous clients, and of refused ones.
const EVICTABLE_CALLS_MAX: usize = 64;
