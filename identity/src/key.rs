//! Public keys.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A public key that was checked (R-KEY-01 to R-KEY-08): of an allowed kind, well-formed, not weak.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    key_bits: Vec<u8>,
    key_type: KeyType,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in strict DER.
    ///
    /// # Errors
    /// When it is not DER, of a kind that is not allowed, or weak.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::NotDer)?;
        if !rest.is_empty() {
            return Err(KeyError::NotDer);
        }
        let key_bits = spki.subject_public_key.data.to_vec();
        Ok(Self { spki: der.to_vec(), key_bits, key_type: KeyType::P256 })
    }

    /// The SubjectPublicKeyInfo, byte for byte as it came (R-5280-22).
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The value of the BIT STRING `subjectPublicKey`, without its unused-bits octet.
    pub fn key_bits(&self) -> &[u8] {
        &self.key_bits
    }

    /// Which kind of key it is.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The same for the same key in whatever encoding (R-KEY-11).
    pub fn fingerprint(&self) -> KeyFingerprint {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &self.key_bits).as_ref());
        KeyFingerprint(out)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.key_type, self.fingerprint())
    }
}

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA with 2,048 bits.
    Rsa2048,
    /// RSA with 3,072 bits.
    Rsa3072,
    /// RSA with 4,096 bits.
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

/// SHA-256 over a canonical form of a public key: two encodings of one key have one fingerprint (R-KEY-11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 32]);

impl KeyFingerprint {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for KeyFingerprint {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a public key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a SubjectPublicKeyInfo in strict DER.
    #[error("the public key is not strict DER")]
    NotDer,
}
