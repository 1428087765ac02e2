//! Rules for the extensions as such, the key identifiers and basicConstraints.

use identity::{
    ProfileName,
    der::{BOOLEAN, CONTEXT_0, INTEGER, NULL, NotDer, SEQUENCE, check_values, only},
};

use super::{Broken, Expected, ensure};
use crate::profile::key_identifier;
use crate::reading::{Extension, Reading, oid};

pub(super) fn lint(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    for (index, extension) in reading.extensions.iter().enumerate() {
        let first = reading.extensions.iter().position(|other| other.oid == extension.oid);
        ensure(first == Some(index), "R-5280-19", "an extension is there twice")?;
        let known = KNOWN.contains(&extension.oid) || extension.oid == oid::CERTIFICATE_POLICIES;
        ensure(known, "R-5280-23", "an extension that no profile has")?;
        let policies = extension.oid == oid::CERTIFICATE_POLICIES;
        ensure(!(policies && extension.critical), "R-5280-14", "certificate policies are critical")?;
        let may_be_critical = [oid::BASIC_CONSTRAINTS, oid::KEY_USAGE].contains(&extension.oid);
        ensure(
            may_be_critical || !extension.critical,
            "R-5280-15",
            "an extension is critical that relying parties may not know",
        )?;
        ensure(check_values(extension.value).is_ok(), "R-5280-20", "an extension is not strict DER")?;
    }
    let no_check = reading.extension(oid::OCSP_NO_CHECK).map(|extension| extension.value);
    let wanted = (expected.profile == ProfileName::OcspSigner).then_some(&[NULL, 0][..]);
    ensure(no_check == wanted, "R-OCSP-06", "an OCSP signer, and no other, has id-pkix-ocsp-nocheck")?;
    let constrained = reading.extension(oid::NAME_CONSTRAINTS).is_some();
    ensure(!constrained, "R-5280-13", "name constraints, which no profile has")?;
    key_identifiers(reading, expected)?;
    basic_constraints(reading.extension(oid::BASIC_CONSTRAINTS), expected.profile)
}

fn key_identifiers(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    if reading.extension(oid::SUBJECT_KEY_IDENTIFIER).is_some() {
        ensure(
            expected.profile != ProfileName::Idevid,
            "R-AR-06",
            "a birth certificate has a subject key identifier",
        )?;
        ensure(
            reading.subject_key_identifier() == Some(&key_identifier(expected.public_key)),
            "R-5280-08",
            "the subject key identifier does not follow RFC 7093 method 1",
        )?;
    }
    let there = reading.subject_key_identifier().is_some();
    ensure(there || !expected.profile.is_ca(), "R-5280-08", "a CA without subject key identifier")?;
    let written = reading.extension(oid::AUTHORITY_KEY_IDENTIFIER).map(|extension| extension.value);
    match expected.issuer {
        None => ensure(written.is_none(), "R-5280-09", "a root with an authority key identifier"),
        // Only `[0] keyIdentifier`: issuer and serial number would tie it to one certificate of the issuer.
        Some(issuer) => ensure(
            written.is_some_and(|value| only_key_identifier(value) == Ok(&*issuer.key_identifier)),
            "R-AR-05",
            "the authority key identifier is not the issuer's subject key identifier alone (R-5280-09)",
        ),
    }
}

fn only_key_identifier(value: &[u8]) -> Result<&[u8], NotDer> {
    Ok(only(only(value, SEQUENCE)?.content, CONTEXT_0)?.content)
}

fn basic_constraints(extension: Option<Extension<'_>>, profile: ProfileName) -> Result<(), Broken> {
    if !profile.is_ca() {
        // cA FALSE is the default, which DER omits.
        let absent = extension.is_none_or(|extension| extension.value == [SEQUENCE, 0]);
        return ensure(absent, "R-AR-11", "a certificate that is not a CA's says so in basicConstraints");
    }
    let Some(extension) = extension else {
        return Err(Broken { rule: "R-5280-10", what: "a CA without basicConstraints" });
    };
    ensure(extension.critical, "R-5280-10", "basicConstraints of a CA is not critical")?;
    let path_length = || {
        let mut fields = only(extension.value, SEQUENCE)?.elements()?;
        fields.expect(BOOLEAN)?;
        let length = fields.expect(INTEGER)?.content;
        fields.end()?;
        Ok(length)
    };
    let length =
        path_length().map_err(|NotDer| Broken { rule: "R-5280-10", what: "a CA without path length" })?;
    let wanted = if profile == ProfileName::Root { matches!(length, [0..=2]) } else { length == [0] };
    ensure(wanted, "R-5280-10", "the path length lets more CAs follow than the installation has")
}

/// The extensions that profiles use.
const KNOWN: &[&[u8]] = &[
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::SUBJECT_ALT_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::NAME_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::EXTENDED_KEY_USAGE,
    oid::AUTHORITY_INFORMATION_ACCESS,
    oid::OCSP_NO_CHECK,
];
