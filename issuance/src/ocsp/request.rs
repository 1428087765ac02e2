//! OCSP requests, which anybody can send.

use identity::SerialNumber;
use identity::der::{
    BIT_STRING, CONTEXT_0_CONSTRUCTED, CONTEXT_1_CONSTRUCTED, CONTEXT_2_CONSTRUCTED, INTEGER, NULL, NotDer,
    OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, only,
};

use super::OcspError;
use crate::reading::{extensions, oid};

/// A strictly parsed `OCSPRequest` (RFC 6960, section 4.1). A signature on it is ignored: anybody may ask.
#[derive(Debug, Clone)]
pub struct OcspRequest<'a> {
    /// The certificates that the request is about: 1 to [`CERT_IDS_MAX`].
    pub cert_ids: Vec<CertId<'a>>,
    /// The nonce to repeat in the response: 1 to 128 octets (RFC 9654; R-OCSP-03).
    pub nonce: Option<&'a [u8]>,
}

/// One CertID of a request.
#[derive(Debug, Clone, Copy)]
pub struct CertId<'a> {
    /// The CertID as the client encoded it; repeated byte for byte (R-OCSP-02).
    pub cert_id: &'a [u8],
    pub(super) hash: CertIdHash,
    pub(super) issuer_name_hash: &'a [u8],
    pub(super) issuer_key_hash: &'a [u8],
    serial: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertIdHash {
    Sha1,
    Sha256,
    Other,
}

impl<'a> OcspRequest<'a> {
    /// Parses a request.
    ///
    /// # Errors
    /// [`OcspError::MalformedRequest`] when it is not strict DER, names no or too many certificates, or has a
    /// critical extension.
    pub fn from_der(der: &'a [u8]) -> Result<Self, OcspError> {
        if der.len() > REQUEST_BYTES_MAX {
            return Err(OcspError::MalformedRequest);
        }
        read(der).map_err(|NotDer| OcspError::MalformedRequest)
    }
}

impl CertId<'_> {
    /// The serial number; `None` when it cannot be one of ours.
    pub fn serial_number(&self) -> Option<SerialNumber> {
        SerialNumber::try_from(self.serial).ok()
    }
}

fn read(der: &[u8]) -> Result<OcspRequest<'_>, NotDer> {
    let mut outer = only(der, SEQUENCE)?.elements()?;
    let mut fields = outer.expect(SEQUENCE)?.elements()?;
    if let Some(signature) = outer.optional(CONTEXT_0_CONSTRUCTED)? {
        let mut parts = only(signature.content, SEQUENCE)?.elements()?;
        parts.expect(SEQUENCE)?;
        parts.expect(BIT_STRING)?;
    }
    outer.end()?;
    // DER omits version DEFAULT v1, and there is no other version. requestorName is ignored.
    fields.optional(CONTEXT_1_CONSTRUCTED)?;
    let mut list = fields.expect(SEQUENCE)?.elements()?;
    let mut cert_ids = Vec::with_capacity(1);
    while !list.is_empty() {
        if cert_ids.len() == CERT_IDS_MAX {
            return Err(NotDer);
        }
        cert_ids.push(cert_id(list.expect(SEQUENCE)?.content)?);
    }
    let nonce = match fields.optional(CONTEXT_2_CONSTRUCTED)? {
        Some(explicit) => nonce(explicit.content)?,
        None => None,
    };
    fields.end()?;
    if cert_ids.is_empty() { Err(NotDer) } else { Ok(OcspRequest { cert_ids, nonce }) }
}

fn cert_id(content: &[u8]) -> Result<CertId<'_>, NotDer> {
    let mut parts = identity::der::Elements::new(content)?;
    let cert_id = parts.expect(SEQUENCE)?;
    if let Some(explicit) = parts.optional(CONTEXT_0_CONSTRUCTED)? {
        let list = extensions(only(explicit.content, SEQUENCE)?)?;
        if list.iter().any(|extension| extension.critical) {
            return Err(NotDer);
        }
    }
    parts.end()?;
    let mut fields = cert_id.elements()?;
    let mut algorithm = fields.expect(SEQUENCE)?.elements()?;
    let hash = match algorithm.expect(OBJECT_IDENTIFIER)?.content {
        SHA1 => CertIdHash::Sha1,
        SHA256 => CertIdHash::Sha256,
        _ => CertIdHash::Other,
    };
    if hash != CertIdHash::Other {
        // Parameters are NULL or, by RFC 5754 for SHA-256, absent; clients send both.
        algorithm.optional(NULL)?;
        algorithm.end()?;
    }
    let issuer_name_hash = fields.expect(OCTET_STRING)?.content;
    let issuer_key_hash = fields.expect(OCTET_STRING)?.content;
    let serial = fields.expect(INTEGER)?.content;
    fields.end()?;
    identity::der::check_values(cert_id.raw)?;
    Ok(CertId { cert_id: cert_id.raw, hash, issuer_name_hash, issuer_key_hash, serial })
}

/// The nonce among the request's extensions. Any other critical extension is refused.
fn nonce(explicit: &[u8]) -> Result<Option<&[u8]>, NotDer> {
    let mut nonce = None;
    for extension in extensions(only(explicit, SEQUENCE)?)? {
        if extension.oid == oid::OCSP_NONCE {
            let value = only(extension.value, OCTET_STRING)?.content;
            if nonce.is_some() || !(1..=NONCE_BYTES_MAX).contains(&value.len()) {
                return Err(NotDer);
            }
            nonce = Some(value);
        } else if extension.critical {
            return Err(NotDer);
        }
    }
    Ok(nonce)
}

/// The most certificates in one request (R-OCSP-09); the response then has a few kilobytes.
pub const CERT_IDS_MAX: usize = 20;

/// "Clients that include a nonce MUST … 1 to 128 octets" (RFC 9654, section 2.1; R-OCSP-03: below 32 too, as
/// openssl and GnuTLS send).
const NONCE_BYTES_MAX: usize = 128;

/// Twenty CertIDs with SHA-512 and a signature with its chain take under 16 kB.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// id-sha1.
const SHA1: &[u8] = &[0x2b, 14, 3, 2, 26];

/// id-sha256.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
