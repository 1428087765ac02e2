//! What a caller shows. A front door makes a proof from the connection, and from nothing else.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use identity::KeyFingerprint;

/// What a caller shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A client certificate under our root, the key of which was proven by TLS.
    Certificate(PeerCertificate),
    /// A token of an identity provider.
    Token(Token),
    /// A self-signed client certificate: it proves possession of this key, and no more.
    BareKey(KeyFingerprint),
}

/// A client certificate that chains to our root and was valid at the handshake, or was allowed to be late or
/// early. Whether it is on record, unrevoked and still valid is asked of the ledger on every call (ADR 0009).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    der: Arc<[u8]>,
    digest: [u8; 32],
}

impl PeerCertificate {
    /// From X.509 DER.
    pub fn new(der: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, der).as_ref());
        Self { der: der.into(), digest: hash }
    }

    /// X.509 DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of [`Self::der`].
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// A token of an identity provider, verified by its front door. No operation takes one yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The subject that the provider names, unique for the issuer.
    pub subject: String,
    /// The provider's identifier, an `https` URL.
    pub issuer: String,
    /// When the token expires.
    pub expires: SystemTime,
}
