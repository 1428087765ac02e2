//! Who is at the other end of a connection, as far as TLS knows.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

/// The certificate that the other end proved to hold, in each request's extensions.
///
/// It chains to our root and was within its time at the handshake. That is all: whether it is on record, unrevoked, and still
/// within its time is asked of the ledger on every call (ADR 0009).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerCertificate(Option<Shown>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    der: Arc<[u8]>,
    digest: [u8; 32],
}

impl PeerCertificate {
    /// From X.509 DER; `None` when the other end showed no certificate, which is enough for health only.
    pub fn new(der: Option<&[u8]>) -> Self {
        Self(der.map(|der| {
            let mut hash = [0; 32];
            hash.copy_from_slice(digest(&SHA256, der).as_ref());
            Shown { der: der.into(), digest: hash }
        }))
    }

    /// X.509 DER.
    pub fn der(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|shown| shown.der.as_ref())
    }

    /// SHA-256 of it: the same for the very same bytes only.
    pub fn digest(&self) -> Option<&[u8; 32]> {
        self.0.as_ref().map(|shown| &shown.digest)
    }
}
