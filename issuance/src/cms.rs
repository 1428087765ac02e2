//! Detached signatures of documents: CMS SignedData (RFC 5652) with one signer, ECDSA with SHA-256.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use identity::der::{CONTEXT_0_CONSTRUCTED, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET};

use crate::encode::{check_signature, element, nested, wrapped};
use crate::time::{whole_seconds, write};
use crate::{Certificate, Refusal, SignatureAlgorithm};

/// A detached signature that is ready to be signed.
#[derive(Debug)]
pub struct CmsDraft {
    /// The signed attributes as `SET OF Attribute`: what is signed (RFC 5652, section 5.4).
    attributes: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl CmsDraft {
    /// For a document with this SHA-256, which the holder of `signer` signs now.
    ///
    /// # Errors
    /// When the signer has no P-256 key, or the time cannot be written.
    pub fn new(document: &[u8; 32], signer: &Certificate, now: SystemTime) -> Result<Self, Refusal> {
        let algorithm = SignatureAlgorithm::of(signer.public_key())
            .filter(|algorithm| *algorithm == SignatureAlgorithm::EcdsaP256Sha256)
            .ok_or(Refusal::Encoding { what: "a document signed by such a key" })?;
        let mut signing_time = Vec::new();
        write(&mut signing_time, whole_seconds(now))?;
        let mut attributes = [
            attribute(CONTENT_TYPE, &wrapped(OBJECT_IDENTIFIER, DATA)),
            attribute(SIGNING_TIME, &signing_time),
            attribute(MESSAGE_DIGEST, &wrapped(OCTET_STRING, document)),
            attribute(SIGNING_CERTIFICATE_V2, &signing_certificate(signer)),
        ];
        // DER sorts the elements of a SET OF by their encodings (X.690, 11.6).
        attributes.sort();
        Ok(Self { attributes: wrapped(SET, &attributes.concat()), algorithm })
    }

    /// The exact bytes to sign.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.attributes
    }

    /// The ContentInfo, DER: with the signer's certificate, without the document. Does not verify the
    /// signature (ECDSA: DER).
    ///
    /// # Errors
    /// When the signature is empty or longer than any that we make.
    pub fn seal(self, signer: &Certificate, signature: &[u8]) -> Result<Vec<u8>, Refusal> {
        check_signature(signature)?;
        let mut der = Vec::with_capacity(signer.der().len() + SURROUNDING_BYTES);
        nested(&mut der, SEQUENCE, |content_info| {
            element(content_info, OBJECT_IDENTIFIER, SIGNED_DATA);
            nested(content_info, CONTEXT_0_CONSTRUCTED, |explicit| {
                nested(explicit, SEQUENCE, |signed_data| self.signed_data(signer, signature, signed_data));
            });
        });
        Ok(der)
    }

    fn signed_data(&self, signer: &Certificate, signature: &[u8], out: &mut Vec<u8>) {
        // Version 1: the content is id-data, and the certificates are plain.
        out.extend_from_slice(VERSION_1);
        nested(out, SET, |algorithms| algorithms.extend_from_slice(SHA256_ALGORITHM));
        nested(out, SEQUENCE, |content| element(content, OBJECT_IDENTIFIER, DATA));
        element(out, CONTEXT_0_CONSTRUCTED, signer.der());
        nested(out, SET, |infos| nested(infos, SEQUENCE, |info| self.signer_info(signer, signature, info)));
    }

    fn signer_info(&self, signer: &Certificate, signature: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(VERSION_1);
        nested(out, SEQUENCE, |issuer_and_serial| {
            issuer_and_serial.extend_from_slice(signer.issuer());
            element(issuer_and_serial, INTEGER, signer.serial_number().as_bytes());
        });
        out.extend_from_slice(SHA256_ALGORITHM);
        // `[0] IMPLICIT`: the same bytes under another tag.
        out.push(CONTEXT_0_CONSTRUCTED);
        out.extend(self.attributes.iter().skip(1));
        out.extend_from_slice(self.algorithm.identifier());
        element(out, OCTET_STRING, signature);
    }
}

/// `Attribute ::= SEQUENCE { OBJECT IDENTIFIER, SET { value } }`.
fn attribute(oid: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    nested(&mut out, SEQUENCE, |fields| {
        element(fields, OBJECT_IDENTIFIER, oid);
        element(fields, SET, value);
    });
    out
}

/// RFC 5035, section 3: ties the signature to this certificate; SHA-256 is the default and is left out.
fn signing_certificate(signer: &Certificate) -> Vec<u8> {
    let hash = wrapped(OCTET_STRING, digest(&SHA256, signer.der()).as_ref());
    wrapped(SEQUENCE, &wrapped(SEQUENCE, &wrapped(SEQUENCE, &hash)))
}

const VERSION_1: &[u8] = &[INTEGER, 1, 1];

/// id-sha256 without parameters (RFC 5754, section 2).
const SHA256_ALGORITHM: &[u8] =
    &[SEQUENCE, 11, OBJECT_IDENTIFIER, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 1];

/// id-data, RFC 5652, section 4.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// id-signedData, RFC 5652, section 5.1.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// RFC 5652, section 11.1.
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
/// RFC 5652, section 11.2.
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
/// RFC 5652, section 11.3.
const SIGNING_TIME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5];
/// RFC 5035, section 3.
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];

/// Attributes, identifiers, names and the signature.
const SURROUNDING_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use identity::der::check_values;

    use super::*;

    fn signer() -> Certificate {
        Certificate::from_der(include_bytes!("../tests/goldens/document.der")).unwrap()
    }

    #[test]
    fn a_signature_is_strict_der_with_sorted_attributes_and_the_signers_certificate() {
        let now = UNIX_EPOCH + Duration::from_millis(1_795_852_800_999);
        let draft = CmsDraft::new(&[7; 32], &signer(), now).unwrap();
        check_values(draft.to_be_signed()).unwrap();
        let signed = draft.to_be_signed().to_vec();
        assert!(signed.windows(34).any(|window| window == wrapped(OCTET_STRING, &[7; 32])));
        assert!(signed.windows(13).any(|window| window == b"261128080000Z"), "whole seconds, UTCTime");
        let der = draft.seal(&signer(), &[0x30, 6, 2, 1, 1, 2, 1, 1]).unwrap();
        check_values(&der).unwrap();
        assert!(der.windows(signer().der().len()).any(|window| window == signer().der()));
        assert!(
            der.windows(signed.len() - 1).any(|window| window == &signed[1..]),
            "what was signed is in it"
        );
    }

    #[test]
    fn an_empty_signature_makes_no_document() {
        let draft = CmsDraft::new(&[7; 32], &signer(), UNIX_EPOCH).unwrap();
        assert!(matches!(draft.seal(&signer(), &[]), Err(Refusal::Encoding { .. })));
    }
}
