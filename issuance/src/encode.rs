//! Encodes a to-be-signed certificate: rcgen signs with a key that only records the bytes; then the issuer's
//! Name is replaced by the bytes in the issuer's certificate (ADR 0001).

use std::cell::RefCell;

use identity::der::{BIT_STRING, CONTEXT_0_CONSTRUCTED, Elements, INTEGER, SEQUENCE, only};
use identity::{KeyType, PublicKey};
use rcgen::{CertificateParams, DistinguishedName, Issuer, KeyIdMethod, PublicKeyData, SigningKey};

use crate::{Refusal, SignatureAlgorithm};

/// The to-be-signed bytes of a certificate with `params` and `key`. `issuer` is the issuer's Name and key
/// identifier; `None` for a self-signed root.
pub(crate) fn to_be_signed(
    params: &CertificateParams,
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    issuer: Option<(&[u8], &[u8])>,
) -> Result<Vec<u8>, Refusal> {
    let recorder = Recorder { algorithm: algorithm.rcgen(), recorded: RefCell::default() };
    let subject = SubjectKey(key);
    let mut issuer_params = CertificateParams::default();
    match issuer {
        Some((_, key_identifier)) => {
            issuer_params.distinguished_name = DistinguishedName::new();
            issuer_params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier.to_vec());
        }
        None => issuer_params.distinguished_name = params.distinguished_name.clone(),
    }
    params
        .signed_by(&subject, &Issuer::from_params(&issuer_params, &recorder))
        .map_err(|_| Refusal::Encoding { what: "rcgen refuses it" })?;
    let tbs = recorder.recorded.into_inner();
    match issuer {
        Some((name, _)) => with_issuer(&tbs, name).ok_or(Refusal::Encoding { what: "the issuer's name" }),
        None => Ok(tbs),
    }
}

/// The certificate: `SEQUENCE { tbs, algorithm, BIT STRING }`.
pub(crate) fn certificate(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(tbs.len() + signature.len() + SURROUNDING_BYTES_MAX);
    nested(&mut der, SEQUENCE, |content| {
        content.extend_from_slice(tbs);
        signed_tail(content, algorithm, signature);
    });
    der
}

/// Refuses bytes that cannot be the signature of a certificate, CRL or OCSP response.
pub(crate) fn check_signature(signature: &[u8]) -> Result<(), Refusal> {
    if signature.is_empty() || signature.len() > SIGNATURE_BYTES_MAX {
        return Err(Refusal::Encoding { what: "a signature of this length" });
    }
    Ok(())
}

/// Appends what follows the signed bytes in certificates, CRLs and OCSP responses: `algorithm, BIT STRING`.
pub(crate) fn signed_tail(out: &mut Vec<u8>, algorithm: SignatureAlgorithm, signature: &[u8]) {
    out.extend_from_slice(algorithm.identifier());
    header(out, BIT_STRING, signature.len() + 1);
    // No unused bits.
    out.push(0);
    out.extend_from_slice(signature);
}

/// Replaces the empty issuer Name that rcgen wrote. rcgen encodes every Name anew and would change the string
/// types of a foreign CA (R-5280-04).
fn with_issuer(tbs: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let content = only(tbs, SEQUENCE).ok()?.content;
    let mut fields = Elements::new(content).ok()?;
    let before = fields.expect(CONTEXT_0_CONSTRUCTED).ok()?.raw.len()
        + fields.expect(INTEGER).ok()?.raw.len()
        + fields.expect(SEQUENCE).ok()?.raw.len();
    let written = fields.expect(SEQUENCE).ok()?;
    if !written.content.is_empty() {
        return None;
    }
    let (head, tail) = (content.get(..before)?, content.get(before + written.raw.len()..)?);
    let length = head.len() + name.len() + tail.len();
    let mut spliced = Vec::with_capacity(length + 8);
    header(&mut spliced, SEQUENCE, length);
    spliced.extend_from_slice(head);
    spliced.extend_from_slice(name);
    spliced.extend_from_slice(tail);
    Some(spliced)
}

pub(crate) fn element(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// An element in a vector of its own.
pub(crate) fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    element(&mut out, tag, content);
    out
}

/// Appends an element whose content is what `write` appends.
pub(crate) fn nested<T>(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let start = out.len();
    let written = write(out);
    enclose(out, start, tag);
    written
}

/// Turns the bytes from `start` on into the content of one element, in place.
pub(crate) fn enclose(out: &mut Vec<u8>, start: usize, tag: u8) {
    let end = out.len();
    header(out, tag, end - start);
    let header_length = out.len() - end;
    if let Some(element) = out.get_mut(start..) {
        element.rotate_right(header_length);
    }
}

/// Appends tag and length in their shortest form.
pub(crate) fn header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    if length >= 0x80 {
        let octets = length.to_be_bytes();
        let significant = octets.get(length.leading_zeros() as usize / 8..).unwrap_or(&octets);
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
        out.extend_from_slice(significant);
    } else {
        out.push(u8::try_from(length).unwrap_or(0));
    }
}

/// A key that signs nothing and keeps the message.
struct Recorder {
    algorithm: &'static rcgen::SignatureAlgorithm,
    recorded: RefCell<Vec<u8>>,
}

impl PublicKeyData for Recorder {
    fn der_bytes(&self) -> &[u8] {
        &[]
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for Recorder {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.recorded.replace(message.to_vec());
        Ok(Vec::new())
    }
}

/// The subject's key for rcgen, which encodes the SubjectPublicKeyInfo anew; the lint compares it with the
/// original (R-5280-22).
struct SubjectKey<'a>(&'a PublicKey);

impl PublicKeyData for SubjectKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.key_bits()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.0.key_type() {
            KeyType::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyType::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyType::Ed25519 => &rcgen::PKCS_ED25519,
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl SignatureAlgorithm {
    fn rcgen(self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Self::EcdsaP256Sha256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384Sha384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        }
    }

    /// The AlgorithmIdentifier: for ECDSA without parameters (RFC 5758 section 3.2, R-5280-03).
    pub(crate) fn identifier(self) -> &'static [u8] {
        match self {
            Self::EcdsaP256Sha256 => &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
            Self::EcdsaP384Sha384 => &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        }
    }
}

/// Two headers and an AlgorithmIdentifier.
const SURROUNDING_BYTES_MAX: usize = 32;

/// An ECDSA signature on P-384 in DER has at most 104 bytes.
pub(crate) const SIGNATURE_BYTES_MAX: usize = 128;
