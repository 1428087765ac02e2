//! Certificates that are ready to be signed.

use identity::{ProfileName, SerialNumber};

use crate::draft::issuer_part;
use crate::{Certificate, Refusal, SignatureAlgorithm, encode, lint};

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

/// The certificate of a to-be-signed certificate that was signed on another machine. It is linted again, as
/// one of this profile by this issuer (R-5280-23). Does not verify the signature.
///
/// # Errors
/// When the bytes are no certificate of this profile and issuer.
pub fn signed_elsewhere(
    to_be_signed: &[u8],
    signature: &[u8],
    profile: ProfileName,
    issuer: &Certificate,
) -> Result<Certificate, Refusal> {
    let forbidden = |what| Refusal::Forbidden { profile, what };
    let algorithm = SignatureAlgorithm::of(issuer.public_key());
    let algorithm = algorithm.ok_or_else(|| forbidden("an issuer with such a key"))?;
    encode::check_signature(signature)?;
    let der = encode::certificate(to_be_signed, algorithm, signature);
    let certificate = Certificate::from_der(&der).map_err(|_| forbidden("bytes that are no certificate"))?;
    let issuer = issuer_part(issuer).ok_or_else(|| forbidden("an issuer without key identifier"))?;
    let expected = lint::Expected {
        profile,
        algorithm,
        serial_number: certificate.serial_number,
        validity: certificate.validity,
        public_key: &certificate.public_key,
        issuer: Some(&issuer),
    };
    lint::lint(to_be_signed, &expected)?;
    Ok(certificate)
}
