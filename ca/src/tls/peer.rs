//! Who is at the other end of a connection, as far as TLS knows.

use std::sync::Arc;

/// The certificate that the other end proved to hold, in each request's extensions.
///
/// It chains to our root and was within its time at the handshake. That is all: whether it is on record, unrevoked, and still
/// within its time is asked of the ledger on every call (DESIGN 4.7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerCertificate(
    /// X.509 DER; `None` when the other end showed no certificate, which is enough for health only.
    pub Option<Arc<[u8]>>,
);
