//! Limits on open gRPC connections: quotas of principals (`quota.rs`), and small limits by network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use identity::SerialNumber;
use parking_lot::Mutex;

use super::peer::{Identity, Peer};
use super::quota::{PerClientQuota, QuotaPermit};
use crate::config::Limits;
use crate::network_limit::{Acquired, NetworkLimit, NetworkPermit};

/// The limits, and an index of the open connections of principals.
pub(super) struct ConnectionLimits {
    quota: Arc<PerClientQuota>,
    anonymous: Arc<NetworkLimit>,
    bare_keys: Arc<NetworkLimit>,
    refused: Arc<NetworkLimit>,
    /// Open connections by the serial number of their client's certificate.
    open: Mutex<HashMap<SerialNumber, Vec<Weak<Peer>>>>,
}

/// The right to one connection, given back on drop.
pub(super) enum ConnectionPermit {
    Principal {
        _permit: PrincipalPermit,
    },
    /// Of a client that is no principal: may be evicted for another one.
    Evictable(NetworkPermit),
}

pub(super) struct PrincipalPermit {
    _quota: QuotaPermit,
    limits: Arc<ConnectionLimits>,
    certificate: Option<SerialNumber>,
    peer: Weak<Peer>,
}

impl ConnectionLimits {
    pub(super) fn new(limits: &Limits, quota: Arc<PerClientQuota>) -> Arc<Self> {
        Arc::new(Self {
            quota,
            anonymous: NetworkLimit::new(limits.anonymous_connections_max),
            bare_keys: NetworkLimit::new(BARE_KEY_CONNECTIONS_MAX),
            refused: NetworkLimit::new(REFUSED_CONNECTIONS_MAX),
            open: Mutex::default(),
        })
    }

    /// A permit, and whether another connection was evicted for it; `None`: the limit is reached.
    pub(super) fn acquire(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        from: IpAddr,
    ) -> Option<(ConnectionPermit, Acquired)> {
        let limit = match &peer.identity {
            Identity::Anonymous => &self.anonymous,
            Identity::BareKey => &self.bare_keys,
            Identity::Refused => &self.refused,
            Identity::Principal { caller, usage } => {
                let quota = self.quota.acquire_connection(usage)?;
                let (certificate, peer) = (caller.credential(), Arc::downgrade(peer));
                if let Some(certificate) = certificate {
                    self.open.lock().entry(certificate).or_default().push(Weak::clone(&peer));
                }
                let permit = PrincipalPermit { _quota: quota, limits: Arc::clone(self), certificate, peer };
                return Some((ConnectionPermit::Principal { _permit: permit }, Acquired::Free));
            }
        };
        limit.acquire(from).map(|(permit, acquired)| (ConnectionPermit::Evictable(permit), acquired))
    }

    pub(super) fn with(&self, certificate: &SerialNumber) -> Vec<Arc<Peer>> {
        let open = self.open.lock();
        open.get(certificate).map(|all| all.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
    }

    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        self.open.lock().values().flatten().filter_map(Weak::upgrade).collect()
    }
}

impl ConnectionPermit {
    /// Returns when the connection was evicted and must be closed; a principal's never is.
    pub(super) async fn evicted(&self) {
        match self {
            Self::Principal { .. } => std::future::pending().await,
            Self::Evictable(permit) => permit.evicted().await,
        }
    }
}

impl Drop for PrincipalPermit {
    fn drop(&mut self) {
        let Some(certificate) = self.certificate else { return };
        let mut open = self.limits.open.lock();
        if let Some(all) = open.get_mut(&certificate) {
            all.retain(|peer| !Weak::ptr_eq(peer, &self.peer));
            if all.is_empty() {
                open.remove(&certificate);
            }
        }
    }
}

/// Connections of clients that only proved a key. Anybody can make keys, so they share by network.
const BARE_KEY_CONNECTIONS_MAX: usize = 64;

/// Connections of clients whose certificate is refused: to refuse their calls takes milliseconds.
const REFUSED_CONNECTIONS_MAX: usize = 64;
