//! Certificates that were issued here or read from DER.

use identity::der::{BIT_STRING, SEQUENCE, check_values, only};
use identity::{PublicKey, SerialNumber, Validity};

use crate::reading::{Reading, time};

/// A complete certificate: X.509 DER and the fields that the CA uses.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) serial_number: SerialNumber,
    pub(crate) validity: Validity,
    pub(crate) public_key: PublicKey,
    pub(crate) subject: Box<[u8]>,
    pub(crate) issuer: Box<[u8]>,
    pub(crate) subject_key_identifier: Option<Box<[u8]>>,
    pub(crate) is_ca: bool,
    pub(crate) signs_crls: bool,
}

impl Certificate {
    /// Reads a certificate that Touchmark made, in strict DER. Does not verify its signature.
    ///
    /// # Errors
    /// When the bytes are not a certificate of ours.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |_| CertificateError { what: "not strict DER" };
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError { what: "over 16 KiB" });
        }
        let mut fields = only(der, SEQUENCE).and_then(|outer| outer.elements()).map_err(malformed)?;
        let tbs = fields.expect(SEQUENCE).map_err(malformed)?;
        let algorithm = fields.expect(SEQUENCE).map_err(malformed)?;
        fields.expect(BIT_STRING).and_then(|_| fields.end()).map_err(malformed)?;
        check_values(der).map_err(malformed)?;
        let reading = Reading::of(tbs.raw).map_err(malformed)?;
        if reading.signature != algorithm.raw {
            return Err(CertificateError { what: "signed with another algorithm than it says (R-5280-03)" });
        }
        Self::of(&reading, der.to_vec())
    }

    fn of(reading: &Reading<'_>, der: Vec<u8>) -> Result<Self, CertificateError> {
        let broken = |what| CertificateError { what };
        if reading.version != Some(&[2]) {
            return Err(broken("not version 3"));
        }
        let not_before = time(reading.not_before).map_err(|_| broken("notBefore is not a time"))?;
        let not_after = time(reading.not_after).map_err(|_| broken("notAfter is not a time"))?;
        Ok(Self {
            der,
            serial_number: SerialNumber::try_from(reading.serial)
                .map_err(|_| broken("the serial number is not one of ours"))?,
            validity: Validity::new(not_before, not_after).map_err(|_| broken("it ends before it begins"))?,
            public_key: PublicKey::from_spki(reading.spki).map_err(|_| broken("the key is refused"))?,
            subject: reading.subject.into(),
            issuer: reading.issuer.into(),
            subject_key_identifier: reading.subject_key_identifier().map(Into::into),
            is_ca: reading.is_ca(),
            signs_crls: reading.signs_crls(),
        })
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

    /// The subject's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject's Name, as encoded.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The issuer's Name, as encoded: byte for byte the issuer's [`Self::subject`] (R-5280-04).
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// RFC 5280, section 4.2.1.2; `None` when the extension is absent.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.subject_key_identifier.as_deref()
    }

    /// Whether it may sign certificates.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether it may sign CRLs (R-CRL-04).
    pub fn signs_crls(&self) -> bool {
        self.signs_crls
    }
}

/// The bytes are not a certificate of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate: {what}")]
pub struct CertificateError {
    /// The mistake, for people.
    pub what: &'static str,
}

/// The largest certificate that we read: one with an RSA-4096 key and a hundred names is under 10 kB.
const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
