//! Delivered units as a signed manifest: a JSON array of JWS in flattened serialization (RFC 7515, section
//! 7.2.2), one for each unit, signed with ES256.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use identity::der::{INTEGER, SEQUENCE, only};
use identity::{KeyType, PublicKey};
use issuance::Certificate;
use serde_json::{Value, json};

use crate::{Facts, Row};

use super::time;

/// Writes the elements of the manifest.
#[derive(Debug)]
pub struct Manifest {
    /// The protected header, base64url: the same for all units.
    protected: String,
    issuer: Vec<u8>,
    begun: bool,
}

/// An element that is to be signed.
#[derive(Debug)]
pub struct Unsigned {
    input: String,
    payload_at: usize,
    unique_id: String,
}

impl Manifest {
    /// Signed by the key of `signer`; `digest` is SHA-256 of that certificate. `issuer` is the certificate of
    /// the issuer of birth certificates, DER.
    pub fn new(signer: &Certificate, digest: &[u8], issuer: &[u8]) -> Self {
        let header = json!({
            "typ": "JWT",
            "alg": "ES256",
            "kid": URL_SAFE_NO_PAD.encode(signer.subject_key_identifier().unwrap_or_default()),
            "x5t#S256": URL_SAFE_NO_PAD.encode(digest),
        });
        let protected = URL_SAFE_NO_PAD.encode(header.to_string());
        Self { protected, issuer: issuer.to_vec(), begun: false }
    }

    pub(crate) fn begin(out: &mut Vec<u8>) {
        out.push(b'[');
    }

    pub(crate) fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n]\n");
    }

    /// The element of a unit; `None`: the unit is not delivered.
    pub fn unsigned(&self, facts: &Facts, row: &Row<'_>) -> Option<Unsigned> {
        let certificate = row.certificate.filter(|_| row.outcome.is_delivered())?;
        let key =
            jwk(Certificate::from_der(&certificate.der).ok()?.public_key(), &certificate.der, &self.issuer)?;
        let name = json!({ "organizationName": facts.organization });
        let payload = json!({
            "version": 1,
            "model": row.device.product.as_str(),
            "partNumber": row.device.product.as_str(),
            "manufacturer": name,
            "provisioner": name,
            "distributor": name,
            "provisioningTimestamp": time(row.finished_at.or(row.issued_at)),
            "uniqueId": row.device.serial.as_str(),
            "publicKeySet": { "keys": [key] },
        });
        let input = format!("{}.{}", self.protected, URL_SAFE_NO_PAD.encode(payload.to_string()));
        let unique_id = row.device.serial.as_str().to_owned();
        Some(Unsigned { input, payload_at: self.protected.len() + 1, unique_id })
    }

    /// Writes an element with its signature (ECDSA with SHA-256 on P-256, DER); `None`: it is no such
    /// signature.
    pub fn write(&mut self, unsigned: &Unsigned, signature: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let element = json!({
            "payload": unsigned.input.get(unsigned.payload_at..)?,
            "protected": self.protected,
            // Not signed, for readers that look a unit up: the signed payload has it too.
            "header": { "uniqueId": unsigned.unique_id },
            "signature": URL_SAFE_NO_PAD.encode(fixed(signature)?),
        });
        out.extend_from_slice(if self.begun { b",\n" } else { b"\n" });
        self.begun = true;
        out.extend_from_slice(element.to_string().as_bytes());
        Some(())
    }
}

impl Unsigned {
    /// The bytes to sign: RFC 7515, section 5.1.
    pub fn to_be_signed(&self) -> &[u8] {
        self.input.as_bytes()
    }
}

/// The key as a JWK (RFC 7517) with its certificate and the issuer's.
fn jwk(key: &PublicKey, certificate: &[u8], issuer: &[u8]) -> Option<Value> {
    let url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let half = |bytes: usize| {
        let point = key.key_bits().strip_prefix(&[4])?;
        (point.len() == 2 * bytes).then(|| point.split_at(bytes))
    };
    let mut jwk = match key.key_type() {
        KeyType::P256 => {
            let (x, y) = half(32)?;
            json!({ "kty": "EC", "crv": "P-256", "x": url(x), "y": url(y) })
        }
        KeyType::P384 => {
            let (x, y) = half(48)?;
            json!({ "kty": "EC", "crv": "P-384", "x": url(x), "y": url(y) })
        }
        KeyType::Ed25519 => json!({ "kty": "OKP", "crv": "Ed25519", "x": url(key.key_bits()) }),
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
            // 65537: no other exponent is accepted.
            json!({ "kty": "RSA", "n": url(key.rsa_modulus()?), "e": "AQAB" })
        }
    };
    let members = jwk.as_object_mut()?;
    members.insert("kid".to_owned(), json!("0"));
    members.insert("x5c".to_owned(), json!([STANDARD.encode(certificate), STANDARD.encode(issuer)]));
    Some(jwk)
}

/// `r || s`, 32 octets each (RFC 7518, section 3.4), of an `Ecdsa-Sig-Value`.
fn fixed(signature: &[u8]) -> Option<[u8; 64]> {
    let mut fields = only(signature, SEQUENCE).ok()?.elements().ok()?;
    let mut both = [0; 64];
    for half in both.chunks_exact_mut(32) {
        let integer = fields.expect(INTEGER).ok()?.content;
        let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
        let start = half.len().checked_sub(digits.len())?;
        half.get_mut(start..)?.copy_from_slice(digits);
    }
    fields.end().ok()?;
    Some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_64_octets_whatever_its_integers_are() {
        assert_eq!(fixed(&[0x30, 6, 2, 1, 1, 2, 1, 2]).unwrap()[31], 1);
        let long = [&[0x30, 38, 2, 33, 0][..], &[0xff; 32], &[2, 1, 2]].concat();
        let both = fixed(&long).unwrap();
        assert_eq!((&both[..32], both[63]), (&[0xff; 32][..], 2));
        for wrong in [&[][..], &[0x30, 0], &[0x30, 3, 2, 1, 1], &[0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3]] {
            assert_eq!(fixed(wrong), None);
        }
    }
}
