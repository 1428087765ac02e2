//! Certificates, sealed or read.

use identity::{PublicKey, SerialNumber, Validity};

/// A complete certificate, X.509 DER, and what we need to know of it.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    serial_number: SerialNumber,
    validity: Validity,
    public_key: PublicKey,
}

impl Certificate {
    /// Reads a certificate that Touchmark made.
    ///
    /// # Errors
    /// When it is not one.
    pub fn from_der(_der: &[u8]) -> Result<Self, CertificateError> {
        todo!("issuance: reading")
    }

    /// X.509 DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// RFC 5280, section 4.1.2.2.
    pub fn serial_number(&self) -> SerialNumber {
        self.serial_number
    }

    /// RFC 5280, section 4.1.2.5.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The subject's key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

/// The bytes are not a certificate of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate: {what}")]
pub struct CertificateError {
    /// What is wrong.
    pub what: &'static str,
}
