//! Public keys.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::ParsedPublicKey;

use crate::der::{BIT_STRING, Element, NULL, NotDer, OBJECT_IDENTIFIER, SEQUENCE, only};

mod ec;
mod ed25519;
mod error;
mod rsa;

pub use error::KeyError;

/// A checked public key (R-KEY-01 to R-KEY-08): of an accepted kind, well-formed, not weak. Profiles restrict
/// the kinds further.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Box<[u8]>,
    /// The offset of the key bits in `spki`; they extend to its end.
    key_bits_start: usize,
    key_type: KeyType,
    fingerprint: KeyFingerprint,
}

impl PublicKey {
    /// Parses and checks a SubjectPublicKeyInfo in strict DER.
    ///
    /// # Errors
    /// When it is not DER, of a kind that is not accepted, malformed, or weak.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let key = Self::shaped(der)?;
        if let Some(algorithm) = ec::usual_algorithm(key.key_type) {
            ParsedPublicKey::new(algorithm, key.key_bits())
                .map_err(|_| KeyError::Malformed { what: "the point is not on the curve" })?;
        }
        key.strong()
    }

    /// Without two checks: of the point, as aws-lc-rs reads it, and [`Self::strong`], which is costly.
    pub(crate) fn shaped(der: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, key_bits) = parts(der)?;
        let key_type = match algorithm.content {
            ec::P256_IDENTIFIER => ec::shape(key_bits, KeyType::P256)?,
            ec::P384_IDENTIFIER => ec::shape(key_bits, KeyType::P384)?,
            ed25519::IDENTIFIER => ed25519::shape(key_bits)?,
            rsa::IDENTIFIER => rsa::shape(key_bits)?,
            other => return Err(not_allowed(other)),
        };
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, der).as_ref());
        Ok(Self {
            spki: der.into(),
            key_bits_start: der.len() - key_bits.len(),
            key_type,
            fingerprint: KeyFingerprint(fingerprint),
        })
    }

    /// Returns the key unless it is weak.
    pub(crate) fn strong(self) -> Result<Self, KeyError> {
        match self.key_type {
            KeyType::P256 | KeyType::P384 | KeyType::Ed25519 => {}
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => rsa::strong(self.key_bits())?,
        }
        Ok(self)
    }

    /// The SubjectPublicKeyInfo, byte for byte as received (R-5280-22).
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The value of the BIT STRING `subjectPublicKey`, without its unused-bits octet.
    pub fn key_bits(&self) -> &[u8] {
        self.spki.get(self.key_bits_start..).unwrap_or_default()
    }

    /// The big-endian modulus of an RSA key, without leading zeros; `None` for other kinds.
    pub fn rsa_modulus(&self) -> Option<&[u8]> {
        match self.key_type {
            KeyType::P256 | KeyType::P384 | KeyType::Ed25519 => None,
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => rsa::modulus(self.key_bits()),
        }
    }

    /// The kind of key.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// SHA-256 of the SubjectPublicKeyInfo. Only one encoding of each key is accepted, so a key has one
    /// fingerprint (R-KEY-11). `openssl pkey -pubin -outform DER | sha256sum` prints it.
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.fingerprint
    }
}

fn parts(der: &[u8]) -> Result<(Element<'_>, &[u8]), KeyError> {
    let read = || {
        let mut fields = only(der, SEQUENCE)?.elements()?;
        let algorithm = fields.expect(SEQUENCE)?;
        let bits = fields.expect(BIT_STRING)?;
        fields.end()?;
        Ok((algorithm, bits.content))
    };
    match read().map_err(|NotDer| KeyError::NotDer)? {
        (algorithm, [0, key_bits @ ..]) => Ok((algorithm, key_bits)),
        (_, [1..=7, _, ..]) => Err(KeyError::Malformed { what: "the BIT STRING of the key has unused bits" }),
        _ => Err(KeyError::NotDer),
    }
}

fn not_allowed(algorithm: &[u8]) -> KeyError {
    let read = || {
        let mut fields = crate::der::Elements::new(algorithm)?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        let parameters = if fields.is_empty() { None } else { Some(fields.any()?) };
        fields.end()?;
        Ok((oid, parameters))
    };
    match read() {
        Err(NotDer) => KeyError::NotDer,
        Ok((ec::OID, None)) => {
            KeyError::Malformed { what: "the curve of the EC key is missing: it has no parameters" }
        }
        Ok((ec::OID, Some(parameters))) if parameters.tag == NULL => {
            KeyError::Malformed { what: "the curve of the EC key is missing: its parameters are NULL" }
        }
        Ok((ec::OID, Some(parameters))) if parameters.tag != OBJECT_IDENTIFIER => {
            KeyError::Malformed { what: "the curve must be named, not described" }
        }
        Ok((rsa::OID, parameters)) if parameters.is_none_or(|element| element.tag != NULL) => {
            KeyError::Malformed { what: "an RSA key has the parameters NULL" }
        }
        Ok((ed25519::OID, Some(_))) => KeyError::Malformed { what: "an Ed25519 key has no parameters" },
        Ok(_) => KeyError::NotAllowed,
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.key_type, self.fingerprint())
    }
}

/// An accepted kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as its algorithm and size")]
pub enum KeyType {
    P256,
    P384,
    Ed25519,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
        })
    }
}

/// SHA-256 of a public key's only accepted encoding (R-KEY-11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 32]);

octets!(KeyFingerprint, 32);

impl From<[u8; 32]> for KeyFingerprint {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}
