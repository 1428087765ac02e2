//! Who is at the other end of one connection, in the extensions of each of its requests.

use std::sync::{Arc, OnceLock};

use authority::{Caller, CallerRefused, PeerCertificate};
use tokio_util::sync::CancellationToken;

use super::holders::Holder;

/// The other end of a connection, as it was when it came in. Whether its certificate is still good is asked again on every call (ADR 0009).
pub(super) struct Visitor {
    pub(super) peer: PeerCertificate,
    pub(super) who: Who,
    pub(super) withdrawn: Withdrawn,
}

/// Whom the ledger knows it to be.
pub(super) enum Who {
    /// It showed no certificate.
    Nobody,
    /// It showed one with which nobody may call: not on record, revoked, on hold, or ended. It is told so, and no more.
    Refused,
    /// A principal that may call.
    Known {
        /// What it is.
        caller: Caller,
        /// What it holds of the places.
        holder: Arc<Holder>,
    },
}

/// Set once the certificate of the connection was withdrawn.
#[derive(Default)]
pub(super) struct Withdrawn {
    signal: CancellationToken,
    why: OnceLock<CallerRefused>,
}

impl Visitor {
    pub(super) fn nobody() -> Self {
        Self { peer: PeerCertificate::default(), who: Who::Nobody, withdrawn: Withdrawn::default() }
    }

    pub(super) fn refused(peer: PeerCertificate) -> Self {
        Self { peer, who: Who::Refused, withdrawn: Withdrawn::default() }
    }

    pub(super) fn known(peer: PeerCertificate, caller: Caller, holder: Arc<Holder>) -> Self {
        Self { peer, who: Who::Known { caller, holder }, withdrawn: Withdrawn::default() }
    }

    /// Who calls, if it is somebody who may.
    pub(super) fn caller(&self) -> Option<&Caller> {
        match &self.who {
            Who::Known { caller, .. } => Some(caller),
            Who::Nobody | Who::Refused => None,
        }
    }
}

impl Withdrawn {
    /// Ends everything on the connection.
    pub(super) fn now(&self, why: CallerRefused) {
        self.why.set(why).ok();
        self.signal.cancel();
    }

    /// Waits for it. What waits may outlive the connection.
    pub(super) fn signal(&self) -> CancellationToken {
        self.signal.clone()
    }

    /// Why, once it has been.
    pub(super) fn why(&self) -> CallerRefused {
        self.why.get().copied().unwrap_or(CallerRefused::Revoked)
    }
}
