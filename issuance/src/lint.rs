//! The pre-issuance lint: parses the bytes that are about to be signed and fails closed (R-5280-23). It does
//! not trust the profile, so a bad profile is found here.

use identity::der::{NotDer, check_values};
use identity::{ProfileName, PublicKey, SerialNumber, Validity};

use crate::draft::IssuerPart;
use crate::reading::Reading;
use crate::{Certificate, LintFinding, Refusal, SignatureAlgorithm};

mod extension;
mod field;
mod location;
mod name;
mod usage;

pub(crate) use field::time_by_year;

pub(crate) struct Expected<'a> {
    pub(crate) profile: ProfileName,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) serial_number: SerialNumber,
    pub(crate) validity: Validity,
    pub(crate) public_key: &'a PublicKey,
    /// `None` for a root.
    pub(crate) issuer: Option<&'a IssuerPart>,
}

/// Applies every rule to the bytes; returns the certificate without its signature.
pub(crate) fn lint(tbs: &[u8], expected: &Expected<'_>) -> Result<Certificate, Broken> {
    let reading = Reading::of(tbs)?;
    check_values(tbs)?;
    field::lint(&reading, expected)?;
    name::lint(&reading, expected)?;
    extension::lint(&reading, expected)?;
    usage::lint(&reading, expected)?;
    location::lint(&reading, expected)?;
    Ok(Certificate {
        der: Vec::new(),
        serial_number: expected.serial_number,
        validity: expected.validity,
        public_key: expected.public_key.clone(),
        subject: reading.subject.into(),
        issuer: reading.issuer.into(),
        subject_key_identifier: reading.subject_key_identifier().map(Into::into),
        is_ca: reading.is_ca(),
        signs_crls: reading.signs_crls(),
    })
}

/// A rule that the bytes break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    pub(crate) what: &'static str,
}

impl From<NotDer> for Broken {
    fn from(NotDer: NotDer) -> Self {
        Self { rule: "R-5280-20", what: "it is not strict DER" }
    }
}

impl From<Broken> for Refusal {
    fn from(Broken { rule, what }: Broken) -> Self {
        Self::Lint(LintFinding { rule, what: what.to_owned() })
    }
}

/// Returns an error naming the rule unless `holds`.
pub(crate) fn ensure(holds: bool, rule: &'static str, what: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken { rule, what }) }
}

#[cfg(test)]
mod tests;
