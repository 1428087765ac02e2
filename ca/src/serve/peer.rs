//! The client of one connection, in the extensions of each of its requests.

use std::sync::{Arc, OnceLock};

use authority::{Caller, CallerRefused, Proof};
use tokio_util::sync::CancellationToken;

use super::quota::ClientUsage;
use crate::network_limit::Network;

/// The client as it connected. Whether its certificate is still good is asked on every call (ADR 0009).
pub(super) struct Peer {
    /// What it proved in the TLS handshake; `None`: it showed no certificate.
    pub(super) proof: Option<Proof>,
    pub(super) identity: Identity,
    pub(super) network: Network,
    pub(super) revoked: RevokedSignal,
}

pub(super) enum Identity {
    Anonymous,
    /// It showed a self-signed certificate, which proves possession of a key and no more.
    BareKey,
    /// Its certificate is not on record, revoked, on hold or expired: every call is refused with the reason.
    Refused,
    /// Its certificate belongs to a principal that may call.
    Principal {
        caller: Caller,
        usage: Arc<ClientUsage>,
    },
}

/// Set once the certificate of the connection was revoked, put on hold or has expired.
#[derive(Default)]
pub(super) struct RevokedSignal {
    signal: CancellationToken,
    why: OnceLock<CallerRefused>,
}

impl Peer {
    pub(super) fn new(proof: Option<Proof>, identity: Identity, network: Network) -> Self {
        Self { proof, identity, network, revoked: RevokedSignal::default() }
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        match &self.identity {
            Identity::Principal { caller, .. } => Some(caller),
            Identity::Anonymous | Identity::BareKey | Identity::Refused => None,
        }
    }
}

impl RevokedSignal {
    /// Ends every call on the connection, and then the connection.
    pub(super) fn set(&self, why: CallerRefused) {
        self.why.set(why).ok();
        self.signal.cancel();
    }

    pub(super) fn is_set(&self) -> bool {
        self.signal.is_cancelled()
    }

    /// A token that is cancelled when the signal is set. It may outlive the connection.
    pub(super) fn token(&self) -> CancellationToken {
        self.signal.clone()
    }

    /// Why the certificate is no longer good, once the signal is set.
    pub(super) fn why(&self) -> CallerRefused {
        self.why.get().copied().unwrap_or(CallerRefused::Revoked)
    }
}
