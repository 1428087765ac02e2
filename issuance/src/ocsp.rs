//! OCSP requests and responses (RFC 6960, RFC 9654).
//!
//! Written here over the strict readers of `identity::der`: the one crate for OCSP copies what it reads,
//! would re-encode the client's CertID, and enables features of a crate that the workspace shares (ADR 0018).

mod lint;
mod request;
mod response;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::Certificate;

pub use request::{CERT_IDS_MAX, CertId, OcspRequest};
pub use response::{OcspCertStatus, OcspSigner, PreparedOcsp, SingleResponse, ocsp_response};

/// An unsigned OCSP response: `OCSPResponseStatus` other than successful (RFC 6960, section 2.3; R-OCSP-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OcspError {
    /// The request cannot be parsed.
    #[error("the OCSP request is malformed")]
    MalformedRequest,
    /// The responder has a fault.
    #[error("the OCSP responder has a fault")]
    InternalError,
    /// The responder cannot answer now.
    #[error("the OCSP responder cannot answer now")]
    TryLater,
    /// The request is not about one of our issuers.
    #[error("the OCSP request is about another issuer")]
    Unauthorized,
}

impl OcspError {
    /// `SEQUENCE { ENUMERATED }`: five octets.
    pub const fn der(self) -> [u8; 5] {
        let code = match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::Unauthorized => 6,
        };
        [0x30, 3, 0x0a, 1, code]
    }
}

/// The hashes that identify an issuer in a CertID.
#[derive(Debug, Clone)]
pub struct OcspIssuer {
    sha1: [Digest; 2],
    sha256: [Digest; 2],
}

impl OcspIssuer {
    /// Computes the hashes of this issuer.
    pub fn of(issuer: &Certificate) -> Self {
        let hashes = |algorithm| {
            [issuer.subject(), issuer.public_key().key_bits()].map(|hashed| digest(algorithm, hashed))
        };
        Self { sha1: hashes(&SHA1_FOR_LEGACY_USE_ONLY), sha256: hashes(&SHA256) }
    }

    /// Whether the CertID names this issuer, by SHA-1 or SHA-256 (R-OCSP-02); any other hash matches no
    /// issuer.
    pub fn matches(&self, question: &CertId<'_>) -> bool {
        let hashes = match question.hash {
            request::CertIdHash::Sha1 => &self.sha1,
            request::CertIdHash::Sha256 => &self.sha256,
            request::CertIdHash::Other => return false,
        };
        let [name, key] = hashes;
        question.issuer_name_hash == name.as_ref() && question.issuer_key_hash == key.as_ref()
    }
}
