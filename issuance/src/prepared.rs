//! Certificates that are ready to be signed.

use identity::SerialNumber;

use crate::{Certificate, Refusal, SignatureAlgorithm, encode};

/// An encoded, linted certificate that is ready to be signed.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) tbs: Vec<u8>,
    pub(crate) algorithm: SignatureAlgorithm,
    /// Without its DER.
    pub(crate) certificate: Certificate,
}

impl Prepared {
    /// The exact bytes to sign.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.tbs
    }

    /// The serial number, to be recorded before the certificate is signed.
    pub fn serial_number(&self) -> SerialNumber {
        self.certificate.serial_number
    }

    /// Adds the signature (ECDSA: DER). Does not verify it.
    ///
    /// # Errors
    /// When the signature is empty or longer than any that we make.
    pub fn seal(self, signature: &[u8]) -> Result<Certificate, Refusal> {
        encode::check_signature(signature)?;
        let der = encode::certificate(&self.tbs, self.algorithm, signature);
        Ok(Certificate { der, ..self.certificate })
    }
}
