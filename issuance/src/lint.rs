//! The pre-issuance lint: reads the bytes that are about to be signed and fails closed (R-5280-23).

use identity::{PublicKey, SerialNumber, Validity};

use crate::reading::Reading;
use crate::{LintFinding, ProfileName, Refusal, SignatureAlgorithm};

/// What the certificate was meant to say.
pub(crate) struct Expected<'a> {
    pub(crate) profile: ProfileName,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) serial_number: SerialNumber,
    pub(crate) validity: Validity,
    pub(crate) public_key: &'a PublicKey,
    /// Name and key identifier of the issuer; `None` for a root.
    pub(crate) issuer: Option<(&'a [u8], &'a [u8])>,
}

/// What the lint saw and the certificate remembers.
#[derive(Debug)]
pub(crate) struct Linted {
    pub(crate) subject: Box<[u8]>,
    pub(crate) issuer: Box<[u8]>,
    pub(crate) subject_key_identifier: Option<Box<[u8]>>,
    pub(crate) is_ca: bool,
}

/// Every rule, in the order of the fields.
pub(crate) fn lint(tbs: &[u8], expected: &Expected<'_>) -> Result<Linted, Refusal> {
    let broken = |rule, what: &str| Refusal::Lint(LintFinding { rule, what: what.to_owned() });
    let reading = &Reading::of(tbs).map_err(|_| broken("R-5280-20", "it is not strict DER"))?;
    if reading.spki != expected.public_key.spki() {
        return Err(broken("R-5280-22", "the key is not encoded as it came"));
    }
    if reading.serial != expected.serial_number.as_bytes() {
        return Err(broken("R-5280-01", "the serial number is not the one that was drawn"));
    }
    if reading.signature != expected.algorithm.identifier() {
        return Err(broken("R-5280-03", "the signature algorithm is not the issuer's"));
    }
    Ok(Linted {
        subject: reading.subject.into(),
        issuer: reading.issuer.into(),
        subject_key_identifier: reading.subject_key_identifier().map(Into::into),
        is_ca: reading.is_ca(),
    })
}
