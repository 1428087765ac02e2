//! OCSP responses, signed by a delegate of the issuer.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use identity::RevocationReason;
use identity::der::{
    CONTEXT_0, CONTEXT_0_CONSTRUCTED, CONTEXT_1_CONSTRUCTED, CONTEXT_2_CONSTRUCTED, ENUMERATED,
    OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
};

use super::lint;
use crate::encode::{SIGNATURE_BYTES_MAX, check_signature, element, enclose, nested, signed_tail, wrapped};
use crate::lint::ensure;
use crate::reading::oid;
use crate::time::write_generalized;
use crate::{Certificate, Refusal, SignatureAlgorithm};

/// `CertStatus` of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OcspCertStatus {
    /// Issued, and neither revoked nor held.
    Good,
    /// Revoked or held; time and reason are those of the CRL entry (R-OCSP-05).
    Revoked {
        /// revocationTime, in whole seconds.
        at: SystemTime,
        /// revocationReason.
        reason: RevocationReason,
    },
    /// Never issued (R-OCSP-04: not "good").
    Unknown,
}

/// The status of one certificate.
#[derive(Debug, Clone, Copy)]
pub struct SingleResponse<'a> {
    /// The client's CertID, byte for byte.
    pub cert_id: &'a [u8],
    /// The certificate's status.
    pub status: OcspCertStatus,
    /// thisUpdate.
    pub this_update: SystemTime,
    /// nextUpdate: clients use the response until then.
    pub next_update: SystemTime,
}

/// The public part of the delegate that signs responses for an issuer (R-OCSP-06).
#[derive(Debug, Clone)]
pub struct OcspSigner {
    /// `[2] { OCTET STRING }`: SHA-1 of the key.
    by_key: Vec<u8>,
    /// `[0] { SEQUENCE { Certificate } }`.
    certificates: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl OcspSigner {
    /// Takes the delegate's certificate, of the profile `ocsp-signer`.
    ///
    /// # Errors
    /// When such a key cannot sign responses.
    pub fn new(certificate: &Certificate) -> Result<Self, Refusal> {
        let algorithm = SignatureAlgorithm::of(certificate.public_key())
            .ok_or(Refusal::Encoding { what: "an OCSP response by such a key" })?;
        ensure(
            !certificate.is_ca(),
            "R-OCSP-06",
            "OCSP responses are signed by a delegate, not by the issuer",
        )?;
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.public_key().key_bits());
        let by_key = wrapped(CONTEXT_2_CONSTRUCTED, &wrapped(OCTET_STRING, hash.as_ref()));
        let certificates = wrapped(CONTEXT_0_CONSTRUCTED, &wrapped(SEQUENCE, certificate.der()));
        Ok(Self { by_key, certificates, algorithm })
    }
}

/// Builds and lints a response; fails closed. A response without `nonce` can be cached and sent to other
/// clients.
///
/// # Errors
/// When a rule would be broken.
pub fn ocsp_response<'a>(
    answers: &[SingleResponse<'_>],
    responder: &'a OcspSigner,
    produced_at: SystemTime,
    nonce: Option<&[u8]>,
) -> Result<PreparedOcsp<'a>, Refusal> {
    let mut tbs = Vec::with_capacity((answers.len() + 1) * SINGLE_BYTES_USUAL);
    nested(&mut tbs, SEQUENCE, |content| {
        content.extend_from_slice(&responder.by_key);
        write_generalized(content, produced_at)?;
        nested(content, SEQUENCE, |singles| answers.iter().try_for_each(|answer| single(answer, singles)))?;
        if let Some(nonce) = nonce {
            nested(content, CONTEXT_1_CONSTRUCTED, |explicit| {
                nested(explicit, SEQUENCE, |list| {
                    nested(list, SEQUENCE, |fields| nonce_extension(nonce, fields))
                });
            });
        }
        Ok::<_, Refusal>(())
    })?;
    lint::lint(&tbs, &lint::Expected { answers, by_key: &responder.by_key, produced_at, nonce })?;
    Ok(PreparedOcsp { tbs, responder })
}

fn single(answer: &SingleResponse<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    nested(out, SEQUENCE, |fields| {
        fields.extend_from_slice(answer.cert_id);
        match answer.status {
            OcspCertStatus::Good => fields.extend_from_slice(&[CONTEXT_0, 0]),
            OcspCertStatus::Unknown => fields.extend_from_slice(&[CONTEXT_0 | 2, 0]),
            OcspCertStatus::Revoked { at, reason } => {
                nested(fields, CONTEXT_1_CONSTRUCTED, |revoked| revoked_info(at, reason, revoked))?;
            }
        }
        write_generalized(fields, answer.this_update)?;
        nested(fields, CONTEXT_0_CONSTRUCTED, |next| write_generalized(next, answer.next_update))
    })
}

fn revoked_info(at: SystemTime, reason: RevocationReason, out: &mut Vec<u8>) -> Result<(), Refusal> {
    write_generalized(out, at)?;
    // As in a CRL (R-CRL-05, R-OCSP-05), unspecified is omitted.
    if reason != RevocationReason::Unspecified {
        out.extend_from_slice(&[CONTEXT_0_CONSTRUCTED, 3, ENUMERATED, 1, reason.code()]);
    }
    Ok(())
}

/// The client's nonce (RFC 9654, section 2.1).
fn nonce_extension(nonce: &[u8], out: &mut Vec<u8>) {
    element(out, OBJECT_IDENTIFIER, oid::OCSP_NONCE);
    nested(out, OCTET_STRING, |value| element(value, OCTET_STRING, nonce));
}

/// A response that is ready to be signed.
#[derive(Debug)]
pub struct PreparedOcsp<'a> {
    tbs: Vec<u8>,
    responder: &'a OcspSigner,
}

impl PreparedOcsp<'_> {
    /// The exact bytes to sign.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.tbs
    }

    /// The complete `OCSPResponse`, including the delegate's certificate. Does not verify the signature.
    ///
    /// # Errors
    /// When the signature is empty or longer than any that we make.
    pub fn seal(self, signature: &[u8]) -> Result<Vec<u8>, Refusal> {
        check_signature(signature)?;
        let certificates = &self.responder.certificates;
        let mut answer = Vec::with_capacity(
            self.tbs.len() + SIGNATURE_BYTES_MAX + certificates.len() + SURROUNDING_BYTES_MAX,
        );
        // responseStatus successful.
        answer.extend_from_slice(&[ENUMERATED, 1, 0]);
        let response_bytes = answer.len();
        answer.extend_from_slice(BASIC_TYPE);
        let basic = answer.len();
        answer.extend_from_slice(&self.tbs);
        signed_tail(&mut answer, self.responder.algorithm, signature);
        answer.extend_from_slice(certificates);
        enclose(&mut answer, basic, SEQUENCE);
        enclose(&mut answer, basic, OCTET_STRING);
        enclose(&mut answer, response_bytes, SEQUENCE);
        enclose(&mut answer, response_bytes, CONTEXT_0_CONSTRUCTED);
        enclose(&mut answer, 0, SEQUENCE);
        Ok(answer)
    }
}

/// id-pkix-ocsp-basic.
const BASIC_TYPE: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 1];

/// One response with a SHA-256 CertID, or the surrounding fields: saves allocations.
const SINGLE_BYTES_USUAL: usize = 192;

/// The headers around the signed bytes, the algorithm and the response type.
const SURROUNDING_BYTES_MAX: usize = 64;
