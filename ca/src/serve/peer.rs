//! The client of one connection, in the extensions of each of its requests.

use std::sync::{Arc, OnceLock};

use authority::{Caller, CallerRefused, PeerCertificate};
use tokio_util::sync::CancellationToken;

use super::quota::ClientUsage;

/// The client of a connection as it was identified when it connected. Whether its certificate is still good is
/// checked again on every call (ADR 0009).
pub(super) struct Peer {
    /// The certificate of the TLS handshake.
    pub(super) certificate: PeerCertificate,
    pub(super) identity: Identity,
    pub(super) revoked: RevokedSignal,
}

/// What the ledger knows of the certificate.
pub(super) enum Identity {
    /// There is none.
    Anonymous,
    /// It is not on record, revoked, on hold or expired: every call is refused with the reason.
    Refused,
    /// It belongs to a principal that may call.
    Principal {
        /// The principal, its role and its certificate.
        caller: Caller,
        /// What it uses of its quota.
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
    /// A client without a certificate.
    pub(super) fn anonymous() -> Self {
        Self::new(PeerCertificate::default(), Identity::Anonymous)
    }

    /// A client whose certificate is refused.
    pub(super) fn refused(certificate: PeerCertificate) -> Self {
        Self::new(certificate, Identity::Refused)
    }

    /// A client that may call.
    pub(super) fn principal(certificate: PeerCertificate, caller: Caller, usage: Arc<ClientUsage>) -> Self {
        Self::new(certificate, Identity::Principal { caller, usage })
    }

    fn new(certificate: PeerCertificate, identity: Identity) -> Self {
        Self { certificate, identity, revoked: RevokedSignal::default() }
    }

    /// The caller, if it may call.
    pub(super) fn caller(&self) -> Option<&Caller> {
        match &self.identity {
            Identity::Principal { caller, .. } => Some(caller),
            Identity::Anonymous | Identity::Refused => None,
        }
    }
}

impl RevokedSignal {
    /// Ends every call on the connection, and then the connection.
    pub(super) fn set(&self, why: CallerRefused) {
        self.why.set(why).ok();
        self.signal.cancel();
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
