//! The requests in `tests/fixtures/csr`, and a writer of DER that can also write malformed DER.

use std::path::Path;

use identity::{CsrError, KeyError};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;

/// The DER of `tests/fixtures/csr/csr_NAME.pem`.
pub fn csr(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/fixtures/csr/csr_{name}.pem"));
    CertificateSigningRequestDer::from_pem_file(&file)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .to_vec()
}

/// Tag, length and content.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

pub fn integer(n: &num_bigint::BigUint) -> Vec<u8> {
    let bytes = n.to_bytes_be();
    if bytes[0] >= 0x80 { tlv(2, &[&[0], &bytes]) } else { tlv(2, &[&bytes]) }
}

pub fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], bytes])
}

/// A SubjectPublicKeyInfo.
pub fn spki(identifier: &[u8], key_bits: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[identifier]), &bits(key_bits)])
}

pub const P256: &[u8] =
    &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];
pub const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// The reason that callers of the CA are told.
pub(crate) fn reason(error: &CsrError) -> &'static str {
    match error {
        CsrError::TooLarge { .. } => "CSR_TOO_LARGE",
        CsrError::NotDer(_) | CsrError::Pem | CsrError::Base64 | CsrError::PrivateKey => "CSR_NOT_DER",
        CsrError::ProofOfPossession
        | CsrError::SignatureAlgorithm { .. }
        | CsrError::SignatureForm { .. } => "PROOF_OF_POSSESSION_FAILED",
        CsrError::Key(key) => key_reason(key),
    }
}

/// As [`reason`], for a key.
pub(crate) fn key_reason(error: &KeyError) -> &'static str {
    match error {
        KeyError::NotDer | KeyError::Malformed { .. } => "KEY_MALFORMED",
        KeyError::NotAllowed => "KEY_TYPE_NOT_ALLOWED",
        KeyError::Weak { .. } => "KEY_WEAK",
    }
}
