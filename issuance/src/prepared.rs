//! Certificates that are ready to be signed.

use identity::{PublicKey, SerialNumber, Validity};

use crate::lint::Linted;
use crate::{Certificate, Refusal, SignatureAlgorithm, encode};

/// An encoded, linted certificate that is ready to be signed.
#[derive(Debug)]
pub struct Prepared {
    tbs: Vec<u8>,
    algorithm: SignatureAlgorithm,
    linted: Linted,
    serial_number: SerialNumber,
    validity: Validity,
    public_key: PublicKey,
}

impl Prepared {
    pub(crate) fn new(
        tbs: Vec<u8>,
        algorithm: SignatureAlgorithm,
        linted: Linted,
        serial_number: SerialNumber,
        validity: Validity,
        public_key: PublicKey,
    ) -> Self {
        Self { tbs, algorithm, linted, serial_number, validity, public_key }
    }

    /// The exact bytes to sign.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.tbs
    }

    /// The signature algorithm.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The serial number, to be recorded before the certificate is signed.
    pub fn serial_number(&self) -> SerialNumber {
        self.serial_number
    }

    /// Adds the signature (ECDSA: DER). Does not verify it.
    ///
    /// # Errors
    /// When the signature is empty or longer than any that we make.
    pub fn seal(self, signature: &[u8]) -> Result<Certificate, Refusal> {
        encode::check_signature(signature)?;
        Ok(Certificate {
            der: encode::certificate(&self.tbs, self.algorithm, signature),
            serial_number: self.serial_number,
            validity: self.validity,
            public_key: self.public_key,
            subject: self.linted.subject,
            issuer: self.linted.issuer,
            subject_key_identifier: self.linted.subject_key_identifier,
            is_ca: self.linted.is_ca,
            signs_crls: self.linted.signs_crls,
        })
    }
}
